#!/usr/bin/env python3
"""What s3_crash.sh runs on mounts whose remote is a bucket.

usage: s3_crash.py kills FOLDER ENDPOINT PROXY ADMIN ROUNDS     the daemon is killed again and again
       s3_crash.py osd FOLDER ENDPOINT PID                      a part of the server is killed
"""
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import quote, unquote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from buckets import aofs, append, command, set_rules, signed_get
from daemon import Daemon, await_

MODE, FOLDER, ENDPOINT = sys.argv[1:4]
STORE, MNT = os.path.join(FOLDER, "store"), os.path.join(FOLDER, "mnt")
RECORDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", "numbered_records.py")
# More than one part of a multipart upload, and nothing that compresses.
LARGE = 18 << 20


def options(endpoint, *more):
    return ["--remote", "s3://logs/store", "--s3-endpoint", endpoint, "--s3-region", "us-east-1", *more]


# --- what the bucket holds


def listed(query, entry, field):
    """The values of a field in all entries of a listing, page by page."""
    found, marker = [], ""
    while True:
        # curl signs a query as it is, and it is to be in the order of the names.
        page = signed_get(f"{ENDPOINT}/logs?{marker}{query}").decode()
        found += [unquote(value) for value in re.findall(f"<{entry}>.*?<{field}>(.*?)</{field}>", page, re.DOTALL)]
        following = re.search("<NextContinuationToken>(.*?)</NextContinuationToken>", page)
        if not following:
            return found
        marker = f"continuation-token={quote(unquote(following[1]), safe='')}&"


def objects():
    return {key.removeprefix("store/") for key in listed("list-type=2&prefix=store%2Fchunks%2F", "Contents", "Key")}


def unfinished():
    return listed("prefix=store%2F&uploads=", "Upload", "UploadId")


def named(daemon, logs):
    found = set()
    for log in logs:
        name, answer = daemon.control(f"objects {log}\n")
        assert name is None, f"objects {log}: {name} {answer}"
        found |= {line.removeprefix("s3://logs/store/") for line in answer.split() if line.startswith("s3://")}
    return found


# --- the daemon is killed


def faults(chance):
    """A few requests of each kind go wrong, in ways that a try or two overcome."""
    kinds = [
        {"fault": "status", "code": 503, "s3code": "SlowDown"}, {"fault": "status", "code": 500, "s3code": "InternalError"},
        {"fault": "reset_before"}, {"fault": "reset_mid", "bytes": 0}, {"fault": "reset_after"}, {"fault": "delay", "ms": 300},
    ]
    places = [{"method": "PUT"}, {"method": "POST"}, {"method": "DELETE"}, {"method": "GET"}]
    return [{**chance.choice(places), **chance.choice(kinds), "count": 2, "skip": chance.randrange(12)} for _ in range(8)]


class Storm:
    """Commands without end, and a log whose objects go in parts, so that a kill lands in some of that."""

    def __init__(self, daemon, chance):
        self.daemon, self.noise = daemon, chance.randbytes(LARGE)
        self.threads = [threading.Thread(target=self.repeat, args=(what,)) for what in (self.commands, self.parts)]
        for thread in self.threads:
            thread.start()

    def repeat(self, what):
        try:
            while True:
                what()
        except (OSError, AssertionError):
            # The daemon is dead.
            return

    def commands(self):
        for text in ("seal", "checkpoint", "evict"):
            self.daemon.control(text + "\n")
            if self.daemon.process.poll() is not None:
                raise OSError("dead")

    def parts(self):
        append(self.daemon, "parts", self.noise)
        self.daemon.control("checkpoint parts\n")
        self.daemon.control("trim parts %d\n" % os.stat(self.daemon.path("parts")).st_size)

    def join(self):
        for thread in self.threads:
            thread.join()


def check(daemon, log):
    done = subprocess.run(
        [sys.executable, RECORDS, "check", daemon.path(log), os.path.join(FOLDER, f"acks-{log}"), "written"],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def kills():
    proxy, admin, rounds = sys.argv[4], sys.argv[5], int(sys.argv[6])
    chance, largest = random.Random(11), {"small": 100, "middle": 3000, "big": 60_000}
    own = options(proxy, "--chunk-size", "512KiB", "--checkpoint-interval", "1s", "--checkpoint-max-age", "1s",
                  "--remote-grace", "1s")
    for number in range(rounds):
        # A first checkpoint that fails claims nothing.
        set_rules(admin, *(faults(chance) if number else []))
        with Daemon(STORE, MNT, options=own) as daemon:
            if number == 0:
                command(daemon, "create parts chunk_size=4GiB")
            for log in largest if number else []:
                check(daemon, log)
            writers = [
                subprocess.Popen([sys.executable, RECORDS, "append", daemon.path(log), os.path.join(FOLDER, f"acks-{log}"),
                                  "8", str(size)], stdout=subprocess.DEVNULL) for log, size in largest.items()]
            storm = Storm(daemon, chance)
            time.sleep(chance.uniform(0.3, 4))  # the moment is what varies
            daemon.kill()
            for writer in writers:
                assert writer.wait(60) == 3, "a writer did not end with the daemon"
            storm.join()
    set_rules(admin)
    orphans = finish(own, [*largest, "parts"])
    print(f"s3_crash: {rounds} kills, nothing lost, {orphans} objects and uploads left by them found and deleted")


def metric(daemon, name):
    with open(daemon.path(".ctl/metrics")) as metrics:
        return next(int(float(line.split()[1])) for line in metrics if line.startswith(name + " "))


def finish(own, logs):
    """Once all is calm: everything is there, and the bucket holds what is named and nothing else."""
    content, found = {}, 0
    with Daemon(STORE, MNT, options=own) as daemon:
        for log in logs[:-1]:
            check(daemon, log)
        command(daemon, "checkpoint")

        def is_tidy():
            command(daemon, "checkpoint")
            return objects() == named(daemon, logs) and not unfinished()

        await_("the bucket holds what is named, and nothing else", is_tidy)
        content = {log: daemon.read(log) for log in logs[:-1]}
        found = metric(daemon, "aofs_orphaned_objects_total") + metric(daemon, "aofs_abandoned_uploads_total")
        assert daemon.stop() == 0
    report = aofs("verify", "--remote", STORE).decode()
    assert "nothing names" not in report, report
    recovered = os.path.join(FOLDER, "recovered")
    aofs("recover", recovered, *options(ENDPOINT))
    for log, wanted in content.items():
        assert aofs("cat", f"{recovered}:{log}") == wanted, f"{log} from the bucket alone"
    return found


# --- a part of the server is killed


def osd():
    victim = int(sys.argv[4])
    text = b"".join(b"%d a line of a log\n" % number for number in range(600_000))
    done, failures, stopping = {"checkpoints": 0, "reads": 0}, [], threading.Event()
    with Daemon(STORE, MNT, options=options(ENDPOINT, "--checkpoint-interval", "0")) as daemon:
        append(daemon, "cold", text)
        command(daemon, "checkpoint")

        def repeat(kind, what):
            while not stopping.is_set() and not failures:
                try:
                    what()
                    done[kind] += 1
                except (OSError, AssertionError) as error:
                    failures.append(f"{kind}: {error}")

        def write():
            append(daemon, "warm", b"%d\n" % done["checkpoints"])
            command(daemon, "checkpoint warm")

        def read():
            command(daemon, "evict cold")
            offset = random.randrange(len(text) - (3 << 20)) & ~4095
            with open(daemon.path("cold"), "rb") as log:
                assert os.pread(log.fileno(), 4096, offset) == text[offset:offset + 4096], f"wrong bytes at {offset}"

        threads = [threading.Thread(target=repeat, args=pair) for pair in (("checkpoints", write), ("reads", read))]
        for thread in threads:
            thread.start()
        await_("both get on", lambda: failures or min(done.values()) > 10)
        os.kill(victim, signal.SIGKILL)
        before = dict(done)
        await_("both go on without it", lambda: failures or all(done[kind] > before[kind] + 20 for kind in done), 120)
        stopping.set()
        for thread in threads:
            thread.join()
        assert not failures, failures
        assert daemon.read("cold") == text
        assert daemon.stop() == 0
    aofs("verify", "--remote", STORE)
    print(f"s3_crash: one of three OSDs killed amid {done['checkpoints']} checkpoints and {done['reads']} cold reads: no error")


os.makedirs(MNT, exist_ok=True)
{"kills": kills, "osd": osd}[MODE]()
