#!/usr/bin/env python3
"""What a bucket as the remote costs, beside other programs on the same server in the same run, in turn.

usage: s3.py AOFS ENDPOINT BUCKET [MEBIBYTES [PART…]]     with the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY

Parts, all by default, of MEBIBYTES (default 1024) of log text:

  ranges       4 KiB at a random offset of an evicted log, against one ranged GET by curl of as many bytes as the frame
               has, on a connection that is open already
  sequential   the evicted log through the mount, against the text as one object through the mounts of s3fs and rclone
               where these are installed, and against its objects by parallel curls through `zstd -dc` into files
  readers      64 programs that each read an evicted log of their own in order, and the daemon's memory meanwhile
  checkpoints  of the sealed log, against `zstd -3 -T2` whose output curl uploads"""
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

AOFS, ENDPOINT, BUCKET = sys.argv[1:4]
MEBIBYTES = int(sys.argv[4]) if len(sys.argv) > 4 else 1024
PARTS = sys.argv[5:] or ["ranges", "sequential", "readers", "checkpoints"]
READS = 200
ROUNDS = 3
READERS = 64
FRAME = 128 << 10
# The end of a mounted log that an eviction leaves, and a request of the kernel more.
RESIDENT = 3 << 20
ACCESS, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
KEYS = f'user = "{ACCESS}:{SECRET}"\n'
SIGNED = ["curl", "-sSf", "--aws-sigv4", "aws:amz:us-east-1:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]


def log_text(path, mebibytes):
    """Lines like an access log's, whose order is random."""
    chance = random.Random(5)
    paths = [f"/api/v{chance.randrange(3)}/items/{chance.randrange(10**6)}" for _ in range(5000)]
    with open(path, "wb", buffering=1 << 20) as file:
        second, size = 1_700_000_000, 0
        while size < mebibytes << 20:
            second += chance.random() / 50
            address = ".".join(str(chance.randrange(256)) for _ in range(3))
            line = (f'10.{address} - - [{second:.6f}] "GET {chance.choice(paths)} HTTP/1.1" '
                    f'{chance.choice((200, 200, 200, 304, 404, 500))} {chance.randrange(100_000)} "-" '
                    f'"agent/{chance.randrange(40)}" {chance.random():.6f}\n').encode()
            file.write(line)
            size += len(line)


def control(mnt, command):
    descriptor = os.open(os.path.join(mnt, ".ctl/command"), os.O_RDWR)
    try:
        os.write(descriptor, (command + "\n").encode())
    finally:
        os.close(descriptor)


def metric(mnt, name):
    with open(os.path.join(mnt, ".ctl/metrics")) as file:
        return int(next(line.split()[1] for line in file if line.startswith(name + " ")))


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def curl(arguments, **options):
    return subprocess.run(SIGNED + ["--config", "-", *arguments], input=KEYS, text=True, check=True, **options)


def object_urls(log):
    urls = subprocess.run([AOFS, "objects", log], capture_output=True, text=True, check=True).stdout.split()
    return [ENDPOINT + url.removeprefix("s3:/") for url in urls]


def seconds(work, *arguments):
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


# --- ranges


def curl_get(url, first, count):
    """Seconds of the second of two requests on one connection."""
    out = curl(["-r", f"{first}-{first + count - 1}", "-o", "/dev/null", "-w", "%{time_total}\n", url, "-o", "/dev/null",
                url], capture_output=True).stdout
    return float(out.split()[1])


def cold_read(log, offset):
    descriptor = os.open(log, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        start = time.perf_counter()
        assert len(os.pread(descriptor, 4096, offset)) == 4096
        return time.perf_counter() - start
    finally:
        os.close(descriptor)


def ranges(mnt, _folder, text):
    log, size = os.path.join(mnt, "log"), 48 << 20
    with open(text, "rb") as source, open(log, "ab") as target:
        target.write(source.read(size))
    control(mnt, "checkpoint log")
    url = object_urls(log)[0]
    head = curl(["-I", url], capture_output=True).stdout
    packed = next(int(line.split(":")[1]) for line in head.lower().splitlines() if line.startswith("content-length"))
    frame = packed // ((size + FRAME - 1) // FRAME)
    ours, theirs = [], []
    for _ in range(READS):
        control(mnt, "evict log")
        ours.append(cold_read(log, random.randrange(0, size - RESIDENT) & ~4095))
        theirs.append(curl_get(url, random.randrange(packed - frame), frame))
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(f"cold 4 KiB: aofs p50 {mine * 1e3:.2f} ms, curl p50 {peer * 1e3:.2f} ms for {frame} bytes, "
          f"ratio {mine / peer:.2f}", flush=True)


# --- sequential


def read_all(path):
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass


def fetch_packed(urls, folder):
    """The objects by two curls at a time, each through zstd into a file."""
    def worker(mine):
        for index, url in mine:
            with open(os.path.join(folder, f"plain-{index}"), "wb") as target:
                get = subprocess.Popen(SIGNED + ["--config", "-", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                unpack = subprocess.Popen(["zstd", "-dcq"], stdin=get.stdout, stdout=target)
                get.stdin.write(KEYS.encode())
                get.stdin.close()
                get.stdout.close()
                assert unpack.wait() == 0 and get.wait() == 0
    numbered = list(enumerate(urls))
    threads = [threading.Thread(target=worker, args=(numbered[first::2],)) for first in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Peer:
    """The text as one object, through another program's mount, which keeps nothing on the disk."""

    def __init__(self, name, folder):
        self.mnt = os.path.join(folder, name)
        os.makedirs(self.mnt, exist_ok=True)
        if name == "s3fs":
            keys = os.path.join(folder, "s3fs.keys")
            with open(os.open(keys, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(f"{ACCESS}:{SECRET}\n")
            command = ["s3fs", BUCKET, self.mnt, "-f", "-o", f"url={ENDPOINT},use_path_request_style,passwd_file={keys}",
                       "-o", "parallel_count=16,multireq_max=16,nomultipart"]
        else:
            command = ["rclone", "mount", f":s3,provider=Ceph,env_auth=true,endpoint='{ENDPOINT}':{BUCKET}", self.mnt,
                       "--vfs-cache-mode", "off", "--buffer-size", "64M", "--read-only"]
        # The transport of rclone takes no bundle of certificates from the environment.
        surroundings = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
        self.process = subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.ismount(self.mnt):
            assert self.process.poll() is None, f"{name} ended instead of mounting"
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["fusermount3", "-u", self.mnt], check=False)
        self.process.wait(timeout=60)


def sequential(mnt, folder, text):
    log = os.path.join(mnt, "sequential")
    subprocess.run(["cp", text, log], check=True)
    control(mnt, "checkpoint sequential")
    urls = object_urls(log)
    peers = [name for name in ("s3fs", "rclone") if subprocess.run(["which", name], capture_output=True, check=False).returncode == 0]
    if peers:
        curl(["-T", text, f"{ENDPOINT}/{BUCKET}/peer/text"])
    found = {name: [] for name in ["aofs", *peers, "curl | zstd"]}
    for _ in range(ROUNDS):
        control(mnt, "evict sequential")
        drop_caches()
        found["aofs"].append(seconds(read_all, log))
        for name in peers:
            with Peer(name, folder) as peer:
                drop_caches()
                found[name].append(seconds(read_all, os.path.join(peer.mnt, "peer/text")))
        with tempfile.TemporaryDirectory(dir=folder) as plain:
            drop_caches()
            found["curl | zstd"].append(seconds(fetch_packed, urls, plain))
    size = os.path.getsize(log) / (1 << 20)
    for name, times in found.items():
        print(f"sequential {size:.0f} MiB: {name} {size / statistics.median(times):.0f} MiB/s "
              f"({', '.join(f'{each:.2f}' for each in times)} s)", flush=True)
    for name in ("fetched", "used", "wasted"):
        full = {"fetched": "prefetched", "used": "prefetch_used", "wasted": "prefetch_wasted"}[name]
        print(f"  read-ahead {name}: {metric(mnt, f'aofs_{full}_bytes_total') >> 20} MiB", flush=True)


# --- readers


def daemon_of(mnt):
    """The process that serves the mount: it has the mount point among its arguments."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read().split(b"\0")
        except OSError:
            continue
        if os.fsencode(mnt) in arguments and b"mount" in arguments:
            return int(pid)
    raise AssertionError("the mount has no daemon")


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024


def readers(mnt, _folder, text):
    each = max(8, MEBIBYTES // READERS) << 20
    with open(text, "rb") as source:
        piece = source.read(each)
    logs = [os.path.join(mnt, f"reader-{index}") for index in range(READERS)]
    for log in logs:
        with open(log, "ab") as target:
            target.write(piece)
    control(mnt, "checkpoint")
    control(mnt, "evict")
    drop_caches()
    pid = daemon_of(mnt)
    before, most = resident(pid), 0
    threads = [threading.Thread(target=read_all, args=(log,)) for log in logs]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, resident(pid))
        time.sleep(0.01)
    took = time.perf_counter() - start
    print(f"{READERS} readers of {each >> 20} MiB each: {READERS * (each >> 20) / took:.0f} MiB/s, {most:.0f} MiB resident at "
          f"most, {before:.0f} before; bytes on their way {metric(mnt, 'aofs_prefetch_memory_peak_bytes') >> 20} MiB at most",
          flush=True)


# --- checkpoints


def pack_and_upload(text, packed, url):
    subprocess.run(["zstd", "-q", "-f", "-3", "-T2", text, "-o", packed], check=True)
    curl(["-T", packed, url])


def checkpoints(mnt, folder, text):
    for round_ in range(ROUNDS):
        name = f"log{round_}"
        subprocess.run(["cp", text, os.path.join(mnt, name)], check=True)
        control(mnt, f"seal {name}")
        ours = seconds(control, mnt, f"checkpoint {name}")
        packed = os.path.join(folder, "packed.zst")
        theirs = seconds(pack_and_upload, text, packed, f"{ENDPOINT}/{BUCKET}/peer/{round_}")
        print(f"checkpoint of {MEBIBYTES} MiB: aofs {ours:.2f} s, zstd and curl {theirs:.2f} s, ratio {ours / theirs:.2f}",
              flush=True)
        control(mnt, f"evict {name}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        mnt, text = os.path.join(folder, "mnt"), os.path.join(folder, "text")
        os.mkdir(mnt)
        log_text(text, MEBIBYTES)
        remote = f"s3://{BUCKET}/bench-{random.randrange(10**9)}"
        subprocess.run(
            [AOFS, "mount", os.path.join(folder, "store"), mnt, "--remote", remote, "--s3-endpoint", ENDPOINT,
             "--checkpoint-interval", "0"], check=True)
        try:
            for part in PARTS:
                globals()[part](mnt, folder, text)
        finally:
            subprocess.run(["fusermount3", "-u", mnt], check=True)


main()
