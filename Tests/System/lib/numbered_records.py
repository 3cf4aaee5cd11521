#!/usr/bin/env python3
"""Numbered, checksummed records for crash tests.

append LOG ACKS [BATCH [LARGEST]]
    append records without end, each with one write; fsync after each BATCH of them (default 1). ACKS, outside of the
    mount, gets a line `w N` once the write of the N-th has returned, and `s N` once an fsync behind it has. LARGEST
    bytes (default 100) are the largest record. Goes on where the log ended. Ends with the errno of the first failure,
    which is also the last line of the output.
retry LOG ACKS [BATCH [LARGEST]]
    as append, but after a failed call looks whether the log is as long as before, and goes on, until SIGTERM. Exits 1
    if a write that failed left something.
check LOG ACKS synced|written|exact|torn
    exit 1 unless the log holds whole records, in order, with none missing between and nothing else: at least those
    that were synced, or written; or, exact, those that were written and no more; or, torn, at least those that were
    synced, and then maybe the beginning of another.
"""
import errno
import os
import random
import re
import signal
import sys
import time
import zlib

RECORD = re.compile(rb"(\d{12}) ([0-9a-f]+) ([0-9a-f]{8})")
SMALLEST = 100


def record(number, largest):
    size = SMALLEST if largest <= SMALLEST else random.randint(SMALLEST, largest)
    body = b"%012d %s" % (number, os.urandom((size - 23) // 2 + 1).hex().encode()[: size - 23])
    return b"%s %08x\n" % (body, zlib.crc32(body))


def scan(data):
    """How many whole records the bytes hold, in order from 0; or what is wrong with them."""
    count = 0
    if data and not data.endswith(b"\n"):
        raise ValueError(f"the log ends within a record: {data[-130:]!r}")
    for line in data.split(b"\n")[:-1]:
        match = RECORD.fullmatch(line)
        if not match or int(match[1]) != count or int(match[3], 16) != zlib.crc32(line[:-9]):
            raise ValueError(f"expected record {count}, found {line[:130]!r}")
        count += 1
    return count


def scan_torn(data):
    """As scan, where the log may end within a record: its beginning must be that of the next one."""
    whole = data.rfind(b"\n") + 1
    count = scan(data[:whole])
    start = (b"%012d " % count)[: len(data) - whole]
    if data[whole:][: len(start)] != start or not re.fullmatch(rb"[0-9a-f ]*", data[whole:]):
        raise ValueError(f"after record {count - 1} comes {data[whole:][:130]!r}")
    return count


def contents(path):
    with open(path, "rb") as file:
        return file.read()


class Writer:
    def __init__(self, path, acks, batch, largest):
        self.path, self.batch, self.largest = path, batch, largest
        old = contents(path) if os.path.exists(path) else b""
        self.number, self.length = scan(old), len(old)
        self.log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.acks = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.note("w")

    def note(self, what):
        os.write(self.acks, b"%s %d\n" % (what.encode(), self.number))

    def step(self):
        data = record(self.number, self.largest)
        done = os.write(self.log, data)
        if done != len(data):
            sys.exit(f"a write of {len(data)} bytes wrote {done}")
        self.number += 1
        self.length += done
        self.note("w")
        if self.number % self.batch == 0:
            os.fsync(self.log)
            self.note("s")


def append(*arguments):
    try:
        writer = Writer(*arguments)
        while True:
            writer.step()
    except OSError as error:
        name = errno.errorcode.get(error.errno, error.errno)
        print(f"{sys.argv[2]}: {error.strerror}\n{name}")
        sys.exit(3)


def retry(*arguments):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    failures = {}
    writer = Writer(*arguments)
    while not stopped:
        # The pace of a busy log. Any faster, and on a fast disk each checkpoint has more to do than the one before.
        time.sleep(0.002)
        try:
            writer.step()
        except OSError as error:
            name = errno.errorcode.get(error.errno, str(error.errno))
            if not failures:
                print(f"refused with {name}", flush=True)
            failures[name] = failures.get(name, 0) + 1
            length = os.stat(writer.path).st_size
            if length != writer.length:
                sys.exit(f"a call failed with {name}, and the log has {length} bytes instead of {writer.length}")
            time.sleep(0.01)  # the pace of trying again, not a wait for anything
    print(f"{writer.number} records, failures: {failures}")


def last(acks, what):
    lines = contents(acks).split(b"\n")[:-1] if os.path.exists(acks) else []
    return next((int(line[2:]) for line in reversed(lines) if line.startswith(what.encode())), 0)


def check(path, acks, what):
    synced, written = last(acks, "s"), last(acks, "w")
    promised = synced if what in ("synced", "torn") else written
    if not os.path.exists(path) and promised == 0:
        return
    try:
        count = (scan_torn if what == "torn" else scan)(contents(path))
    except (OSError, ValueError) as error:
        sys.exit(f"{path}: {error} (synced: {synced}, written: {written})")
    verdict = "LOST" if count < promised else "TOO MANY" if what == "exact" and count > promised else "ok"
    print(f"{path}: {count} records, {written} written, {synced} synced: {verdict}")
    sys.exit(verdict != "ok")


if __name__ == "__main__":
    if len(sys.argv) >= 4 and sys.argv[1] in ("append", "retry"):
        numbers = [int(number) for number in sys.argv[4:]] + [1, SMALLEST][len(sys.argv) - 4 :]
        {"append": append, "retry": retry}[sys.argv[1]](sys.argv[2], sys.argv[3], *numbers)
    elif len(sys.argv) == 5 and sys.argv[1] == "check" and sys.argv[4] in ("synced", "written", "exact", "torn"):
        check(*sys.argv[2:])
    else:
        sys.exit(__doc__)
