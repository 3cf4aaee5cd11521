#!/usr/bin/env python3
"""Numbered, checksummed records for crash tests.

append LOG ACKS [BATCH]   append records without end; after each BATCH of them (default 1) fsync the log, and only then
                          note in ACKS how many are safe. ACKS lies outside the mount. Goes on where the log ended.
check LOG ACKS            exit 1 unless the log holds every acknowledged record, in order, with none missing between,
                          and nothing else but torn beginnings of a record.
"""
import os
import re
import sys
import zlib

RECORD = re.compile(rb"(\d{12}) ([0-9a-f]{64}) ([0-9a-f]{8})")
TORN = re.compile(rb"\d{0,12}( [0-9a-f]{0,64}( [0-9a-f]{0,8})?)?")


def record(number):
    body = b"%012d %s" % (number, os.urandom(32).hex().encode())
    return b"%s %08x\n" % (body, zlib.crc32(body))


def scan(data):
    """How many whole records the bytes hold, in order from 0, and how many torn ones; or what is wrong with them."""
    count = torn = 0
    for index, line in enumerate(data.split(b"\n")):
        match = RECORD.fullmatch(line)
        if not line:
            continue
        if match and int(match[1]) == count and int(match[3], 16) == zlib.crc32(line[:-9]):
            count += 1
        elif not match and TORN.fullmatch(line):
            torn += 1
        else:
            raise ValueError(f"line {index}: expected record {count}, found {line[:130]!r}")
    return count, torn


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


def append(path, acks, batch):
    old = contents(path) if os.path.exists(path) else b""
    number, _ = scan(old)
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    ack = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if old and not old.endswith(b"\n"):
        write_all(log, b"\n")  # what a crash tore stays, on a line of its own
    while True:
        write_all(log, record(number))
        number += 1
        if number % batch == 0:
            os.fsync(log)
            write_all(ack, b"%d\n" % number)


def acknowledged(acks):
    whole = contents(acks).split(b"\n")[:-1] if os.path.exists(acks) else []
    return int(whole[-1]) if whole else 0


def check(path, acks):
    promised = acknowledged(acks)
    try:
        count, torn = scan(contents(path))
    except (OSError, ValueError) as error:
        sys.exit(f"{error} (acknowledged: {promised})")
    verdict = "ok" if count >= promised else "LOST"
    print(f"{count} records, {promised} acknowledged, {torn} torn: {verdict}")
    sys.exit(count < promised)


if __name__ == "__main__":
    if len(sys.argv) >= 4 and sys.argv[1] == "append":
        append(sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    elif len(sys.argv) == 4 and sys.argv[1] == "check":
        check(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
