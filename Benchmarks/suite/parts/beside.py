"""Appending while another log of the same store seals and checkpoints, and another file of the same disk is synced."""
import contextlib
import os
import subprocess
import sys

from figures import TAIL

NEIGHBOUR = os.path.join(os.path.dirname(__file__), "../neighbour.py")
# Whether each append is synced, and how many there are.
WORK = [("128 B", "never", 100_000), ("128 B + fdatasync", "each", 4_000)]


class Setting:
    """A folder, with or without somebody else at work in it."""

    def __init__(self, peer, words=None):
        self.name = f"{peer.name} beside another" if words else f"{peer.name} alone"
        self.peer, self.words = peer, words

    @contextlib.contextmanager
    def at_work(self):
        if not self.words:
            yield
            return
        with subprocess.Popen([sys.executable, NEIGHBOUR, *self.words], stdout=subprocess.PIPE) as neighbour:
            try:
                neighbour.stdout.readline()
                yield
            finally:
                neighbour.kill()
        self.peer.remove("neighbour")


def run(session):
    ext4, = session.local_peers("ext4")
    with session.own_store("beside-store", "--chunk-size", "128KiB") as store:
        store.name = "aofs"
        command = [store.file("neighbour"), store.file(".ctl/command"), "checkpoint neighbour\n"]
        settings = [Setting(ext4), Setting(ext4, [ext4.file("neighbour")]), Setting(store), Setting(store, command)]
        pairs = [[settings[1].name, settings[0].name], [settings[3].name, settings[2].name]]
        for work, sync, count in WORK:
            session.compare(work, [TAIL], settings, lambda setting, _: sample(session, setting, sync, count), pairs=pairs)


def sample(session, setting, sync, count):
    try:
        with setting.at_work():
            return session.driver("append", "--size", 128, "--count", session.scaled(count), "--sync", sync, setting.peer.file("beside"))
    finally:
        setting.peer.remove("beside-*")
