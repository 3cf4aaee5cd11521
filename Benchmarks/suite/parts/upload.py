"""Appending to what lies in a bucket, and until the bucket has it, beside others that mount the same bucket."""
import os
import subprocess
import time

import machine
import peers
import texts
from figures import MEDIAN, RATE, SECONDS, TAIL, THROUGHPUT, Figure

MEBIBYTES = 64
OTHERS = ["s3fs", "rclone"]
WRITE = Figure("write", "ms", 1e3, note="open and write")
CLOSE = Figure("close", "ms", 1e3, note="with fsync and close")


def run(session):
    gateway = session.gateway()
    size = session.scaled(MEBIBYTES, 4)
    text = os.path.join(session.folder, "upload-text")
    texts.write_log(text, size)
    with session.own_store("upload-store", *gateway.remote("upload")) as store:
        mounts = [store, *session.bucket_peers()]
        append(session, mounts, "128 B, final fdatasync", [RATE], "--size", 128, "--count", session.scaled(50_000), "--sync", "end")
        append(session, mounts, "128 B + fdatasync", [MEDIAN, TAIL], "--size", 128, "--count", session.scaled(500), "--sync", "each")
        append(session, mounts, "128 KiB, final fdatasync", [THROUGHPUT], "--size", "128K", "--count", size * 4, "--sync", "end")
        until_uploaded(session, gateway, store, mounts, text, size)
        checkpoints(session, gateway, store, text, size)
        reopen(session, store, mounts, text, size)
    os.unlink(text)


def append(session, mounts, work, figures, *words):
    def sample(peer, number):
        try:
            return session.driver("append", *words, "--seconds", 3, peer.file(f"append-{number}"))
        finally:
            peer.remove("append-*")

    session.compare(work, figures, mounts, sample, OTHERS)


def copy(source, target):
    """Appends, syncs and closes."""
    with open(source, "rb") as text, open(target, "ab", buffering=0) as log:
        while piece := text.read(128 << 10):
            assert log.write(piece) == len(piece)
        os.fsync(log.fileno())


def until_uploaded(session, gateway, store, mounts, text, size):
    curl = peers.Peer("curl", os.path.join(session.folder, "curl"))

    def upload(peer, name):
        if peer is curl:
            gateway.curl("-T", text, gateway.url(name))
            return
        copy(text, peer.file(name))
        if peer is store:
            store.control(f"checkpoint {name}")
        else:
            await_uploaded(gateway, name, os.path.getsize(text))

    def sample(peer, number):
        return {"bytes_per_second": (size << 20) / machine.seconds(upload, peer, f"whole-{peer.name}-{number}")}

    session.compare(f"{size} MiB of log text, until the bucket has it", [THROUGHPUT], [*mounts, curl], sample, [*OTHERS, "curl"])
    for peer in mounts:
        peer.remove("whole-*")


def await_uploaded(gateway, key, size):
    until = time.monotonic() + 60
    while gateway.size(key) != size:
        assert time.monotonic() < until, f"{key} is not in the bucket"


def checkpoints(session, gateway, store, text, size):
    """Of what is sealed already, beside the programs that one would use by hand."""
    curl = peers.Peer("curl", os.path.join(session.folder, "curl"))
    packed = curl.file("packed")

    def by_hand():
        subprocess.run(["zstd", "-q", "-f", "-3", "-T2", text, "-o", packed], check=True)
        gateway.curl("-T", packed, gateway.url("peer/packed"))

    def sample(peer, number):
        if peer is curl:
            return {"seconds": machine.seconds(by_hand)}
        copy(text, store.file(f"sealed-{number}"))
        store.seal(f"sealed-{number}")
        return {"seconds": machine.seconds(store.control, f"checkpoint sealed-{number}")}

    session.compare(f"checkpoint of {size} MiB that are sealed; zstd -3 -T2, then curl", [SECONDS], [store, curl], sample, ["curl"])
    store.remove("sealed-*")


def reopen(session, store, mounts, text, size):
    """A line for a log that is in the bucket alone."""
    for peer in mounts:
        copy(text, peer.file(f"cold-{peer.name}"))
    store.control("checkpoint")

    def sample(peer, _number):
        if peer is store:
            store.control("evict")
        else:
            peer.remount()
        return append_line(peer.file(f"cold-{peer.name}"))

    session.compare(f"a line for a cold log of {size} MiB", [WRITE, CLOSE], mounts, sample, OTHERS)


def append_line(path):
    start = time.perf_counter()
    with open(path, "ab", buffering=0) as file:
        assert file.write(b"x" * 127 + b"\n") == 128
        written = time.perf_counter()
        os.fsync(file.fileno())
    return {"write": written - start, "close": time.perf_counter() - start}
