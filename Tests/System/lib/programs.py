"""Programs around a mount: a service manager that listens to its daemon, and the metrics over HTTP."""
import contextlib
import os
import re
import socket
import subprocess
import threading
import time
import urllib.request

from daemon import BINARY, Daemon, await_


class Service(Daemon):
    """A daemon as systemd starts one: with a socket for its messages, and standard error going to the journal."""

    def __init__(self, *arguments, abstract=False, **options):
        super().__init__(*arguments, **options)
        self.folder = os.path.dirname(self.mnt)
        self.address = ("@aofs-test-%d" % os.getpid()) if abstract else os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        self.socket.bind("\0" + self.address[1:] if abstract else self.address)

    def __enter__(self):
        log = os.path.join(self.folder, "daemon.log")
        open(log, "a").close()
        facts = os.stat(log)
        # Standard error is the log file, so this is what says that it is the journal.
        names = {"NOTIFY_SOCKET": self.address, "JOURNAL_STREAM": f"{facts.st_dev}:{facts.st_ino}"}
        os.environ.update(names)
        try:
            return super().__enter__()
        finally:
            for name in names:
                del os.environ[name]

    def __exit__(self, *_):
        super().__exit__(*_)
        self.socket.close()
        if self.address.startswith("/"):
            os.unlink(self.address)

    def await_message(self, word):
        while True:
            message = self.socket.recv(4096).decode()
            if word in message.split("\n"):
                return message


class Listener:
    def __init__(self, place):
        self.process = subprocess.Popen(
            [BINARY, "metrics", "--listen", "127.0.0.1:0", place], stderr=subprocess.PIPE, text=True)
        self.url = re.search(r"http://\S+", self.process.stderr.readline())[0]
        self.address = tuple(self.url.split("/")[2].rsplit(":", 1))
        self.address = (self.address[0], int(self.address[1]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def ask(self, request):
        """The status line's code of the answer to these bytes, and the body."""
        with socket.create_connection(self.address, timeout=60) as client:
            client.sendall(request)
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        return int(answer.split()[1]), answer.split(b"\r\n\r\n", 1)[1]

    def scrape(self):
        with urllib.request.urlopen(self.url, timeout=60) as answer:
            return answer.read().decode()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@contextlib.contextmanager
def lines_by_path(path):
    """Somebody writes lines to a path and opens it for each, as shells do. Yields the lines that were taken, once it is left."""
    taken, ended = [], threading.Event()

    def work():
        while not ended.is_set():
            try:
                handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
                os.write(handle, b"line\n")
                os.close(handle)
                taken.append(1)
            except OSError:
                time.sleep(0.0005)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        yield taken
        before = len(taken)
        await_("a line through the mount", lambda: len(taken) > before)
    finally:
        ended.set()
        writer.join()
