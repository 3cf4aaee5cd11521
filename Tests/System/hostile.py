#!/usr/bin/env python3
"""Hostile use of a mount, by root and by strangers.

usage: hostile.py FOLDER SCALE [CASE...]
"""
import os
import random
import resource
import shutil
import stat
import subprocess
import sys
import tempfile

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
sys.path.insert(0, LIBRARY)
from daemon import BINARY, Daemon, await_, processor_time, resident  # noqa: E402
from files import append, error_of, read  # noqa: E402

STRANGER = 65534
DESCRIPTORS = 1024
NAMES = [
    b"a" * 255, b"\xff\xfe\x80bad-utf8", b"new\nline", b"tab\tq\"uote's", b"..hidden", b"...", b"-rf", b" lead trail ",
    b"%2e%2e%2f", b"%s%n%d", b"e\xcc\x81", b"\xc3\xa9", b"\x01\x7f", b"*?[", b"back\\slash", b".tmp~", b"wal", b"lock",
    b"manifest.sqlite", b"chunks", b".fuse_hidden0001", b"recovered",
]


def as_user(user, call, *arguments):
    """The name of the errno that a call gets as another user, or None."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        name = "child failed"
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            name = error_of(call, *arguments) or "ok"
        finally:
            os.write(writing, name.encode())
            os._exit(0)
    os.close(writing)
    answer = os.read(reading, 100).decode()
    os.close(reading)
    os.waitpid(child, 0)
    return None if answer == "ok" else answer


def expect(what, found, *wanted):
    assert found in wanted, f"{what}: {found}, not {' or '.join(map(str, wanted))}"


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def memory(daemon):
    """KiB that the daemon has in memory."""
    return resident(daemon.process.pid) // 1024


def expect_even(daemon, what, call, count):
    """Makes many calls, and demands that the daemon spends on the last tenth about what it spent on the first."""
    spent, pid = [], daemon.process.pid
    for part in range(10):
        began = processor_time(pid)
        for index in range(part * count // 10, (part + 1) * count // 10):
            call(index)
        spent.append(processor_time(pid) - began)
    # What is quadratic costs several times as much at the end as in the second tenth; the first one warms up.
    assert spent[-1] < 2.5 * spent[1] + 1, f"{what} {count} logs took these seconds of processor time: {spent}"


class Cases:
    def __init__(self, folder, scale):
        self.folder, self.scale = folder, scale

    def daemon(self, name, under=(), options=("--chunk-size", "128KiB")):
        folder = os.path.join(self.folder, name)
        os.makedirs(os.path.join(folder, "mnt"), exist_ok=True)
        store = os.path.join(folder, "store")
        # Each new log is synced: many of them go where that costs nothing, if the run names such a place.
        if name in ("many", "creates") and "AOFS_TEST_MEMORY" in os.environ and not os.path.lexists(store):
            os.symlink(tempfile.mkdtemp(dir=os.environ["AOFS_TEST_MEMORY"]), store)
        return Daemon(store, os.path.join(folder, "mnt"), under, options)

    def names(self):
        """§names: any bytes, kept apart, over a remount."""
        for round_ in range(2):
            with self.daemon("names") as daemon:
                folder = daemon.path("d").encode()
                if round_ == 0:
                    os.mkdir(folder)
                    for name in NAMES:
                        append(folder + b"/" + name, name)
                assert set(os.listdir(folder)) == set(NAMES) and len(os.listdir(folder)) == len(NAMES)
                for name in NAMES:
                    assert read(folder + b"/" + name) == name, name
                    os.unlink(folder + b"/" + name)
                assert os.listdir(folder) == []
                for command in ["trash", "trash format=json"]:
                    expect(command, daemon.control(command)[0], None)
                for name in NAMES:
                    quoted = "".join(f"\\x{byte:02X}" for byte in b"d/" + name)
                    expect(repr(name), daemon.control(f'restore "{quoted}"\n')[0], None)
                expect("256 bytes", error_of(append, folder + b"/" + b"b" * 256, b"x"), "ENAMETOOLONG")
                expect(".. at the top", error_of(os.stat, daemon.mnt + "/.." * 40 + "/etc/hostname"), None)
                expect("checkpoint", daemon.control("checkpoint")[0], None)
                daemon.stop()

    def strangers(self):
        """§permissions §setid: other users get what the modes give them, and nothing of the store."""
        os.chmod(self.folder, 0o755)
        with self.daemon("strangers") as daemon:
            private = daemon.path("private")
            append(private, b"secret")
            os.chmod(private, 0o600)
            for what, call, arguments, wanted in [
                ("reading", os.open, (private, os.O_RDONLY), "EACCES"),
                ("appending", append, (private, b"x"), "EACCES"),
                ("deleting", os.unlink, (private,), "EACCES"),
                ("renaming", os.rename, (private, private + "2"), "EACCES"),
                ("creating", append, (daemon.path("new"), b"x"), "EACCES"),
                ("chmod", os.chmod, (private, 0o777), "EPERM"),
                ("chown", os.chown, (private, STRANGER, STRANGER), "EPERM"),
                ("utime", os.utime, (private, (1, 1)), "EPERM"),
                ("truncating", os.truncate, (private, 6), "EACCES"),
                ("an attribute", os.getxattr, (private, "user.aof.id"), "EACCES"),
                ("mkdir", os.mkdir, (daemon.path("new"),), "EACCES"),
                ("the metrics", os.open, (daemon.path(".ctl/metrics"), os.O_RDONLY), "EACCES"),
                ("listing the store", os.listdir, (daemon.store,), "EACCES"),
                ("the control files", os.listdir, (daemon.path(".ctl"),), "EACCES"),
                ("a command", os.open, (daemon.path(".ctl/command"), os.O_WRONLY), "EACCES"),
            ]:
                expect(f"{what} by a stranger", as_user(STRANGER, call, *arguments), wanted)
            # What the modes do give.
            self.owner_rows(daemon.path("own"), "aofs")
            self.owner_rows(os.path.join(self.folder, "strangers/own"), "other")
            os.mkdir(daemon.path("open"))
            os.chmod(daemon.path("open"), 0o1777)
            own = daemon.path("open/own")
            expect("creating", as_user(STRANGER, append, own, b"mine"), None)
            expect("owner", (os.stat(own).st_uid, os.stat(own).st_gid), (STRANGER, STRANGER))
            expect("chmod", as_user(STRANGER, os.chmod, own, 0o640), None)
            append(daemon.path("open/roots"), b"x")
            expect("deleting another's, sticky", as_user(STRANGER, os.unlink, daemon.path("open/roots")), "EPERM", "EACCES")
            expect("deleting", as_user(STRANGER, os.unlink, own), None)
            for mode in (0o4755, 0o2755, 0o6755):
                expect("setid", error_of(os.chmod, private, mode), "EPERM")
                expect("the mode", stat.S_IMODE(os.stat(private).st_mode), 0o600)
            capability = b"\x01\x00\x00\x02" + b"\xff" * 16
            expect("capability", error_of(os.setxattr, private, "security.capability", capability), "EPERM")
            expect("device", error_of(os.mknod, daemon.path("null"), stat.S_IFCHR | 0o666, os.makedev(1, 3)), "EPERM")
            expect("link", error_of(os.symlink, "/etc/shadow", daemon.path("link")), "EPERM")
            with open("/proc/self/mounts") as mounts:
                options = next(line.split()[3].split(",") for line in mounts if line.split()[1] == daemon.mnt)
            assert {"nosuid", "nodev", "default_permissions"} <= set(options), options
            for top, folders, files in os.walk(daemon.store):
                for name in folders + files:
                    mode = os.lstat(os.path.join(top, name)).st_mode
                    assert not mode & 0o077, f"{top}/{name} is open to others: {oct(mode)}"
            daemon.stop()

    def owner_rows(self, folder, kind):
        """The rows about permissions and owners, by a stranger in a folder of his."""
        os.mkdir(folder)
        os.chown(folder, STRANGER, STRANGER)
        # He may not reach the folder of the suites.
        for name in ("owner_rows.py", "files.py"):
            shutil.copy(os.path.join(LIBRARY, name), self.folder)
        command = ["python3", "-B", os.path.join(self.folder, "owner_rows.py"), folder, kind]
        done = subprocess.run(command, user=STRANGER, group=STRANGER, extra_groups=[], stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 0, f"{kind}: {done.stderr}"

    def planted_links(self):
        """A link in the store leads nowhere: what lies outside is neither read nor written."""
        outside = os.path.join(self.folder, "outside")
        with open(outside, "wb") as file:
            file.write(b"precious" * 40_000)
        before = read(outside)
        with self.daemon("links") as daemon:
            append(daemon.path("log"), b"x" * 200_000)
            expect("seal", daemon.control("seal")[0], None)
            log = os.stat(daemon.path("log")).st_ino
            daemon.stop()
        chunks = os.path.join(self.folder, f"links/store/chunks/{log:016x}")
        os.rename(f"{chunks}/{0:016x}.chunk", os.path.join(self.folder, "first"))
        os.symlink(outside, f"{chunks}/{0:016x}.chunk")
        os.symlink(outside, f"{chunks}/{2:016x}.chunk")
        with self.daemon("links") as daemon:
            expect("reading through a link", error_of(read, daemon.path("log")), "EIO", "ELOOP")
            expect("appending through a link", error_of(append, daemon.path("log"), b"y" * 200_000), "EIO", "ELOOP")
            append(daemon.path("other"), b"fine")
            expect("another log", read(daemon.path("other")), b"fine")
            daemon.check_alive()
        assert read(outside) == before, "what a link led to was changed"

    def garbage(self):
        """§ctl-errno: anything written to a control file is an answer with EINVAL, and leaves nothing behind."""
        chance = random.Random(7)
        with self.daemon("garbage") as daemon:
            append(daemon.path("log"), b"x")
            inputs = [b"\0", b"\0" * 4096, b"seal\0", b"seal log\0", b"\n" * 1000, b"\xff" * 500, b"a" * (1 << 20), b"\"" * 4000,
                      b"seal " * 10_000, b"purge \"", b"restore id=99999999999999999999\n", b"trim log -1\n", b"status\r\n",
                      b"verify format=", b"seal ../../etc/passwd", b"seal /etc/passwd", b"create .ctl/x\n", b"create a/../b\n"]
            inputs += [bytes(chance.randrange(256) for _ in range(chance.randrange(1, 300))) for _ in range(200)]
            allowed = {None, "EINVAL", "ENOENT", "ENAMETOOLONG", "EPERM", "EISDIR"}

            def send(content, file):
                descriptor = os.open(daemon.path(file), os.O_RDWR | os.O_TRUNC)
                try:
                    return error_of(os.write, descriptor, content), os.pread(descriptor, 4096, 0)
                finally:
                    os.close(descriptor)

            for round_ in range(3):
                for content in inputs:
                    for file in (".ctl/command", ".ctl/logs/log/command"):
                        name, answer = send(content, file)
                        assert name in allowed, f"{content[:40]}: {name}"
                        assert name is None or answer.startswith((b"error: ", b"log: ")), f"{content[:40]}: {answer[:80]}"
                        assert b"\0" not in answer
                if round_ == 0:
                    before = memory(daemon), descriptors(daemon)
            assert memory(daemon) < before[0] + 16_384, f"memory grew from {before[0]} to {memory(daemon)} KiB"
            expect("descriptors", descriptors(daemon), before[1])
            # As an open file: reading it, or making it what it is not.
            for name in ("status", "status.json", "result", "logs/log/status", "logs/log/tail_lsn"):
                expect(name, error_of(os.open, daemon.path(".ctl/" + name), os.O_WRONLY), "EPERM", "EACCES")
                expect(name, error_of(os.unlink, daemon.path(".ctl/" + name)), "EPERM")
            for call, arguments in [(os.mkdir, (".ctl/x",)), (os.rename, (".ctl/command", "y")), (os.rename, ("log", ".ctl/z")),
                                    (os.unlink, (".ctl/command",)), (os.rmdir, (".ctl",)), (os.mkdir, (".ctl",))]:
                name = error_of(call, *(daemon.path(argument) for argument in arguments))
                assert name in ("EPERM", "EEXIST", "EXDEV", "EBUSY"), f"{call.__name__} {arguments}: {name}"
            expect("the log", read(daemon.path("log")), b"x")
            daemon.stop()

    def many_logs(self):
        """§readdir: more logs than the daemon may have descriptors, all of them used and listed."""
        count = 10_000 if self.scale >= 5 else 1100 * self.scale
        under = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
        for round_ in range(2):
            with self.daemon("many", under) as daemon:
                if round_ == 0:
                    os.mkdir(daemon.path("d"))
                    for index in range(count):
                        append(daemon.path(f"d/log-{index}"), b"%d" % index)
                    expect("seal", daemon.control("seal")[0], None)
                listed = [entry.name for entry in os.scandir(daemon.path("d"))]
                assert len(listed) == count and len(set(listed)) == count
                for index in range(count):
                    assert read(daemon.path(f"d/log-{index}")) == b"%d" % index
                total = sum(entry.stat().st_size for entry in os.scandir(daemon.path("d")))
                assert total == sum(len(str(index)) for index in range(count)), total
                assert descriptors(daemon) < DESCRIPTORS
                # A few hundred of them open at once, by handles that hold no descriptor of the daemon's.
                handles = [daemon.open(f"d/log-{index}") for index in range(800)]
                held = descriptors(daemon)
                assert held < DESCRIPTORS - 200, f"{held} descriptors for 800 open logs"
                for handle in handles:
                    os.close(handle)
                daemon.stop()

    def many_creates(self):
        """§unlink §trash: as many logs as anybody makes, deleted and purged: none costs more than the one before, nothing stays."""
        count = 100_000 if self.scale >= 20 else 2000 * self.scale
        with self.daemon("creates", ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")) as daemon:
            os.mkdir(daemon.path("d"))
            name = lambda index: daemon.path(f"d/log-{index:06}")  # noqa: E731
            before = resident(daemon.process.pid), descriptors(daemon)

            def create(index):
                append(name(index), b"%d" % index)

            expect_even(daemon, "creating", create, count)
            each = (resident(daemon.process.pid) - before[0]) / count
            assert each < 4096 or "AOFS_SANITIZER" in os.environ, f"{each:.0f} bytes of memory for each log"
            assert len(os.listdir(daemon.path("d"))) == count
            for index in range(0, count, 97):
                assert read(name(index)) == b"%d" % index
            expect_even(daemon, "deleting", lambda index: os.unlink(name(index)), count)
            expect("listing the trash", daemon.control("trash")[0], None)
            assert len(read(daemon.path(".ctl/result")).splitlines()) >= count
            expect("restoring one", daemon.control(f"restore d/log-{count // 2:06}\n")[0], None)
            assert read(name(count // 2)) == b"%d" % (count // 2)
            os.unlink(name(count // 2))
            expect("purging", daemon.control("purge all=yes\n")[0], None)
            expect("the trash", daemon.control("trash")[1], "")
            expect("names", os.listdir(daemon.path("d")), [])
            # The memory of the first ones serves the next ones.
            used = resident(daemon.process.pid)
            for index in range(count // 4):
                create(index)
            for index in range(count // 4):
                os.unlink(name(index))
            expect("purging again", daemon.control("purge all=yes\n")[0], None)
            grown = resident(daemon.process.pid) - used
            assert grown < used // 10, f"memory grew by {grown} bytes over the {used} after {count} logs"
            assert descriptors(daemon) <= before[1] + 8, f"{descriptors(daemon)} descriptors, {before[1]} before"
            expect("the daemon", daemon.stop(), 0)
        chunks = os.path.join(self.folder, "creates/store/chunks")
        left = os.listdir(chunks) if os.path.isdir(chunks) else []
        assert not left, f"{len(left)} folders of chunks are left"

    def churn(self):
        """Creating and deleting goes on for ever: without a trash age nothing of it stays."""
        rounds = 200 * self.scale
        with self.daemon("churn", options=("--chunk-size", "128KiB", "--trash-age", "0")) as daemon:

            def work(first, count):
                for index in range(first, first + count):
                    append(daemon.path(f"log-{index % 7}"), b"x" * 1000)
                    os.stat(daemon.path(f"log-{index % 7}"))
                    os.rename(daemon.path(f"log-{index % 7}"), daemon.path("target"))
                    if index % 3 == 0:
                        os.unlink(daemon.path("target"))

            work(0, rounds)
            before = memory(daemon), descriptors(daemon)
            work(rounds, rounds)
            await_("an empty trash", lambda: daemon.control("trash")[1] == "")
            grown = memory(daemon) - before[0]
            assert grown < 8192 + 2 * rounds, f"memory grew by {grown} KiB with {rounds} logs"
            assert descriptors(daemon) <= before[1] + 8
            daemon.stop()
        left = os.listdir(os.path.join(self.folder, "churn/store/chunks")) if os.path.isdir(
            os.path.join(self.folder, "churn/store/chunks")) else []
        assert len(left) <= 1, f"{len(left)} folders of chunks are left"

    def kept_handles(self):
        """§unlink §unmount: a handle goes on over the log's deletion and the mount's, and loses nothing."""
        with self.daemon("handles") as daemon:
            kept, deleted = daemon.open("kept"), daemon.open("deleted")
            os.write(kept, b"one ")
            os.write(deleted, b"one ")
            os.unlink(daemon.path("deleted"))
            os.write(deleted, b"two ")
            os.fsync(deleted)
            # The mount goes out of sight; whoever has a file open goes on.
            subprocess.run(["umount", "-l", daemon.mnt], check=True)
            os.write(kept, b"two")
            os.fsync(kept)
            os.write(deleted, b"three")
            os.close(kept)
            os.close(deleted)
            expect("the daemon", daemon.process.wait(timeout=120), 0)
        with self.daemon("handles") as daemon:
            expect("kept", daemon.read("kept"), b"one two")
            expect("restore", daemon.control("restore deleted\n")[0], None)
            expect("deleted", daemon.read("deleted"), b"one two three")
            daemon.stop()

    def own_mount(self):
        """An ordinary user's own mount: all of it works, and it is nobody else's, not even root's."""
        folder = os.path.join(self.folder, "own")
        os.chmod(self.folder, 0o755)
        os.makedirs(folder)
        # The user may not reach the folder that it was built in.
        shutil.copy(BINARY, os.path.join(folder, "aofs"))
        os.chown(folder, STRANGER, STRANGER)
        for name in ("own_mount.sh", "owner_rows.py", "files.py"):
            shutil.copy(os.path.join(LIBRARY, name), folder)
        # In a mount namespace of its own, where /dev/fuse may be opened as on most machines.
        outer = f"""
            mknod fuse c 10 229 && chmod 666 fuse && mount --bind fuse /dev/fuse && [ -w /dev/fuse ] || exit 77
            setpriv --reuid={STRANGER} --regid={STRANGER} --clear-groups -- sh own_mount.sh mount || exit 1
            ls mnt 2>/dev/null && echo 'root sees the mount' >&2
            setpriv --reuid={STRANGER} --regid={STRANGER} --clear-groups -- sh own_mount.sh end
        """
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c", outer]
        environment = dict(os.environ, HOME=folder)
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode == 77:
            print(f"hostile: own_mount: skipped: no /dev/fuse for an ordinary user: {done.stderr.strip()}")
            return
        assert done.returncode == 0 and "root sees" not in done.stderr, f"{done.returncode}: {done.stdout}{done.stderr}"
        expect("the store's mode", stat.S_IMODE(os.stat(os.path.join(folder, "store")).st_mode), 0o700)


def main():
    folder, scale = sys.argv[1], int(sys.argv[2])
    # This process opens as many logs as the daemon could not.
    limit = min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    cases = Cases(folder, scale)
    names = sys.argv[3:] or ["names", "strangers", "planted_links", "garbage", "many_logs", "many_creates", "churn", "kept_handles", "own_mount"]
    failed = 0
    for name in names:
        try:
            getattr(cases, name)()
            print(f"hostile: {name}")
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"hostile: {name}: FAILED: {error}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
