"""A daemon on a real mount, and faults for its system calls. Everything is taken down at the end of a `with`."""
import os
import resource
import signal
import subprocess
import time

from files import error_of

BINARY = os.environ["AOFS_BINARY"]
# Given to each mount, for suites that run in another mode.
MOUNT_OPTIONS = os.environ.get("AOFS_MOUNT_OPTIONS", "")


def await_(what, condition, seconds=60):
    """Waits for a condition: a guard against hangs, not a bound on speed."""
    for _ in range(seconds * 20):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within a minute: {what}")


def resident(pid):
    """The bytes of memory that a process has."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def processor_time(pid):
    """The seconds of processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


class Daemon:
    def __init__(self, store, mnt, under=(), options=()):
        self.store, self.mnt, self.under, self.options = store, mnt, list(under), list(options)
        if MOUNT_OPTIONS:
            self.options += ["-o", MOUNT_OPTIONS]

    def __enter__(self):
        self.log = open(os.path.join(os.path.dirname(self.mnt), "daemon.log"), "ab")
        command = [*self.under, BINARY, "mount", "-f", self.store, self.mnt, *self.options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        await_("a mount", lambda: self.process.poll() is not None or self.is_mounted())
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode} instead of mounting")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        if self.is_listed():
            subprocess.run(["fusermount3", "-uz", self.mnt], check=False)
        self.log.close()

    def is_listed(self):
        with open("/proc/self/mountinfo") as table:
            return any(f" {self.mnt} " in line for line in table)

    def is_mounted(self):
        return self.is_listed() and error_of(os.statvfs, self.mnt) is None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """A clean end; what closing the store answered."""
        # The daemon looks at its own mount once it is there, and for as long that is busy.
        await_("an unmount", lambda: subprocess.run(["fusermount3", "-u", self.mnt], capture_output=True, check=False).returncode == 0)
        return self.process.wait(timeout=120)

    def check_alive(self):
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}"

    # Files of the mount

    def path(self, name):
        return os.path.join(self.mnt, name)

    def open(self, name):
        return os.open(self.path(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def control(self, command):
        """The errno's name of a command, or None; and the text of its answer."""
        descriptor = os.open(self.path(".ctl/command"), os.O_RDWR)
        try:
            name = error_of(os.write, descriptor, command.encode())
            return name, os.pread(descriptor, 1 << 20, 0).decode()
        finally:
            os.close(descriptor)

    def status(self, log):
        with open(self.path(f".ctl/logs/{log}/status")) as file:
            return file.read()

    # Files of the store

    def files(self, kind):
        """Paths in the store: `wal`, `chunks` or `manifest`. Of chunk files the last of each log, and the next ones."""
        if kind == "manifest":
            names = [name for name in os.listdir(self.store) if name.startswith("manifest.sqlite")]
            return [os.path.join(self.store, name) for name in names]
        top = os.path.join(self.store, kind)
        # There are no chunk files before the first seal.
        found = [top] + [os.path.join(top, name) for name in (os.listdir(top) if os.path.isdir(top) else [])]
        if kind == "chunks":
            for log in found[1:]:
                last = max((int(name.split(".")[0], 16) for name in os.listdir(log)), default=0)
                found += [os.path.join(log, f"{chunk:016x}.chunk") for chunk in range(max(0, last - 1), last + 4)]
        return found


class Fault:
    """While it lasts, strace makes calls fail: `specification` as for `strace -e inject=`, on `paths` or on any."""

    def __init__(self, daemon, specification, paths=()):
        self.command = ["strace", "-f", "-p", str(daemon.process.pid), "-o", "/dev/null"]
        self.command += ["-e", f"trace={specification.split(':')[0]}", "-e", f"inject={specification}"]
        for path in paths:
            self.command += ["-P", path]
        self.threads = len(os.listdir(f"/proc/{daemon.process.pid}/task"))
        self.task = f"/proc/{daemon.process.pid}/task"

    def __enter__(self):
        self.strace = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        await_("strace at every thread", lambda: self.strace.poll() is not None or self.is_attached())
        assert self.strace.poll() is None, f"strace ended: {self.strace.stderr.read()}"
        return self

    def is_attached(self):
        for thread in os.listdir(self.task):
            with open(f"{self.task}/{thread}/status") as status:
                tracer = next(line for line in status if line.startswith("TracerPid"))
            if int(tracer.split()[1]) != self.strace.pid:
                return False
        return True

    def __exit__(self, *_):
        self.strace.terminate()
        self.strace.communicate()
