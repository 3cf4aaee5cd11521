"""Those who are measured: each serves a folder, `path`, that files can be appended to and read in."""
import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess

import machine
from daemon import await_, resident


class Missing(Exception):
    """A program that is not there."""


class Peer:
    """A folder of an ordinary filesystem; and what all peers can do."""

    def __init__(self, name, path):
        self.name, self.path = name, path
        os.makedirs(path, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def file(self, name):
        return os.path.join(self.path, name)

    def processes(self):
        """Those that serve the folder."""
        return []

    def memory(self):
        found = sum(resident(pid) for pid in self.processes())
        assert found > 0, f"{self.name} has ended"
        return found

    def lower_files(self):
        """The files of the disk that hold what the folder's files do."""
        return []

    def warm_lower(self):
        """Gets what lies on the disk into the page cache of the filesystem below."""
        for path in self.lower_files():
            with open(path, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass

    def seal(self, _name):
        """Brings a file into the form in which old bytes are kept, where there is such a form."""

    def remount(self):
        """Forgets what it knows of its files, where it knows anything."""

    def remove(self, pattern):
        for path in glob.glob(self.file(pattern)):
            os.unlink(path)


class Mounted(Peer):
    """A daemon in the foreground, whose mount is the folder."""

    def __init__(self, name, folder, lower=None):
        super().__init__(name, os.path.join(folder, name))
        self.folder, self.lower, self.process = folder, lower, None
        if lower:
            os.makedirs(lower, exist_ok=True)

    def command(self):
        raise NotImplementedError

    def __enter__(self):
        command = self.command()
        if not shutil.which(command[0]):
            raise Missing(f"{command[0]} is not installed")
        with open(os.path.join(self.folder, f"{self.name}.log"), "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment())
        await_(f"a mount by {self.name}", lambda: self.process.poll() is not None or os.path.ismount(self.path))
        if self.process.poll() is not None:
            raise OSError(f"{self.name} ended with {self.process.returncode} instead of mounting")
        return self

    def __exit__(self, *_):
        unmount(self.path)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def remount(self):
        self.__exit__()
        self.__enter__()

    def environment(self):
        return dict(os.environ)

    def processes(self):
        return [self.process.pid]

    def lower_files(self):
        return [entry.path for entry in os.scandir(self.lower) if entry.is_file()] if self.lower else []


def unmount(path):
    for options in (["-u"], ["-u"], ["-u", "-z"]):
        if not os.path.ismount(path) or subprocess.run(["fusermount3", *options, path], capture_output=True, check=False).returncode == 0:
            return


class Floor(Mounted):
    """The least that a FUSE daemon can do; see floor.c. Its mount reads ahead as far as that of aofs."""

    def __init__(self, tools, folder, disk):
        super().__init__("floor", folder, os.path.join(disk, "floor"))
        self.program = tools.floor

    def command(self):
        return [self.program, self.lower, self.path]

    def __enter__(self):
        super().__enter__()
        device = os.stat(self.path).st_dev
        with open(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb", "w") as file:
            file.write("1024")
        return self


class Bindfs(Mounted):
    def __init__(self, folder, disk):
        super().__init__("bindfs", folder, os.path.join(disk, "bindfs"))

    def command(self):
        return ["bindfs", "-f", "--multithreaded", self.lower, self.path]


class Sshfs(Mounted):
    """sshfs of this machine, by an sshd with a port and keys of its own."""

    def __init__(self, folder, disk):
        super().__init__("sshfs", folder, os.path.join(disk, "sshfs"))
        self.keys = os.path.join(folder, "ssh")
        self.server, self.port = None, free_ports(1)
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        if not os.path.exists("/usr/sbin/sshd"):
            raise Missing("sshd is not installed")
        with self.stack:
            self.stack.callback(self.end_server)
            self.start_server()
            super().__enter__()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_):
        with self.stack:
            super().__exit__()

    def start_server(self):
        if not os.path.exists("/run/sshd"):
            os.mkdir("/run/sshd", 0o755)
            self.stack.callback(os.rmdir, "/run/sshd")
        os.mkdir(self.keys, 0o700)
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(self.keys, key)], check=True)
        settings = os.path.join(self.keys, "sshd_config")
        with open(settings, "w") as file:
            file.write(
                f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.keys}/host\nAuthorizedKeysFile {self.keys}/user.pub\n"
                "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n")
        self.server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", settings, "-E", f"{self.keys}/log"], stdin=subprocess.DEVNULL)
        await_("an answer of sshd", lambda: answers(self.port))

    def end_server(self):
        if self.server:
            self.server.terminate()
            self.server.wait()

    def command(self):
        return ["sshfs", "-f", "-p", str(self.port), "-o",
                f"IdentityFile={self.keys}/user,UserKnownHostsFile={self.keys}/known,StrictHostKeyChecking=no",
                f"127.0.0.1:{self.lower}", self.path]

    def processes(self):
        parts = [self.process.pid, self.server.pid]
        return parts + [child for part in parts for child in machine.children(part)]


class Aofs(Peer):
    """A store of its own, mounted as users mount it."""

    def __init__(self, tools, folder, store, name="aofs", options=()):
        super().__init__(name, os.path.join(folder, os.path.basename(store)))
        self.tools, self.store = tools, store
        self.options = ["--trash-age", "0", "--checkpoint-interval", "0", *options]

    def mount(self):
        """Returns when the mount answers."""
        command = [self.tools.aofs, "mount", self.store, self.path, *self.options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"aofs mount: {done.stderr.strip()}")

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *_):
        self.unmount()

    def unmount(self):
        """Returns when the daemon has let go of the store."""
        if not os.path.ismount(self.path):
            return
        done = subprocess.run([self.tools.unmount, "--timeout", "300", self.path], capture_output=True, text=True, check=False)
        if done.returncode:
            subprocess.run([self.tools.unmount, "--force", self.path], check=False)

    def remount(self):
        """The seconds of both parts."""
        return {"unmount": machine.seconds(self.unmount), "mount": machine.seconds(self.mount)}

    def kill(self):
        """The end of a process that gets no chance to tidy up. Its mount stays, and is dead."""
        pid = self.processes()[0]
        os.kill(pid, signal.SIGKILL)
        await_("the end of the daemon", lambda: machine.has_ended(pid))

    def processes(self):
        with open(os.path.join(self.store, "lock")) as file:
            return [int(re.search(r"process (\d+)", file.read()).group(1))]

    def lower_files(self):
        return glob.glob(os.path.join(self.store, "chunks/*/*.chunk"))

    def seal(self, name):
        self.control(f"seal {name}")

    def control(self, command):
        descriptor = os.open(self.file(".ctl/command"), os.O_RDWR)
        try:
            os.write(descriptor, (command + "\n").encode())
        finally:
            os.close(descriptor)

    def metric(self, name):
        with open(self.file(".ctl/metrics")) as file:
            return float(next(line.split()[1] for line in file if line.startswith(name + " ")))


def free_ports(count):
    """The first of a run of ports that nobody listens at."""
    for first in range(11500, 19500, 10):
        if not any(answers(port) for port in range(first, first + count)):
            return first
    raise OSError("there are no free ports")


def answers(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
