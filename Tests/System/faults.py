#!/usr/bin/env python3
"""The cases of faults.sh.

usage: faults.py FOLDER SCALE [CASE…]
"""
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import numbered_records
from cases import Skipped, case, main
from daemon import Daemon, Fault, await_, error_of

WORK, SCALE = sys.argv[1], int(sys.argv[2])
MNT = os.path.join(WORK, "mnt")
RECORDS = numbered_records.__file__


def expect(found, wanted, what):
    wanted = wanted if isinstance(wanted, (tuple, list, set)) else (wanted,)
    assert found in wanted, f"{what}: {found} instead of {' or '.join(map(str, wanted))}"


def store(name):
    return os.path.join(WORK, "store-" + name)


def start(name, **options):
    return Daemon(store(name), MNT, options=["--chunk-size", "256KiB"], **options)


def reopened(name, expected):
    """Ends the case: kills nothing, mounts again and finds every log as it was, ready for more."""
    with Daemon(store(name), MNT) as daemon:
        for log, data in expected.items():
            found = daemon.read(log)
            assert found == data, f"{log} has {len(found)} bytes instead of {len(data)} after the restart"
            handle = daemon.open(log)
            expect(error_of(os.write, handle, b"more"), None, f"an append to {log} after the restart")
            expect(error_of(os.fsync, handle), None, f"an fsync of {log} after the restart")
            os.close(handle)
        expect(daemon.control("verify")[0], None, "verify after the restart")
        expect(daemon.stop(), 0, "the end after the restart")


# --- a sync that failed


@case
def wal_sync():
    """A failed sync of the WAL is an error for every log of it, for good, until the store is opened anew."""
    with start("wal-sync") as daemon:
        first, second, other = daemon.open("a"), daemon.open("a"), daemon.open("b")
        for handle in (first, other):
            os.write(handle, b"safe")
            os.fsync(handle)
        os.write(first, b"lost?")
        with Fault(daemon, "fdatasync:error=EIO", daemon.files("wal")):
            expect(error_of(os.fsync, first), "EIO", "fsync while the WAL cannot be synced")
        expect(error_of(os.fsync, first), "EIO", "the same handle again, with a sound disk")
        expect(error_of(os.fsync, second), "EIO", "a second handle")
        expect(error_of(os.fsync, other), "EIO", "another log of the WAL")
        expect(error_of(os.write, other, b"x"), ("EIO", "EROFS"), "an append to another log")
        expect(daemon.control("seal a")[0], ("EIO", "EROFS"), "seal")
        third = daemon.open("a")
        expect(error_of(os.fsync, third), "EIO", "a handle opened later")
        expect(daemon.read("a"), b"safelost?", "reading goes on")
        expect(daemon.read("b"), b"safe", "reading goes on")
        for log in ("a", "b"):
            assert "fdatasync" in daemon.status(log), f"the status of {log} gives no reason:\n{daemon.status(log)}"
        daemon.check_alive()
        daemon.kill()
    reopened("wal-sync", {"a": b"safelost?", "b": b"safe"})


@case
def chunk_sync():
    """A failed sync of a chunk file is an error for its log, for good; other logs go on."""
    with start("chunk-sync") as daemon:
        first, second, other = daemon.open("a"), daemon.open("a"), daemon.open("b")
        for handle in (first, other):
            os.write(handle, b"safe")
            os.fsync(handle)
        expect(daemon.control("seal")[0], None, "seal of all")
        for handle in (first, other):
            os.write(handle, b"more")
        paths = [path for path in daemon.files("chunks") if f"{os.fstat(first).st_ino:016x}/" in path]
        with Fault(daemon, "fdatasync,fsync:error=EIO", paths):
            expect(daemon.control("seal a")[0], "EIO", "seal while the chunk cannot be synced")
        expect(daemon.control("seal a")[0], ("EIO", "EROFS"), "seal again, with a sound disk")
        for handle, what in ((first, "the first handle"), (second, "a second handle")):
            expect(error_of(os.fsync, handle), "EIO", f"fsync of {what}")
        expect(error_of(os.fsync, other), None, "fsync of another log")
        expect(daemon.control("seal b")[0], None, "seal of another log")
        expect(daemon.read("a"), b"safemore", "reading goes on")
        assert "fdatasync" in daemon.status("a"), f"the status gives no reason:\n{daemon.status('a')}"
        daemon.check_alive()
        daemon.kill()
    reopened("chunk-sync", {"a": b"safemore", "b": b"safemore"})


@case
def manifest_sync():
    """A manifest that cannot be written fails what needs it; appends, syncs and reads do not."""
    with start("manifest") as daemon:
        handle = daemon.open("a")
        os.write(handle, b"safe")
        with Fault(daemon, "fdatasync,fsync,pwrite64,write:error=EIO", daemon.files("manifest")):
            expect(daemon.control("seal a")[0], "EIO", "seal")
            expect(error_of(daemon.open, "b"), "EIO", "a new log")
            expect(error_of(os.write, handle, b"more"), None, "an append")
            expect(error_of(os.fsync, handle), None, "fsync")
            expect(daemon.read("a"), b"safemore", "reading")
        expect(daemon.control("seal a")[0], None, "seal on the sound disk")
        os.close(daemon.open("b"))
        daemon.check_alive()
        daemon.kill()
    reopened("manifest", {"a": b"safemore", "b": b""})


# --- writes that fail, now and then


class Writers:
    """Programs that append numbered records to several logs, and go on after an error."""

    def __init__(self, name, daemon, logs=("a", "b", "c")):
        self.logs = {log: os.path.join(WORK, f"acks-{name}-{log}") for log in logs}
        self.output = open(os.path.join(WORK, "client.log"), "a+")
        self.processes = []
        for number, (log, acks) in enumerate(self.logs.items()):
            sizes = [["1", "100"], ["8", "3000"], ["1000000", "30000"]][number % 3]
            command = [sys.executable, RECORDS, "retry", daemon.path(log), acks, *sizes]
            self.processes.append(subprocess.Popen(command, stdout=self.output, stderr=self.output))

    def written(self):
        return [numbered_records.last(acks, "w") for acks in self.logs.values()]

    def await_progress(self, daemon, may_fail):
        """Every log goes on, or, where that may be, says why not."""
        before = self.written()
        said = lambda log: may_fail and "read-only" in daemon.status(log)
        moves = lambda: all(new > old or said(log) for log, new, old in zip(self.logs, self.written(), before))
        await_("appends after the faults", moves)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def end(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            status = process.wait(timeout=60)
            self.output.seek(0)
            expect(status, 0, f"a writer ended: {self.output.read()[-500:]}; status")

    def check(self, how, when):
        for log, acks in self.logs.items():
            command = [sys.executable, RECORDS, "check", os.path.join(MNT, log), acks, how]
            verdict = subprocess.run(command, capture_output=True, text=True)
            assert verdict.returncode == 0, f"{when}: {verdict.stdout}{verdict.stderr}"


def weather(name, faults, may_fail=True, **options):
    """Writers and commands while faults come and go; every append that returned is there, and nothing else. Without
    `may_fail` nothing stays of the faults: every log goes on, and every command succeeds again."""
    with start(name, **options) as daemon, Writers(name, daemon) as writers:
        await_("a first record of each writer", lambda: all(writers.written()))
        faults(daemon)
        daemon.check_alive()
        writers.await_progress(daemon, may_fail)
        if not may_fail:
            for command in ("seal", "checkpoint", "evict", "verify"):
                name_of, text = daemon.control(command)
                expect(name_of, None, f"{command} after the faults: {text}")
        writers.end()
        writers.check("exact", "after the faults")
        daemon.kill()
    with Daemon(store(name), MNT) as daemon:
        writers.check("exact", "after the restart")
        expect(daemon.control("verify")[0], None, "verify after the restart")
        with Writers(name, daemon) as more:
            before = more.written()
            await_("appends after the restart", lambda: all(new > old for new, old in zip(more.written(), before)))
            more.end()
            more.check("exact", "after more appends")
        expect(daemon.stop(), 0, "the end after the restart")


def commands(daemon, seconds):
    """Gives commands for a while; each may fail, and none may hang."""
    end = time.monotonic() + seconds * SCALE
    while time.monotonic() < end:
        for command in ("seal", "checkpoint", "evict", "status"):
            daemon.control(command)


def injected(*faults):
    def run(daemon):
        for specification, kind in faults:
            with Fault(daemon, specification, daemon.files(kind) if kind else ()):
                commands(daemon, 0.4)

    return run


@case
def failing_writes():
    """Writes to the WAL and to chunk files that fail now and then, with no space and with errors."""
    weather(
        "writes",
        injected(
            ("pwritev:error=ENOSPC:when=5+7", "wal"),
            ("pwritev:error=EIO:when=5+9", "wal"),
            ("pwrite64:error=ENOSPC:when=1+2", "chunks"),
            ("pwrite64:error=EIO:when=1+3", "chunks"),
        ),
    )


@case
def failing_files():
    """Files that cannot be opened, allocated or renamed; chunk files and WAL segments are created all the time."""
    weather(
        "files",
        injected(
            ("openat:error=EIO:when=2+3", "chunks"),
            ("fallocate:error=ENOSPC:when=1+2", None),
            ("rename,renameat2:error=ENOSPC:when=1+2", None),
            ("mkdir:error=ENOSPC:when=1+2", None),
        ),
    )


@case
def interrupted_calls():
    """Calls that are interrupted, by injection and by a storm of stops."""

    def storm(daemon):
        calls = "pwrite64,pwritev,openat,fallocate:error=EINTR:when=2+3"
        injected((calls, "wal"), (calls, "chunks"), ("fdatasync:error=EINTR:when=1+2", "wal"))(daemon)
        stopping = threading.Event()

        def signals():
            while not stopping.is_set():
                daemon.process.send_signal(signal.SIGSTOP)
                daemon.process.send_signal(signal.SIGCONT)
                time.sleep(0.01)

        thread = threading.Thread(target=signals)
        thread.start()
        try:
            commands(daemon, 1.5)
        finally:
            stopping.set()
            thread.join()

    weather("interrupted", storm)


@case
def no_descriptors():
    """A daemon that may open no more files: what needs one fails, and succeeds when there are some again. No log is given
    up for it: a file that could not be opened says nothing of the disk."""

    def starve(daemon):
        pid = daemon.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        for spare in (0, 1, 3):
            used = max(int(number) for number in os.listdir(f"/proc/{pid}/fd")) + 1
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + spare, hard))
            commands(daemon, 0.4)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        injected(("openat:error=EMFILE:when=2+3", None), ("openat:error=ENFILE:when=1+3", None))(daemon)

    weather("descriptors", starve, may_fail=False)


@case
def chance():
    """Any call of libc on any file of the store fails now and then (libfiu)."""
    if subprocess.run(["sh", "-c", "command -v fiu-run fiu-ctrl"], capture_output=True).returncode != 0:
        raise Skipped("there is no fiu-run")

    def control(daemon, commands_of_fiu):
        command = ["fiu-ctrl", "-f", os.path.join(WORK, "fiu"), "-c", commands_of_fiu, str(daemon.process.pid)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def fail(daemon):
        points = {"posix/io/rw/pwrite": 28, "posix/io/rw/pwritev": 5, "posix/io/oc/open": 24, "posix/io/dir/mkdir": 28}
        for point, failure in points.items():
            control(daemon, f"enable_random name={point},probability=0.1,failinfo={failure}")
        commands(daemon, 2)
        for point in points:
            control(daemon, f"disable name={point}")

    weather("chance", fail, under=["fiu-run", "-x", "-f", os.path.join(WORK, "fiu")])


@case
def read_only_disk():
    """A disk that turns read-only under the store, as ext4 does after an error of its own."""
    if os.getuid() != 0:
        raise Skipped("only root may mount a disk for the store")
    image, place = os.path.join(WORK, "image"), os.path.join(WORK, "disk")
    os.truncate(os.open(image, os.O_RDWR | os.O_CREAT), 192 << 20)
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, place], capture_output=True, text=True)
    if mounted.returncode != 0:
        raise Skipped(f"no loop device can be mounted: {mounted.stderr.strip()}")
    try:
        turn_read_only(place)
    finally:
        subprocess.run(["umount", place], check=True)


def turn_read_only(place):
    device = os.path.basename(os.path.realpath(subprocess.check_output(["findmnt", "-no", "SOURCE", place], text=True).strip()))
    with Daemon(os.path.join(place, "store"), MNT, options=["--chunk-size", "256KiB"]) as daemon:
        handle = daemon.open("a")
        os.write(handle, b"safe")
        os.fsync(handle)
        with open(f"/sys/fs/ext4/{device}/trigger_fs_error", "w") as trigger:
            trigger.write("the disk of a test\n")
        failures = {error_of(os.write, handle, b"x" * 100_000) for _ in range(100)} - {None}
        failures |= {error_of(os.fsync, handle)} - {None}
        assert failures and failures <= {"EROFS", "EIO"}, f"appends on a read-only disk: {failures}"
        expect(daemon.control("seal a")[0], ("EROFS", "EIO"), "seal on a read-only disk")
        expect(error_of(daemon.open, "b"), ("EROFS", "EIO"), "a new log on a read-only disk")
        expect(daemon.control("status")[0], None, "status on a read-only disk")
        expect(daemon.read("a")[:4], b"safe", "reading")
        daemon.check_alive()
        daemon.kill()
    subprocess.run(["umount", place], check=True)
    subprocess.run(["mount", "-o", "loop", place + "/../image", place], check=True)
    with Daemon(os.path.join(place, "store"), MNT) as daemon:
        expect(daemon.read("a")[:4], b"safe", "what was synced before")
        expect(daemon.control("verify")[0], None, "verify")
        expect(daemon.stop(), 0, "the end")


if __name__ == "__main__":
    main("faults")
