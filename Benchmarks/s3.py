#!/usr/bin/env python3
"""What a bucket as the remote costs, beside curl and zstd on the same server in the same run, in turn.

usage: s3.py AOFS ENDPOINT BUCKET [MEBIBYTES]     with the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY

Cold reads: 4 KiB at a random offset of an evicted log, against one ranged GET by curl of as many bytes as the frame
has, on a connection that is open already. Checkpoints: of MEBIBYTES (default 1024) of log text that is sealed, against
`zstd -3 -T2` whose output curl uploads."""
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

AOFS, ENDPOINT, BUCKET = sys.argv[1:4]
MEBIBYTES = int(sys.argv[4]) if len(sys.argv) > 4 else 1024
READS = 200
KEYS = f'user = "{os.environ["AWS_ACCESS_KEY_ID"]}:{os.environ["AWS_SECRET_ACCESS_KEY"]}"\n'
SIGNED = ["curl", "-sSf", "--aws-sigv4", "aws:amz:us-east-1:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]


def log_text(path, mebibytes):
    """Lines like an access log's, whose order is random."""
    chance = random.Random(5)
    paths = [f"/api/v{chance.randrange(3)}/items/{chance.randrange(10**6)}" for _ in range(5000)]
    with open(path, "wb", buffering=1 << 20) as file:
        second, size = 1_700_000_000, 0
        while size < mebibytes << 20:
            second += chance.random() / 50
            line = (f'10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)} - - [{second:.6f}] '
                    f'"GET {chance.choice(paths)} HTTP/1.1" {chance.choice((200, 200, 200, 304, 404, 500))} '
                    f'{chance.randrange(100_000)} "-" "agent/{chance.randrange(40)}" {chance.random():.6f}\n').encode()
            file.write(line)
            size += len(line)


def control(mnt, command):
    descriptor = os.open(os.path.join(mnt, ".ctl/command"), os.O_RDWR)
    try:
        os.write(descriptor, (command + "\n").encode())
    finally:
        os.close(descriptor)


def curl_get(url, first, count):
    """Seconds of the second of two requests on one connection."""
    spans = [SIGNED + ["--config", "-", "-r", f"{first}-{first + count - 1}", "-o", "/dev/null", "-w", "%{time_total}\n", url, "-o",
                       "/dev/null", url]]
    out = subprocess.run(spans[0], input=KEYS, text=True, capture_output=True, check=True).stdout
    return float(out.split()[1])


def ranges(mnt, url, size, compressed):
    frames = (size + (128 << 10) - 1) // (128 << 10)
    frame = compressed // frames
    ours, theirs = [], []
    for _ in range(READS):
        control(mnt, "evict log")
        # The last 2 MiB of a mounted log stay.
        offset = random.randrange(0, size - (3 << 20)) & ~4095
        descriptor = os.open(os.path.join(mnt, "log"), os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        start = time.perf_counter()
        assert len(os.pread(descriptor, 4096, offset)) == 4096
        ours.append(time.perf_counter() - start)
        os.close(descriptor)
        theirs.append(curl_get(url, random.randrange(compressed - frame), frame))
    print(f"cold 4 KiB: aofs p50 {statistics.median(ours) * 1e3:.2f} ms, curl p50 {statistics.median(theirs) * 1e3:.2f} ms "
          f"for {frame} bytes, ratio {statistics.median(ours) / statistics.median(theirs):.2f}")


def checkpoints(mnt, folder, text):
    for round_ in range(3):
        name = f"log{round_}"
        subprocess.run(["cp", text, os.path.join(mnt, name)], check=True)
        control(mnt, f"seal {name}")
        start = time.perf_counter()
        control(mnt, f"checkpoint {name}")
        ours = time.perf_counter() - start
        start = time.perf_counter()
        packed = os.path.join(folder, "packed.zst")
        subprocess.run(["zstd", "-q", "-f", "-3", "-T2", text, "-o", packed], check=True)
        subprocess.run(SIGNED + ["--config", "-", "-T", packed, f"{ENDPOINT}/{BUCKET}/peer/{round_}"], input=KEYS, text=True, check=True)
        theirs = time.perf_counter() - start
        print(f"checkpoint of {MEBIBYTES} MiB: aofs {ours:.2f} s, zstd and curl {theirs:.2f} s, ratio {ours / theirs:.2f}")
        control(mnt, f"evict {name}")
        os.unlink(os.path.join(mnt, name)) if hasattr(os, "unlink") and os.environ.get("UNLINK") else None


def main():
    with tempfile.TemporaryDirectory() as folder:
        mnt, text = os.path.join(folder, "mnt"), os.path.join(folder, "text")
        os.mkdir(mnt)
        log_text(text, MEBIBYTES)
        prefix = f"bench-{random.randrange(10**9)}"
        store = os.path.join(folder, "store")
        subprocess.run([AOFS, "mount", store, mnt, "--remote", f"s3://{BUCKET}/{prefix}", "--s3-endpoint", ENDPOINT], check=True)
        try:
            small = os.path.join(mnt, "log")
            with open(text, "rb") as source, open(small, "ab") as target:
                target.write(source.read(48 << 20))
            control(mnt, "checkpoint log")
            url = subprocess.run([AOFS, "objects", small], capture_output=True, text=True, check=True).stdout.split()[0]
            url = ENDPOINT + url.removeprefix("s3:/")
            head = subprocess.run(SIGNED + ["--config", "-", "-I", url], input=KEYS, text=True, capture_output=True, check=True).stdout
            length = next(int(line.split(":")[1]) for line in head.lower().splitlines() if line.startswith("content-length"))
            ranges(mnt, url, 48 << 20, length)
            checkpoints(mnt, folder, text)
        finally:
            subprocess.run(["fusermount3", "-u", mnt], check=True)


main()
