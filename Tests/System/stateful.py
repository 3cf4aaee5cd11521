#!/usr/bin/env python3
"""Random sequences of file operations, checked against a model of append-only logs.

usage: stateful.py ext4|mount FOLDER SCALE
On ext4 each file is made append-only (chattr +a), and operations that aofs answers otherwise are left out.
"""
import errno
import fcntl
import os
import struct
import sys
import unittest

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

KIND, FOLDER, SCALE = sys.argv[1], sys.argv[2], int(sys.argv[3])
ON_MOUNT = KIND == "mount"
FS_IOC_SETFLAGS, FS_APPEND_FL = 0x40086602, 0x20
PAGE = 4096
if ON_MOUNT:
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
    from daemon import Daemon

names = st.sampled_from(["a", "b", "c", "d/a", "d/b"])
lengths = st.one_of(st.integers(1, 300), st.sampled_from([PAGE - 1, PAGE, PAGE + 1, 70_000, 131_072, 300_000]))


def error_of(call, *arguments):
    try:
        return None, call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno], None


class Log:
    """What a log holds. Bytes tell their place, so that none can stand in for another."""

    def __init__(self, number):
        self.number, self.content, self.head = number, b"", 0

    def next(self, length):
        start = len(self.content)
        return bytes((self.number * 31 + start + index + (start + index) // 251) % 255 + 1 for index in range(length))


class Target:
    """The folder that is tried, and for a mount its daemon."""

    daemon = None
    examples = 0

    @classmethod
    def start(cls):
        if ON_MOUNT:
            os.makedirs(os.path.join(FOLDER, "mnt"), exist_ok=True)
            cls.daemon = Daemon(os.path.join(FOLDER, "store"), os.path.join(FOLDER, "mnt"), (), ("--chunk-size", "128KiB"))
            cls.daemon.__enter__()

    @classmethod
    def stop(cls):
        if cls.daemon:
            assert cls.daemon.stop() == 0, "the daemon did not end well"
            cls.daemon.__exit__()

    @classmethod
    def folder(cls):
        top = cls.daemon.mnt if cls.daemon else FOLDER
        cls.examples += 1
        path = os.path.join(top, f"run-{cls.examples}")
        os.mkdir(path)
        os.mkdir(os.path.join(path, "d"))
        return path


class Machine(RuleBasedStateMachine):
    handles = Bundle("handles")

    @initialize()
    def begin(self):
        self.folder = Target.folder()
        self.logs = {}
        self.trash = []
        self.open = {}
        self.count = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def control(self, command, *allowed):
        name, answer = Target.daemon.control(command + "\n")
        assert name in (None, *allowed), f"{command}: {name}: {answer}"
        return name

    def label(self, name):
        return f"run-{Target.examples}/{name}"

    # Opening

    def make(self, name):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        found, descriptor = error_of(os.open, self.path(name), flags, 0o640)
        if name in self.logs:
            assert found == "EEXIST", found
            return os.open(self.path(name), os.O_WRONLY | os.O_APPEND)
        assert found is None, found
        if not ON_MOUNT:
            fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("=Q", FS_APPEND_FL))
        self.count += 1
        self.logs[name] = Log(self.count)
        self.logs[name].inode = os.fstat(descriptor).st_ino
        return descriptor

    @rule(target=handles, name=names)
    def open_for_appending(self, name):
        descriptor = self.make(name)
        handle = object()
        self.open[handle] = descriptor, self.logs[name]
        return handle

    @rule(handle=handles)
    def close(self, handle):
        if handle in self.open:
            os.close(self.open.pop(handle)[0])

    @rule(name=names)
    def open_truncating(self, name):
        log = self.logs.get(name)
        if log and log.content:
            assert error_of(os.open, self.path(name), os.O_WRONLY | os.O_TRUNC)[0] == "EPERM"

    # Writing

    @rule(handle=handles, length=lengths, times=st.integers(1, 4))
    def append(self, handle, length, times):
        if handle not in self.open:
            return
        descriptor, log = self.open[handle]
        for _ in range(times):
            piece = log.next(length)
            assert os.write(descriptor, piece) == length
            log.content += piece

    @rule(handle=handles, lengths=st.lists(st.integers(1, 5000), min_size=1, max_size=20))
    def append_vector(self, handle, lengths):
        if handle not in self.open:
            return
        descriptor, log = self.open[handle]
        whole = log.next(sum(lengths))
        pieces, position = [], 0
        for length in lengths:
            pieces.append(whole[position:position + length])
            position += length
        assert os.writev(descriptor, pieces) == len(whole)
        log.content += whole

    @rule(handle=handles, offset=st.integers(0, 400_000))
    def write_anywhere(self, handle, offset):
        if handle not in self.open:
            return
        descriptor, log = self.open[handle]
        piece = log.next(7)
        # With O_APPEND the offset means nothing.
        assert os.pwrite(descriptor, piece, offset) == 7
        log.content += piece

    @rule(handle=handles, size=st.integers(0, 400_000))
    def set_size(self, handle, size):
        if handle not in self.open:
            return
        descriptor, log = self.open[handle]
        if size != len(log.content) or ON_MOUNT:
            wanted = None if size == len(log.content) else "EPERM"
            assert error_of(os.ftruncate, descriptor, size)[0] == wanted

    @rule(handle=handles)
    def sync(self, handle):
        if handle in self.open:
            os.fsync(self.open[handle][0])

    # Reading

    @rule(name=names, start=st.integers(0, 900_000), length=lengths)
    def read(self, name, start, length):
        if name not in self.logs:
            assert error_of(os.open, self.path(name), os.O_RDONLY)[0] == "ENOENT"
            return
        log = self.logs[name]
        descriptor = os.open(self.path(name), os.O_RDONLY)
        try:
            found, content = error_of(os.pread, descriptor, length, start)
            if start < log.head:
                assert found == "ENODATA" or (found is None and start + length > log.head), found
            else:
                assert found is None and content == log.content[start:start + length]
        finally:
            os.close(descriptor)

    @rule(name=names, start=st.integers(0, 900_000))
    def seek(self, name, start):
        log = self.logs.get(name)
        if not log:
            return
        descriptor = os.open(self.path(name), os.O_RDONLY)
        try:
            found, place = error_of(os.lseek, descriptor, start, os.SEEK_DATA)
            if start >= len(log.content):
                assert found == "ENXIO"
            else:
                assert place == max(start, log.head)
                assert os.lseek(descriptor, max(start, log.head), os.SEEK_HOLE) == len(log.content)
        finally:
            os.close(descriptor)

    # Names. ext4 refuses what aofs does.

    @rule(name=names)
    def unlink(self, name):
        found, _ = error_of(os.unlink, self.path(name))
        if name not in self.logs:
            assert found == "ENOENT", found
        elif ON_MOUNT:
            assert found is None, found
            self.trash.append((name, self.logs.pop(name)))
        else:
            assert found == "EPERM", found

    @rule(name=names, other=names)
    def rename(self, name, other):
        found, _ = error_of(os.rename, self.path(name), self.path(other))
        if name not in self.logs:
            assert found == "ENOENT", found
        elif not ON_MOUNT:
            assert found in ("EPERM", None) and (found == "EPERM" or name == other), found
        else:
            assert found is None, found
            if name != other:
                if other in self.logs:
                    self.trash.append((other, self.logs[other]))
                self.logs[other] = self.logs.pop(name)

    @precondition(lambda self: ON_MOUNT and self.trash)
    @rule(data=st.data(), name=names)
    def restore(self, data, name):
        index = data.draw(st.integers(0, len(self.trash) - 1))
        _, log = self.trash[index]
        found = self.control(f"restore id={log.inode} {self.label(name)}", "EEXIST")
        assert found == ("EEXIST" if name in self.logs else None)
        if found is None:
            del self.trash[index]
            self.logs[name] = log

    @precondition(lambda self: ON_MOUNT and self.trash)
    @rule(data=st.data())
    def purge(self, data):
        index = data.draw(st.integers(0, len(self.trash) - 1))
        _, log = self.trash[index]
        is_open = any(entry[1] is log for entry in self.open.values())
        # RELEASE comes after close(2) has returned, so that a handle may be there for a moment yet.
        found = self.control(f"purge id={log.inode}", "EBUSY")
        assert found == "EBUSY" or not is_open
        if found is None:
            del self.trash[index]

    # What the store does with logs

    @precondition(lambda self: ON_MOUNT)
    @rule(verb=st.sampled_from(["seal", "checkpoint", "evict", "hydrate", "verify remote=yes"]))
    def maintain(self, verb):
        self.control(verb)

    @precondition(lambda self: ON_MOUNT)
    @rule(name=names, place=st.floats(0, 1))
    def trim(self, name, place):
        log = self.logs.get(name)
        if log:
            lsn = int(len(log.content) * place)
            self.control(f"trim {self.label(name)} {lsn}")
            log.head = max(log.head, lsn - lsn % PAGE)

    @precondition(lambda self: ON_MOUNT)
    @rule(name=names, place=st.floats(0, 1))
    def truncate(self, name, place):
        log = self.logs.get(name)
        if log:
            lsn = log.head + int((len(log.content) - log.head) * place)
            self.control(f"truncate {self.label(name)} {lsn}")
            log.content = log.content[:lsn]

    @precondition(lambda self: ON_MOUNT)
    @rule(is_killed=st.booleans())
    def restart(self, is_killed):
        top = Target.daemon.mnt
        for descriptor, _ in self.open.values():
            os.close(descriptor)
        self.open = {}
        if is_killed:
            Target.daemon.kill()
            Target.daemon.__exit__()
        else:
            Target.stop()
        Target.start()
        assert Target.daemon.mnt == top

    # What always holds

    @invariant()
    def sizes_and_inodes(self):
        for name, log in getattr(self, "logs", {}).items():
            facts = os.stat(self.path(name))
            assert facts.st_size == len(log.content), f"{name}: {facts.st_size}, not {len(log.content)}"
            assert facts.st_ino == log.inode
        for descriptor, log in getattr(self, "open", {}).values():
            assert os.fstat(descriptor).st_size == len(log.content)

    @invariant()
    def listings(self):
        if not hasattr(self, "logs"):
            return
        found = {os.path.relpath(os.path.join(top, name), self.folder) for top, _, files in os.walk(self.folder) for name in files}
        assert found == set(self.logs), found

    def teardown(self):
        if not hasattr(self, "logs"):
            return
        for name, log in self.logs.items():
            with open(self.path(name), "rb") as file:
                file.seek(log.head)
                assert file.read() == log.content[log.head:], name
        for descriptor, _ in self.open.values():
            os.close(descriptor)


class Sequences(Machine.TestCase):
    settings = settings(
        max_examples=(10 if ON_MOUNT else 20) * SCALE, stateful_step_count=40, deadline=None, database=None, print_blob=True,
        suppress_health_check=list(HealthCheck))


def main():
    Target.start()
    try:
        result = unittest.TextTestRunner(verbosity=1).run(unittest.defaultTestLoader.loadTestsFromTestCase(Sequences))
        print(f"stateful: {Target.examples} sequences on {KIND}")
    finally:
        Target.stop()
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
