#!/usr/bin/env python3
"""The cases of host.sh.

usage: host.py FOLDER SCALE [CASE…]
"""
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from cases import Skipped, case, main
from daemon import BINARY, Daemon, await_, error_of, processor_time, resident
from programs import Listener, Service, lines_by_path

WORK, SCALE = sys.argv[1], int(sys.argv[2])
MNT = os.path.join(WORK, "mnt")
LOG = os.path.join(WORK, "daemon.log")
SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "mount-scripts")


def expect(found, wanted, what):
    assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"


def store(name):
    return os.path.join(WORK, "store-" + name)


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def said():
    with open(LOG) as file:
        return file.read()


def only_root():
    if os.getuid() != 0:
        raise Skipped("only root may")


# --- mount points


@case
def dead_mount():
    """A killed daemon's mount is taken away, and mounted over, by the next mount; nothing is lost."""
    for start in ([BINARY, "mount"], [BINARY, "mount", "--log-level", "error"]):
        with Daemon(store("dead"), MNT) as daemon:
            before = len(daemon.read("a")) if os.path.exists(daemon.path("a")) else 0
            handle = daemon.open("a")
            # What a restart takes the longer for the more there is.
            os.write(handle, b"written" * 1_000_000)
            daemon.kill()
            os.close(handle)
            expect(error_of(os.stat, MNT + "/a"), "ENOTCONN", "a dead mount")
            with lines_by_path(MNT + "/b") as written:
                again = run(*start, store("dead"), MNT + "/")
                expect(again.returncode, 0, f"mounting over it: {again.stderr}")
            assert "dead mount" in again.stderr, again.stderr
            with open(MNT + "/a", "rb") as file:
                expect(len(file.read()), before + len(b"written") * 1_000_000, "the log's length")
            assert written, "nothing could be written once the mount was there"
            with open("/proc/self/mountinfo") as table:
                expect(sum(f" {MNT} " in line for line in table), 1, "mounts on the place")
            expect(run(SCRIPTS + "/aofs-unmount", MNT).returncode, 0, "unmounting")
        # What was written in the moment between the two mounts lay below the second.
        for name in os.listdir(MNT):
            os.unlink(os.path.join(MNT, name))


@case
def files_below():
    """A mount point with files is refused, unless -o nonempty says that it may hide them."""
    os.makedirs(os.path.join(WORK, "full"))
    full = os.path.join(WORK, "full")
    with open(full + "/file", "w") as file:
        file.write("below")
    refused = run(BINARY, "mount", store("below"), full)
    expect(refused.returncode, 73, "a mount point with files")
    assert "not empty" in refused.stderr and "nonempty" in refused.stderr, refused.stderr
    assert not os.path.exists(store("below")), "a refused mount leaves no store"
    expect(run(BINARY, "mount", "-o", "nonempty", store("below"), full).returncode, 0, "with nonempty")
    expect(os.listdir(full), [], "what the mount shows")
    expect(run(SCRIPTS + "/aofs-unmount", full).returncode, 0, "unmounting")
    expect(os.listdir(full), ["file"], "what was below")


# --- signals


def appender(daemon, text="hold"):
    """A program of its own that has a log open, until its input ends."""
    program = f"import os,sys; f=open({daemon.path('held')!r},'ab',0); f.write(b'{text}'); print(1,flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


@case
def stop_while_opening():
    """A signal ends aofs that waits for a bucket before its mount is there, and whoever started it is told."""
    remote = ["--remote", "s3://bucket/p", "--s3-endpoint", "http://127.0.0.1:1", "--s3-retry", "1h"]
    keys = {**os.environ, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    for words in (["-f"], []):
        command = [BINARY, "mount", *words, *remote, store("opening"), MNT]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=keys) as process:
            await_("the store", lambda: os.path.exists(store("opening") + "/lock") and open(store("opening") + "/lock").read())
            with open(store("opening") + "/lock") as lock:
                owner = int(re.search(r"process (\d+)", lock.read()).group(1))
            os.kill(owner, signal.SIGTERM)
            said = process.stderr.read()
            expect(process.wait(timeout=60), 75, f"the end: {said}")
        assert "signal" in said, said
        os.unlink(store("opening") + "/lock")
    assert not os.path.ismount(MNT)


@case
def places_in_the_mount():
    """What the mount writes to may not lie in it."""
    for option in (["--remote", f"dir:{MNT}/remote"], ["--wal-dir", MNT + "/wal"], ["--log-file", MNT + "/log"]):
        refused = run(BINARY, "mount", *option, store("within"), MNT)
        expect(refused.returncode, 64, f"{option}: {refused.stderr}")
        assert "lies in the mount point" in refused.stderr, refused.stderr
        assert not os.path.exists(store("within")), "a refused mount leaves no store"


@case
def stop_with_writers():
    """SIGTERM names who has files open, waits for them, and ends with 0 if they go, else with 75; nothing is lost."""
    with Daemon(store("stop"), MNT, options=["--stop-timeout", "60s"]) as daemon:
        holder = appender(daemon)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.process.send_signal(signal.SIGTERM)
        await_("the mount out of sight", lambda: not daemon.is_listed())
        daemon.check_alive()
        pattern = rf"process {holder.pid} \([^)]*\) has {re.escape(MNT)}/held open"
        await_("the holder's name", lambda: re.search(pattern, said()))
        holder.communicate()
        expect(daemon.process.wait(timeout=120), 0, "the end, once the writer has gone")
    for signals, timeout in ((1, "200ms"), (2, "60s")):
        with Daemon(store("stop"), MNT, options=["--stop-timeout", timeout]) as daemon:
            holder = appender(daemon, "more")
            begun = len(said())
            daemon.process.send_signal(signal.SIGTERM)
            await_("the holder's name", lambda: "at most" in said()[begun:])
            if signals == 2:
                daemon.process.send_signal(signal.SIGTERM)
            expect(daemon.process.wait(timeout=60), 75, f"the end under a writer, {signals} signals")
            assert re.search(rf"cut off from under: process {holder.pid} ", said()[begun:]), said()[begun:]
            holder.kill()
            holder.communicate()
    with Daemon(store("stop"), MNT) as daemon:
        expect(daemon.read("held"), b"holdmoremore", "what was written")
        daemon.process.send_signal(signal.SIGTERM)
        expect(daemon.process.wait(timeout=60), 0, "the end of a mount that nobody uses")


@case
def log_file():
    """After SIGHUP the daemon writes to a new file of the name that its log had."""
    log = os.path.join(WORK, "own.log")
    started = run(BINARY, "mount", "--log-file", log, store("log"), MNT)
    expect(started.returncode, 0, f"mounting: {started.stderr}")
    await_("the first message", lambda: "mounted" in open(log).read())
    os.rename(log, log + ".1")
    with open(store("log") + "/lock") as lock:
        os.kill(int(re.search(r"process (\d+)", lock.read()).group(1)), signal.SIGHUP)
    await_("the new file", lambda: os.path.exists(log) and "goes on" in open(log).read())
    expect(run(SCRIPTS + "/aofs-unmount", MNT).returncode, 0, "unmounting")
    await_("the last message", lambda: "unmounted" in open(log).read())


# --- service managers


@case
def notify():
    """The service manager is told when the mount answers and when it stops; the journal gets priorities."""
    for abstract in (False, True):
        begun = len(said()) if os.path.exists(LOG) else 0
        with Service(store("notify"), MNT, abstract=abstract) as service:
            ready = service.await_message("READY=1")
            assert f"is mounted on {MNT}" in ready, ready
            assert service.is_mounted(), "ready means that the mount answers"
            service.process.send_signal(signal.SIGTERM)
            service.await_message("STOPPING=1")
            expect(service.process.wait(timeout=60), 0, "the end")
        lines = said()[begun:].splitlines()
        assert lines and all(re.match(r"<[2-7]>", line) for line in lines), lines
        assert any(line.startswith("<5>mounted") for line in lines), lines


@case
def unit():
    """systemd understands the unit."""
    if not shutil.which("systemd-analyze"):
        raise Skipped("there is no systemd-analyze")
    folder = os.path.join(WORK, "units")
    os.makedirs(folder)
    with open(SCRIPTS + "/aofs@.service") as file:
        text = file.read()
    with open(folder + "/aofs@web.service", "w") as file:
        file.write(text)
    verdict = run("systemd-analyze", "verify", "--man=no", folder + "/aofs@web.service")
    expect((verdict.returncode, verdict.stderr.strip()), (0, ""), "systemd-analyze verify")


@case
def alerts():
    """Prometheus understands the alert rules, and the metrics."""
    if not shutil.which("promtool"):
        raise Skipped("there is no promtool")
    verdict = run("promtool", "check", "rules", SCRIPTS + "/prometheus-alerts.yml")
    expect(verdict.returncode, 0, f"promtool check rules: {verdict.stdout}{verdict.stderr}")
    with Daemon(store("alerts"), MNT) as daemon:
        with open(daemon.path(".ctl/metrics")) as file:
            verdict = run("promtool", "check", "metrics", input=file.read())
        expect((verdict.returncode, verdict.stdout + verdict.stderr), (0, ""), "promtool check metrics")


# --- mount(8), fstab, ordinary users


@case
def fstab():
    """mount -t fuse.aofs, and mount -a with a line of fstab, by the helper in a place of its own."""
    only_root()
    place = os.path.join(WORK, "helpers")
    for name in ("upper", "work", "bin", "etc"):
        os.makedirs(f"{place}/{name}", exist_ok=True)
    os.symlink(BINARY, f"{place}/bin/aofs")
    for name in ("mount.aofs", "mount.fuse.aofs"):
        os.symlink(os.path.abspath(SCRIPTS + "/mount.aofs"), f"{place}/upper/{name}")
    line = f"{store('fstab')} {MNT} fuse.aofs _netdev,nofail,chunk_size=256KiB,x-systemd.automount 0 0\n"
    with open(f"{place}/etc/fstab", "w") as file:
        file.write(line)
    script = f"""
set -e
# /sbin with the helpers in it, for this namespace alone.
sbin=$(readlink -f /sbin)
mount -t overlay overlay -o "lowerdir=$sbin,upperdir={place}/upper,workdir={place}/work" "$sbin" || exit 77
PATH={place}/bin:$PATH
mount -t fuse.aofs {store('fstab')} {MNT} -o chunk_size=256KiB
findmnt -n -o FSTYPE,OPTIONS {MNT}
echo one >{MNT}/log
umount {MNT}
mount -a -T {place}/etc/fstab
mount -a -T {place}/etc/fstab
echo two >>{MNT}/log
cat {MNT}/log
test "$(grep -c ' {MNT} ' /proc/self/mountinfo)" = 1
{SCRIPTS}/aofs-unmount {MNT}
mount -t aofs {store('fstab')} {MNT} -o ro
if echo three >>{MNT}/log; then exit 1; fi
{SCRIPTS}/aofs-unmount {MNT}
"""
    result = run("unshare", "-m", "--propagation", "private", "bash", "-c", script)
    if result.returncode == 77:
        raise Skipped(f"no overlay can be mounted: {result.stderr.strip()}")
    expect(result.returncode, 0, f"the script: {result.stdout}{result.stderr}")
    assert "one\ntwo\n" in result.stdout, result.stdout
    options = result.stdout.splitlines()[0]
    assert options.startswith("fuse.aofs") and "nosuid" in options and "nodev" in options, options
    expect(os.stat(store("fstab")).st_mode & 0o777, 0o700, "the store's mode")


@case
def ordinary_user():
    """A user without rights mounts with fusermount3, and nobody else sees what is in it."""
    only_root()
    home = os.path.join(WORK, "home")
    os.makedirs(home + "/mnt")
    shutil.copy(BINARY, home + "/aofs")
    os.chmod(WORK, 0o711)
    for path in (home, home + "/mnt"):
        os.chown(path, 65534, 65534)
    script = f"""
set -e
# A device that this user may open, where the machine's own is root's.
mknod -m 666 {WORK}/fuse c 10 229
mount --bind {WORK}/fuse /dev/fuse
as="setpriv --reuid 65534 --regid 65534 --clear-groups env -C {home} HOME={home}"
$as ./aofs mount store mnt
echo mine | $as tee -a mnt/log
$as sh -c 'echo checkpoint >mnt/.ctl/command'
$as cat mnt/log
! cat {home}/mnt/log
$as fusermount3 -u mnt
"""
    result = run("unshare", "-m", "--propagation", "private", "bash", "-c", script)
    expect(result.returncode, 0, f"the script: {result.stdout}{result.stderr}")
    expect(result.stdout, "mine\nmine\n", "what the user wrote and read")
    await_("the daemon's end", lambda: run("flock", "-n", home + "/store/lock", "true").returncode == 0)


# --- metrics over HTTP


@case
def metrics_listener():
    """GET /metrics works while hundreds of clients are slow, silent or hostile, and these cost a bounded amount."""
    with Daemon(store("metrics"), MNT) as daemon, Listener(MNT) as listener:
        handle = daemon.open("a")
        os.write(handle, b"x" * 77)
        os.close(handle)
        assert "aofs_append_bytes_total 77\n" in listener.scrape()
        for request, code in (
            (b"GET / HTTP/1.1\r\n\r\n", 404), (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", 200),
            (b"HEAD /metrics HTTP/1.1\r\n\r\n", 200), (b"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n12345", 405),
            (b"nonsense\r\n\r\n", 400), (b"\x00\xff\r\n\r\n", 400), (b"GET /metrics\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 10_000, 431), (b"GET /metrics HTTP/1.1\n\n", 200),
        ):
            found, body = listener.ask(request)
            expect(found, code, f"the answer to {request[:40]!r}")
            expect(bool(body), not request.startswith(b"HEAD"), "whether there is a body")
        before = resident(listener.process.pid)
        silent = [socket.create_connection(listener.address, timeout=60) for _ in range(300 * SCALE)]
        dripping = [socket.create_connection(listener.address, timeout=60) for _ in range(100)]
        greedy = [socket.create_connection(listener.address, timeout=60) for _ in range(100)]
        for client in greedy:  # asks, and never reads
            error_of(client.sendall, b"GET /metrics HTTP/1.1\r\n\r\n")
        for round in range(20):
            for client in dripping:
                error_of(client.sendall, b"G")
            assert "aofs_append_bytes_total 77\n" in listener.scrape(), f"round {round}"
        assert listener.descriptors() < 64 + 20, f"{listener.descriptors()} descriptors"
        grown = resident(listener.process.pid) - before
        assert grown < 16 << 20, f"the listener has grown by {grown} bytes"
        for client in silent + dripping + greedy:
            client.close()
        daemon.stop()
        await_("503 without a mount", lambda: listener.ask(b"GET /metrics HTTP/1.1\r\n\r\n")[0] == 503)


# --- events


def append_many(handle, count):
    """Appends records, and returns how long it took."""
    record = b"r" * 127 + b"\n"
    start = time.monotonic()
    for _ in range(count):
        os.write(handle, record)
    return time.monotonic() - start


@case
def stuck_readers():
    """Readers of the events that are stuck cost neither appends nor memory."""
    count = 100_000 * SCALE
    with Daemon(store("events"), MNT, options=["--chunk-size", "128KiB"]) as daemon:
        handle = daemon.open("a")
        append_many(handle, count // 10)
        began = processor_time(daemon.process.pid)
        alone = append_many(handle, count // 2)
        spent = processor_time(daemon.process.pid) - began
        before = resident(daemon.process.pid)
        events = daemon.path(".ctl/events")
        stuck = [os.open(events, os.O_RDONLY | os.O_NONBLOCK) for _ in range(50)]
        half_read = os.open(events, os.O_RDONLY | os.O_NONBLOCK)
        os.read(half_read, 10)
        poller = select.epoll()
        poller.register(stuck[0], select.EPOLLIN)
        follower = subprocess.Popen(["cat", events], stdout=subprocess.PIPE)
        os.set_blocking(follower.stdout.fileno(), False)
        began = processor_time(daemon.process.pid)
        watched = append_many(handle, count - count // 2)
        spent_watched = processor_time(daemon.process.pid) - began
        grown = resident(daemon.process.pid) - before
        print(f"host: {count // 2} appends in {alone:.2f} s alone, {watched:.2f} s with 52 readers; {grown >> 10} KiB more")
        # Of processor time, which does not depend on what else the machine does.
        assert spent_watched < 2 * spent + 1, f"{spent_watched} s of the daemon with stuck readers, {spent} s without"
        assert grown < 32 << 20, f"the daemon has grown by {grown} bytes"
        expect(os.fstat(handle).st_size, (count + count // 10) * 128, "the log's length")
        assert poller.poll(0), "a stuck reader has something to read"
        expect(daemon.control("seal")[0], None, "seal")
        lines = b""
        while b'"to":%d}' % os.fstat(handle).st_size not in lines.replace(b" ", b""):
            assert select.select([follower.stdout], [], [], 60)[0], "the follower gets nothing more"
            lines += os.read(follower.stdout.fileno(), 1 << 16)
        follower.kill()
        follower.communicate()
        for descriptor in stuck + [half_read, handle]:
            os.close(descriptor)
        daemon.process.send_signal(signal.SIGTERM)
        expect(daemon.process.wait(timeout=60), 0, "the end")


if __name__ == "__main__":
    main("host")
