"""Reading what is in the bucket alone, beside others that mount the same bucket, and curl."""
import os
import random
import subprocess
import tempfile
import threading

import link
import machine
import peers
import texts
from buckets import SIGNED
from figures import MEDIAN, MILLISECONDS, TAIL, THROUGHPUT, Figure

MEBIBYTES = 256
READS = 200
READERS, READER_MEBIBYTES = 64, 8
FRAME = 128 << 10
# The end of a mounted log that an eviction leaves, and a request of the kernel more.
RESIDENT = 3 << 20
OTHERS = ["s3fs", "rclone", "curl"]
LINK = "1Gbit"
PEAK = Figure("peak", "MB", 1e-6, note="memory of the daemon at most")
KEY = "peer/text"


def run(session):
    gateway = session.gateway()
    text = os.path.join(session.folder, "text")
    size = session.scaled(MEBIBYTES, 4)
    texts.write_log(text, size)
    gateway.curl("-T", text, gateway.url(KEY))
    curl = peers.Peer("curl", os.path.join(session.folder, "curl"))
    with session.own_store("cold-store", *gateway.remote("cold")) as store:
        subprocess.run(["cp", text, store.file("text")], check=True)
        store.control("checkpoint")
        everybody = [store, *session.bucket_peers(), curl]
        objects = object_urls(session, store.file("text"), gateway)

        def compare(work, figures, ours, theirs):
            def sample(peer, number):
                make_cold(peer)
                if peer is curl:
                    return theirs(number)
                return ours(peer.file("text" if peer is store else KEY), number)

            session.compare(work, figures, everybody, sample, OTHERS)

        def first_byte(file, _number):
            return {"seconds": machine.seconds(read_one, file)}

        def by_ranges(_number):
            times = frame_gets(gateway, objects[0], session.scaled(READS, 4))
            return {"p50_us": 1e6 * times[len(times) // 2], "p99_us": 1e6 * times[len(times) * 99 // 100]}

        compare("the first byte", [MILLISECONDS], first_byte, lambda _: {"seconds": get(gateway, gateway.url(KEY), 0, 1)[0]})
        reads = ["read", "--block", "4K", "--random", "--count", session.scaled(READS, 4), "--seconds", 5, "--to", (size << 20) - RESIDENT]
        compare("4 KiB at random", [MEDIAN, TAIL], lambda file, number: session.driver(*reads, "--seed", number, file), by_ranges)
        def in_order(file, _number):
            return session.driver("read", file)

        def in_parallel(_number):
            return {"bytes_per_second": (size << 20) / machine.seconds(fetch_packed, gateway, objects, curl.path)}

        def far(sample):
            def limited(*arguments):
                with link.limited(gateway.endpoint, LINK):
                    return sample(*arguments)

            return limited

        compare(f"{size} MiB in order", [THROUGHPUT], in_order, in_parallel)
        compare(f"{size} MiB in order, a link of {LINK}/s to the bucket", [THROUGHPUT], far(in_order), far(in_parallel))
        read_at_once(session, store, text)
    os.unlink(text)


def make_cold(peer):
    if isinstance(peer, peers.Mounted):
        peer.remount()
    elif isinstance(peer, peers.Aofs):
        peer.control("evict")


def read_one(file):
    with open(file, "rb", buffering=0) as opened:
        assert len(opened.read(1)) == 1


# --- curl, which knows nothing of mounts


def object_urls(session, log, gateway):
    said = subprocess.run([session.tools.aofs, "objects", log], capture_output=True, text=True, check=True).stdout
    return [gateway.endpoint + line.removeprefix("s3:/") for line in said.split()]


def get(gateway, url, first, count):
    """Seconds of two requests on one connection, of which the first makes it."""
    said = gateway.curl("-r", f"{first}-{first + count - 1}", "-w", "%{time_total}\n", "-o", "/dev/null", url, "-o", "/dev/null", url)
    return [float(line) for line in said.split()]


def frame_gets(gateway, url, count):
    """Seconds of GETs of as many bytes as a frame has, on a connection that is open; sorted."""
    packed = gateway.size(url.split("/", 4)[4])
    frame = packed // (min(MEBIBYTES << 20, 64 << 20) // FRAME)
    chance = random.Random(count)
    return sorted(get(gateway, url, chance.randrange(packed - frame), frame)[1] for _ in range(count))


def fetch_packed(gateway, urls, folder):
    """The objects by two curls at a time, each through zstd into a file."""
    failed = []

    def worker(mine):
        for index, url in mine:
            with open(os.path.join(plain, str(index)), "wb") as target:
                fetch = subprocess.Popen([*SIGNED, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                unpack = subprocess.Popen(["zstd", "-dcq"], stdin=fetch.stdout, stdout=target)
                fetch.stdout.close()
                fetch.stdin.write(gateway.credentials().encode())
                fetch.stdin.close()
                if unpack.wait() or fetch.wait():
                    failed.append(url)

    with tempfile.TemporaryDirectory(dir=folder) as plain:
        numbered = list(enumerate(urls))
        at_once(worker, [(numbered[first::2],) for first in range(2)])
    assert not failed, f"curl or zstd failed for {failed}"


def at_once(work, arguments):
    threads = [threading.Thread(target=work, args=each) for each in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- many readers


def read_at_once(session, store, text):
    with open(text, "rb") as source:
        piece = source.read(READER_MEBIBYTES << 20)
    logs = [store.file(f"reader-{index}") for index in range(session.scaled(READERS, 4))]
    for log in logs:
        with open(log, "ab") as target:
            target.write(piece)
    store.control("checkpoint")

    def sample(peer, _number):
        peer.control("evict")
        most, ended = [peer.memory()], threading.Event()

        def watch():
            while not ended.wait(0.01):
                most.append(peer.memory())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            taken = machine.seconds(at_once, lambda log: session.driver("read", log), [(log,) for log in logs])
        finally:
            ended.set()
            watcher.join()
        return {"bytes_per_second": len(logs) * len(piece) / taken, "peak": max(most)}

    session.compare(f"{len(logs)} readers of {READER_MEBIBYTES} MiB each, of logs of their own", [THROUGHPUT, PEAK], [store], sample, ())
