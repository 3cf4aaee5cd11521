#!/usr/bin/env python3
"""What s3.sh runs on mounts whose remote is a bucket.

usage: s3.py store FOLDER ENDPOINT            a store loses its daemon and its directory, and comes back
       s3.py large FOLDER ENDPOINT            a chunk of 4 GiB is uploaded in little memory
       s3.py faults FOLDER PROXY ADMIN        every fault of s3_fault_proxy.py in every kind of request
       s3.py secure FOLDER ENDPOINT FOLDER2   a server with a certificate; FOLDER2 has server-ca.crt and stranger-ca.crt
       s3.py stalled FOLDER PROXY ADMIN       two hundred readers of a server that says nothing
"""
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from buckets import aofs, append, command, set_rules, signed_get
from daemon import BINARY, Daemon, await_, resident
from surroundings import check_surroundings

FOLDER, ENDPOINT = sys.argv[2:4]
ADMIN = sys.argv[4] if len(sys.argv) > 4 else None
MNT = os.path.join(FOLDER, "mnt")
# More than one part of a multipart upload, and nothing that compresses.
LARGE = 20 << 20
# The end of a mounted log is never evicted; with room for the request after the one that is asked for.
RESIDENT = 3 << 20


def options(prefix):
    return ["--remote", f"s3://logs/{prefix}", "--s3-endpoint", ENDPOINT, "--s3-region", "us-east-1"]


# Every request is one that was asked for.
BY_HAND = ["--checkpoint-interval", "0"]


def lines(first, count):
    return b"".join(b"%d a line of a log, which compresses\n" % number for number in range(first, first + count))


def compare(found, wanted, what):
    assert found == wanted, f"{what}: {len(found)} bytes that are not the {len(wanted)} expected"


# --- a store in a bucket


def peak(pid):
    """The most memory that a process has had since that was last forgotten, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def large_chunk():
    """A chunk of any size is uploaded in bounded memory; at night it is full, where the server has the memory for it."""
    noise, parts = random.Random(2), min(64, 4 * int(os.environ.get("AOFS_TEST_SCALE", "1")))
    if os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 16 << 30:
        parts = 4
    with Daemon(os.path.join(FOLDER, "large"), MNT, options=options("large") + BY_HAND) as daemon:
        command(daemon, "create large chunk_size=4GiB")
        for _ in range(parts):
            append(daemon, "large", noise.randbytes(64 << 20))
        command(daemon, "seal large")
        with open(f"/proc/{daemon.process.pid}/clear_refs", "w") as forget:
            forget.write("5")
        before = peak(daemon.process.pid)
        command(daemon, "checkpoint large")
        grown = peak(daemon.process.pid) - before
        assert grown < 128 << 20, f"an object of {64 * parts} MiB took {grown >> 20} MiB of memory"
        print(f"s3: an object of {64 * parts} MiB took {grown >> 20} MiB of memory")
        assert daemon.stop() == 0


def lose_everything():
    store = os.path.join(FOLDER, "store")
    text, noise = lines(0, 120_000), random.Random(1).randbytes(LARGE)
    with Daemon(store, MNT, options=options("store") + BY_HAND) as daemon:
        os.mkdir(daemon.path("dir"))
        append(daemon, "dir/text", text)
        command(daemon, "seal dir/text")
        append(daemon, "noise", noise)
        command(daemon, "checkpoint")
        command(daemon, "evict")
        for offset in (0, 4096, 1_234_567, len(text) - 4096):
            part = subprocess.run(
                ["dd", f"if={daemon.path('dir/text')}", "bs=4096", "count=1", f"skip={offset}", "iflag=skip_bytes,fullblock"],
                capture_output=True, check=True).stdout
            compare(part, text[offset:offset + 4096], f"dd at {offset}")
        append(daemon, "dir/text", b"not in the bucket yet\n")
        daemon.kill()
    # Another mount finds the bucket by what the store keeps.
    with Daemon(store, MNT, options=BY_HAND) as daemon:
        compare(daemon.read("dir/text"), text + b"not in the bucket yet\n", "text after kill -9")
        compare(daemon.read("noise"), noise, "noise after kill -9")
        command(daemon, "checkpoint")
        assert daemon.stop() == 0
    for name, wanted in (("dir/text", text + b"not in the bucket yet\n"), ("noise", noise)):
        packed = b""
        for url in aofs("objects", f"{store}:{name}").decode().split():
            assert url.startswith("s3://logs/store/chunks/"), url
            packed += signed_get(ENDPOINT + url.removeprefix("s3:/"))
        plain = subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout
        compare(plain, wanted, f"the objects of {name}")
    shutil.rmtree(store)
    recovered = os.path.join(FOLDER, "recovered")
    aofs("recover", recovered, *options("store"))
    compare(aofs("cat", f"{recovered}:dir/text"), text + b"not in the bucket yet\n", "text from the bucket alone")
    compare(aofs("cat", f"{recovered}:noise"), noise, "noise from the bucket alone")
    aofs("verify", "--remote", recovered)
    # What names the bucket holds no secret.
    with open(os.path.join(recovered, "manifest.sqlite"), "rb") as manifest:
        assert os.environ["AWS_SECRET_ACCESS_KEY"].encode() not in manifest.read(), "the manifest holds the secret"


# --- faults


def faults_done():
    with urllib.request.urlopen(ADMIN) as answer:
        return sum(json.loads(answer.read()).values())


# Each is done twice: fewer than the tries that a request has.
FAULTS = {
    "slow down": {"fault": "status", "code": 503, "s3code": "SlowDown"},
    "internal error": {"fault": "status", "code": 500, "s3code": "InternalError"},
    "request timeout": {"fault": "status", "code": 400, "s3code": "RequestTimeout"},
    "delay": {"fault": "delay", "ms": 300},
    "reset before": {"fault": "reset_before"},
    "reset amid the request": {"fault": "reset_mid", "bytes": 0},
    "reset after": {"fault": "reset_after"},
    "truncate": {"fault": "truncate", "bytes": 10},
    "truncate by a reset": {"fault": "truncate_reset", "bytes": 10},
    "corrupt": {"fault": "corrupt", "at": 40},
    "lie about the length": {"fault": "lie", "bytes": 1 << 20},
}

# Which request is broken, and what makes it.
TARGETS = {
    "GET of a range": ({"method": "GET", "path": "/chunks/"}, "read"),
    "PUT of an object": ({"method": "PUT", "path": "/chunks/[^?]*$"}, "small"),
    "PUT of a record": ({"method": "PUT", "path": "/manifest/"}, "small"),
    "beginning of parts": ({"method": "POST", "path": "uploads="}, "large"),
    "PUT of a part": ({"method": "PUT", "path": "partNumber="}, "large"),
    "completion of parts": ({"method": "POST", "path": "uploadId="}, "large"),
    "LIST": ({"method": "GET", "path": "list-type=2"}, "recover"),
    "GET of a record": ({"method": "GET", "path": "/manifest/"}, "recover"),
}


class Bench:
    """A mounted store whose logs grow with every fault."""

    def __init__(self, daemon):
        self.daemon, self.random, self.number = daemon, random.Random(7), 0
        self.content = {"read": lines(0, 200_000), "small": b"", "large": b""}
        append(daemon, "read", self.content["read"])
        command(daemon, "checkpoint read")
        # No append of it crosses a chunk's end: each is one object, of parts.
        command(daemon, "create large chunk_size=4GiB")

    def run(self, kind):
        """Does what sends the request. Raises AssertionError if the outcome is an error."""
        self.number += 1
        if kind == "read":
            command(self.daemon, "evict read")
            offset = self.random.randrange(len(self.content["read"]) - RESIDENT) & ~4095
            with open(self.daemon.path("read"), "rb") as log:
                compare(os.pread(log.fileno(), 4096, offset), self.content["read"][offset:offset + 4096], f"at {offset}")
        elif kind in ("small", "large"):
            data = b"%d\n" % self.number if kind == "small" else self.random.randbytes(LARGE)
            append(self.daemon, kind, data)
            self.content[kind] += data if kind == "small" else b""
            command(self.daemon, f"checkpoint {kind}")
            if kind == "large":
                command(self.daemon, "trim large %d" % os.stat(self.daemon.path("large")).st_size)
        else:
            aofs("recover", os.path.join(FOLDER, f"recovered-{self.number}"), *options("copy"))


def fault_matrix():
    # What is recovered again and again is another store, or each recovery would fence the mount.
    source = os.path.join(FOLDER, "source")
    aofs("create", f"{source}:log")
    shutil.rmtree(source)
    with Daemon(source, MNT, options=options("copy") + BY_HAND) as daemon:
        append(daemon, "log", lines(0, 1000))
        command(daemon, "checkpoint")
        assert daemon.stop() == 0
    with Daemon(os.path.join(FOLDER, "faulty"), MNT, options=options("faulty") + BY_HAND) as daemon:
        bench = Bench(daemon)
        outcomes = {}
        for target, (where, kind) in TARGETS.items():
            for fault, what in FAULTS.items():
                set_rules(ADMIN, {**where, **what, "count": 2})
                try:
                    bench.run(kind)
                    outcome = "done"
                except AssertionError as error:
                    # Wrong bytes that nothing but their meaning gives away may end in an error, and in nothing worse.
                    assert fault == "corrupt" and kind == "recover", f"{fault} in {target}: {error}"
                    assert "recover" in str(error), str(error)
                    outcome = "refused"
                assert faults_done() > 0, f"{fault} in {target}: there was no such request"
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
                set_rules(ADMIN)
                daemon.check_alive()
            # Without a restart all goes on.
            bench.run(kind)
        for name in ("read", "small"):
            command(daemon, f"evict {name}")
            compare(daemon.read(name), bench.content[name], name)
        print("s3: faults: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
        away(daemon, bench)
        assert daemon.stop() == 0
    aofs("verify", "--remote", os.path.join(FOLDER, "faulty"))


def away(daemon, bench):
    """A server that says nothing: whoever needs it waits, and nobody else."""
    set_rules(ADMIN, {"fault": "stall", "bytes": 0, "method": "GET"}, {"fault": "delay", "ms": 8000, "method": "PUT"})
    append(daemon, "small", b"while it is away\n")
    bench.content["small"] += b"while it is away\n"
    command(daemon, "evict read")
    answers = []
    checkpoint = threading.Thread(target=lambda: answers.append(daemon.control("checkpoint small")))
    reads = [threading.Thread(target=lambda: answers.append(read_cold(daemon, bench))) for _ in range(8)]
    for thread in [checkpoint, *reads]:
        thread.start()
    await_("the server is asked", lambda: faults_done() > 1)
    for number in range(20):
        append(daemon, "local", b"%d\n" % number)
    compare(daemon.read("local"), b"".join(b"%d\n" % number for number in range(20)), "local")
    assert checkpoint.is_alive() and any(thread.is_alive() for thread in reads), "nobody waited for the server"
    set_rules(ADMIN)
    for thread in [checkpoint, *reads]:
        thread.join()
    assert all(answer is True or answer[0] is None for answer in answers), answers


def read_cold(daemon, bench):
    with open(daemon.path("read"), "rb") as log:
        return os.pread(log.fileno(), 4096, 8192) == bench.content["read"][8192:12288]


# --- TLS, and credentials that others hand out


def secure():
    trusted, stranger = (os.path.join(ADMIN, f"{name}-ca.crt") for name in ("server", "stranger"))
    by_address = ENDPOINT.replace("localhost", "127.0.0.1")
    for name, endpoint, bundle in (
        ("no authority", ENDPOINT, []), ("another authority", ENDPOINT, ["--s3-ca-bundle", stranger]),
        ("another name", by_address, ["--s3-ca-bundle", trusted]),
    ):
        arguments = ["--remote", "s3://logs/refused", "--s3-endpoint", endpoint, *bundle]
        done = subprocess.run(
            [BINARY, "mount", os.path.join(FOLDER, "refused"), MNT, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 74 and "certificate" in done.stderr, f"{name}: {done.returncode} {done.stderr}"
    check_surroundings(FOLDER, ENDPOINT, trusted, stranger)
    text = lines(0, 200_000)
    own = [*options("tls"), *BY_HAND, "--s3-ca-bundle", trusted]
    for number, (name, surroundings) in enumerate(identities()):
        saved = dict(os.environ)
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del os.environ[key]
        os.environ.update(surroundings)
        try:
            with Daemon(os.path.join(FOLDER, "store"), MNT, options=own) as daemon:
                append(daemon, name, text)
                command(daemon, "checkpoint")
                command(daemon, "evict")
                compare(daemon.read(name), text, name)
                assert daemon.stop() == 0
        finally:
            os.environ.clear()
            os.environ.update(saved)
    with open(os.path.join(FOLDER, "daemon.log"), "rb") as log:
        assert b"secret-of" not in log.read(), "the daemon's log has a secret"
    print(f"s3: TLS with a private authority: {number + 1} ways to credentials, 4 refusals")


def identities():
    """Surroundings without keys, as roles and programs give them."""
    def write(name, text):
        path = os.path.join(FOLDER, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    role = "arn:aws:iam::123456789012:role/logs"
    config = write("config", f"""[profile role]
role_arn = {role}
source_profile = source
[profile program]
credential_process = printf '%s' '{{"Version":1,"AccessKeyId":"program","SecretAccessKey":"secret-of-program"}}'
[profile source]
aws_access_key_id = source
aws_secret_access_key = secret-of-source
""")
    both = {"AWS_CONFIG_FILE": config, "AWS_ENDPOINT_URL_STS": ENDPOINT}
    yield "role", {**both, "AWS_PROFILE": "role"}
    yield "program", {**both, "AWS_PROFILE": "program"}
    yield "token", {**both, "AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": write("token", "secret-of-token\n")}


# --- a server that says nothing

STUCK = 200
PREFETCH = 16 << 20
OPTIONS = ["--prefetch-memory", "16MiB", "--stop-timeout", "1s"]


def stuck_readers(daemon, count):
    """Programs that wait for evicted bytes of two logs, each at a place of its own."""
    span = 8 << 20
    return [
        subprocess.Popen(
            ["dd", f"if={daemon.path(('read', 'other')[index % 2])}", "of=/dev/null", "bs=4096", "count=1", "iflag=skip_bytes",
             f"skip={index * (span // count) & ~4095}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for index in range(count)]


def make_cold(daemon):
    # What readers asked for comes though they have gone.
    await_("the downloads are done", lambda: b"aofs_prefetch_memory_bytes 0\n" in daemon.read(".ctl/metrics"))
    command(daemon, "evict read")
    command(daemon, "evict other")


def speeds(daemon):
    """Medians of an append with its fsync, and of a read that the daemon answers from the disk, in seconds."""
    appends, reads = [], []
    log, warm = daemon.open("local"), os.open(daemon.path("warm"), os.O_RDWR | os.O_APPEND)
    try:
        for number in range(300):
            start = time.perf_counter()
            os.write(log, b"x" * 128)
            os.fsync(log)
            appends.append(time.perf_counter() - start)
            start = time.perf_counter()
            assert len(os.pread(warm, 4096, number * 4096)) == 4096
            reads.append(time.perf_counter() - start)
    finally:
        os.close(log)
        os.close(warm)
    return statistics.median(appends), statistics.median(reads)


def stalled():
    with Daemon(os.path.join(FOLDER, "stalled"), MNT, options=options("stalled") + BY_HAND + OPTIONS) as daemon:
        for name in ("read", "other", "warm"):
            append(daemon, name, random.Random(name).randbytes(12 << 20))
        command(daemon, "checkpoint")
        memory = resident(daemon.process.pid)
        ratios = []
        # Other programs of the machine may slow down either side: each try measures both.
        for _ in range(3):
            free = speeds(daemon)
            make_cold(daemon)
            set_rules(ADMIN, {"fault": "stall", "bytes": 0, "method": "GET"})
            readers = stuck_readers(daemon, STUCK)
            await_("the server is asked", lambda: faults_done() > 0)
            held = speeds(daemon)
            assert all(reader.poll() is None for reader in readers), "nobody waited for the server"
            grown = resident(daemon.process.pid) - memory
            assert grown < PREFETCH + (100 << 20), f"{STUCK} readers take {grown} bytes"
            for reader in readers:
                reader.send_signal(signal.SIGTERM)
            for reader in readers:
                assert reader.wait(timeout=60) == -signal.SIGTERM, "a reader did not end with its signal"
            set_rules(ADMIN)
            ratios.append(max(slow / fast for slow, fast in zip(held, free)))
            if ratios[-1] <= 2:
                break
        assert min(ratios) <= 2, f"appends or warm reads take {ratios} times as long while readers are stuck"
        print(f"s3: stalled: {ratios[-1]:.2f} times as long beside {STUCK} stuck readers, {grown >> 20} MiB more", flush=True)
        make_cold(daemon)
        set_rules(ADMIN, {"fault": "stall", "bytes": 0, "method": "GET"})
        readers = stuck_readers(daemon, 20)
        await_("the server is asked", lambda: faults_done() > 0)
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait(timeout=180)
        assert not daemon.is_listed(), "the mount is still there"
        for reader in readers:
            assert reader.wait(timeout=60) != 0
        set_rules(ADMIN)


os.makedirs(MNT, exist_ok=True)
{
    "store": lose_everything, "large": large_chunk, "faults": fault_matrix, "secure": secure, "stalled": stalled,
}[sys.argv[1]]()
