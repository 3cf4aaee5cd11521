#!/usr/bin/env python3
"""What about 60 file operations answer on a folder of logs, one line each: the operation, then "ok", its value or errno.

usage: append_probe.py FOLDER             prints the answers (on ext4, run as root: the log gets chattr +a)
       append_probe.py FOLDER --expect    compares them with docs/SEMANTICS.md's promises (the table EXPECTED below);
                                          exit 1 if any differs
"""
import ctypes
import errno
import fcntl
import mmap
import os
import shutil
import struct
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
FICLONE = 0x40049409
FS_IOC_GETFLAGS = 0x80086601
RWF_NOAPPEND = 0x20
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO, INSERT, UNSHARE = 1, 2, 8, 16, 32, 64

HEAD = b"0123456789" * 1000

# Operation -> row of docs/SEMANTICS.md and the answers that keep its promise.
EXPECTED = {
    "open O_RDONLY": ("§open-read", {"ok"}),
    "open O_WRONLY|O_APPEND": ("§open-append", {"ok"}),
    "open O_RDWR|O_APPEND": ("§open-append", {"ok"}),
    "open O_WRONLY": ("§open-lenient", {"ok"}),
    "open O_RDWR": ("§open-lenient", {"ok"}),
    "open O_WRONLY|O_APPEND|O_TRUNC": ("§open-trunc", {"EPERM"}),
    "open O_RDONLY|O_TRUNC": ("§open-trunc", {"EPERM"}),
    "open O_TRUNC, empty log": ("§open-trunc", {"ok"}),
    "open O_CREAT, old log": ("§open-create", {"ok"}),
    "open O_CREAT|O_EXCL, old log": ("§open-create", {"EEXIST"}),
    "open O_CREAT|O_EXCL, new log": ("§open-create", {"ok"}),
    "create, name of 255 bytes": ("§names", {"ok"}),
    "create, name of 256 bytes": ("§names", {"ENAMETOOLONG"}),
    "write": ("§write-append", {"3"}),
    "writev": ("§write-append", {"6"}),
    "pwrite at 0: growth": ("§write-pwrite", {"2"}),
    "pwritev2 RWF_NOAPPEND at 0": ("§write-pwrite", {"2", "EPERM", "EOPNOTSUPP"}),
    "O_APPEND cleared, write at 0": ("§write-elsewhere", {"EPERM"}),
    "lenient handle, write at 0": ("§write-elsewhere", {"EPERM"}),
    "lenient handle, write past the tail": ("§write-elsewhere", {"EPERM"}),
    "lenient handle, write at the tail": ("§open-lenient", {"1"}),
    "head after all writes": ("§write-elsewhere", {"unchanged"}),
    "ftruncate smaller": ("§truncate", {"EPERM"}),
    "ftruncate same": ("§truncate", {"ok"}),
    "ftruncate larger": ("§truncate", {"EPERM"}),
    "truncate smaller": ("§truncate", {"EPERM"}),
    "truncate same": ("§truncate", {"ok"}),
    "truncate larger": ("§truncate", {"EPERM"}),
    "fallocate 0, extending": ("§fallocate", {"EOPNOTSUPP"}),
    "fallocate KEEP_SIZE": ("§fallocate", {"ok"}),
    "fallocate PUNCH_HOLE, the head": ("§punch-hole", {"ok"}),
    "read below the head": ("§read-below-head", {"ENODATA"}),
    "SEEK_DATA below the head": ("§seek", {"4096"}),
    "fallocate PUNCH_HOLE, not a page": ("§punch-hole", {"EINVAL"}),
    "fallocate PUNCH_HOLE, not the head": ("§punch-hole", {"EOPNOTSUPP"}),
    "fallocate ZERO_RANGE": ("§fallocate-other", {"EOPNOTSUPP"}),
    "fallocate COLLAPSE_RANGE": ("§fallocate-other", {"EOPNOTSUPP"}),
    "fallocate INSERT_RANGE": ("§fallocate-other", {"EOPNOTSUPP"}),
    "fallocate UNSHARE_RANGE": ("§fallocate-other", {"EOPNOTSUPP"}),
    "size after fallocate": ("§fallocate", {"unchanged"}),
    "mmap shared rw, append handle": ("§mmap-write", {"ENODEV", "EACCES"}),
    "mmap shared rw, reading handle": ("§mmap-write", {"EACCES", "ENODEV"}),
    "mmap shared r, reading handle": ("§mmap-read", {"ok"}),
    "mmap private rw, reading handle": ("§mmap-read", {"ok"}),
    "read at the tail": ("§read-tail", {"b''"}),
    "read past the tail": ("§read-tail", {"b''"}),
    "read below the tail": ("§read", {"b'0123'"}),
    "SEEK_DATA at 0": ("§seek", {"0"}),
    "SEEK_DATA at the tail": ("§seek", {"ENXIO"}),
    "SEEK_HOLE at 0": ("§seek", {"the tail"}),
    "SEEK_HOLE past the tail": ("§seek", {"ENXIO"}),
    "SEEK_SET past the tail": ("§seek-set", {"ok"}),
    "SEEK_SET below 0": ("§seek-set", {"EINVAL"}),
    "copy_file_range into the log": ("§copy-range", {"EBADF", "EOPNOTSUPP", "EXDEV"}),
    "FICLONE into the log": ("§fallocate-other", {"EOPNOTSUPP", "EXDEV", "EBADF", "EINVAL", "ENOTTY", "EPERM"}),
    "sendfile into the log": ("§copy-range", {"10", "EINVAL"}),
    "splice into the log": ("§copy-range", {"2", "EINVAL"}),
    "splice into the log, at 0": ("§copy-range", {"2", "EINVAL", "EPERM"}),
    "fsync": ("§sync", {"ok"}),
    "fdatasync": ("§sync", {"ok"}),
    "chmod": ("§chmod", {"ok"}),
    "chown": ("§chmod", {"ok"}),
    "utime, given": ("§chmod", {"ok"}),
    "utime, now": ("§chmod", {"ok"}),
    "setxattr user.a": ("§xattr", {"EPERM", "EOPNOTSUPP"}),
    "removexattr user.a": ("§xattr", {"EPERM", "EOPNOTSUPP", "ENODATA"}),
    "GETFLAGS has a": ("§flags", {"True"}),
    "flock": ("§locks", {"ok"}),
    "record lock": ("§locks", {"ok"}),
    "link": ("§links", {"EPERM"}),
    "symlink": ("§links", {"EPERM"}),
    "mkfifo": ("§links", {"EPERM"}),
    "mkdir, rmdir": ("§mkdir", {"ok"}),
    "unlink": ("§unlink", {"ok"}),
    "rename over a log": ("§rename-over", {"ok"}),
    "rename to a free name": ("§rename", {"ok"}),
}

# What differs where the page cache gathers writes.
if "writeback" in os.environ.get("AOFS_MOUNT_OPTIONS", "").split(","):
    EXPECTED["SEEK_DATA below the head"] = ("§wb-unknown", {"0"})


def name_of(number):
    """The errno's name; of the two names that Linux has for one number, the documents' one."""
    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode.get(number, str(number))


def allocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Probe:
    """Runs operations on one log and keeps the answers, in order."""

    def __init__(self, folder):
        self.folder = folder
        self.log = os.path.join(folder, "log")
        self.answers = {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def ask(self, label, operation):
        try:
            value = operation()
            self.answers[label] = "ok" if value is None else str(value)
        except OSError as error:
            self.answers[label] = name_of(error.errno)

    def size(self):
        return os.stat(self.log).st_size

    def prepare(self):
        with open(self.log, "wb") as file:
            file.write(HEAD)
        with open(self.path("other"), "wb") as file:
            file.write(b"other")
        if filesystem(self.folder) in ("ext4", "xfs", "btrfs"):
            subprocess.run(["chattr", "+a", self.log], check=True)

    def opening(self):
        def opens(path, flags):
            return lambda: os.close(os.open(path, flags, 0o644))

        for flags in ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_WRONLY|O_APPEND", "O_RDWR|O_APPEND",
                      "O_WRONLY|O_APPEND|O_TRUNC", "O_RDONLY|O_TRUNC"):
            number = 0
            for flag in flags.split("|"):
                number |= getattr(os, flag)
            self.ask("open " + flags, opens(self.log, number))
        create = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self.ask("open O_CREAT, old log", opens(self.log, create))
        self.ask("open O_CREAT|O_EXCL, old log", opens(self.log, create | os.O_EXCL))
        self.ask("open O_CREAT|O_EXCL, new log", opens(self.path("new"), create | os.O_EXCL))
        self.ask("open O_TRUNC, empty log", opens(self.path("new"), os.O_WRONLY | os.O_TRUNC))
        self.ask("create, name of 255 bytes", opens(self.path("n" * 255), create))
        self.ask("create, name of 256 bytes", opens(self.path("n" * 256), create))

    def writing(self):
        fd = os.open(self.log, os.O_RDWR | os.O_APPEND)
        self.ask("write", lambda: os.write(fd, b"abc"))
        self.ask("writev", lambda: os.writev(fd, [b"abc", b"def"]))

        def growth():
            before = self.size()
            os.pwrite(fd, b"ZZ", 0)
            return self.size() - before

        self.ask("pwrite at 0: growth", growth)
        self.ask("pwritev2 RWF_NOAPPEND at 0", lambda: os.pwritev(fd, [b"QQ"], 0, RWF_NOAPPEND))

        def cleared():
            fcntl.fcntl(fd, fcntl.F_SETFL, 0)
            os.pwrite(fd, b"X", 0)

        self.ask("O_APPEND cleared, write at 0", cleared)
        os.close(fd)
        try:
            fd = os.open(self.log, os.O_WRONLY)
        except OSError as error:
            for label in ("write at 0", "write past the tail", "write at the tail"):
                self.answers["lenient handle, " + label] = name_of(error.errno)
        else:
            self.ask("lenient handle, write at 0", lambda: os.pwrite(fd, b"X", 0))
            self.ask("lenient handle, write past the tail", lambda: os.pwrite(fd, b"X", self.size() + 9))
            self.ask("lenient handle, write at the tail", lambda: os.pwrite(fd, b"X", self.size()))
            os.close(fd)

        def head():
            with open(self.log, "rb") as file:
                return "unchanged" if file.read(len(HEAD)) == HEAD else "CHANGED"

        self.ask("head after all writes", head)

    def resizing(self):
        fd = os.open(self.log, os.O_RDWR | os.O_APPEND)
        for label, change in (("smaller", -5), ("same", 0), ("larger", 100)):
            self.ask("ftruncate " + label, lambda: os.ftruncate(fd, self.size() + change))
            self.ask("truncate " + label, lambda: os.truncate(self.log, self.size() + change))
        before = self.size()

        for label, mode, offset in (("0, extending", 0, before), ("KEEP_SIZE", KEEP_SIZE, before),
                                    ("PUNCH_HOLE, not the head", PUNCH_HOLE | KEEP_SIZE, 4096),
                                    ("PUNCH_HOLE, not a page", PUNCH_HOLE | KEEP_SIZE, -1), ("ZERO_RANGE", ZERO, 0),
                                    ("COLLAPSE_RANGE", COLLAPSE, 0), ("INSERT_RANGE", INSERT, 0),
                                    ("UNSHARE_RANGE", UNSHARE, 0)):
            self.ask("fallocate " + label, lambda: allocate(fd, mode, max(offset, 0), 4096 if offset >= 0 else 5000))
        self.ask("size after fallocate", lambda: "unchanged" if self.size() == before else "CHANGED")
        os.close(fd)

    def mapping_and_reading(self):
        writer = os.open(self.log, os.O_RDWR | os.O_APPEND)
        reader = os.open(self.log, os.O_RDONLY)
        both, read = mmap.PROT_READ | mmap.PROT_WRITE, mmap.PROT_READ
        for label, fd, flags, protection in (("shared rw, append handle", writer, mmap.MAP_SHARED, both),
                                             ("shared rw, reading handle", reader, mmap.MAP_SHARED, both),
                                             ("shared r, reading handle", reader, mmap.MAP_SHARED, read),
                                             ("private rw, reading handle", reader, mmap.MAP_PRIVATE, both)):
            self.ask("mmap " + label, lambda: mmap.mmap(fd, 4096, flags, protection).close())
        size = self.size()
        self.ask("read at the tail", lambda: os.pread(writer, 10, size))
        self.ask("read past the tail", lambda: os.pread(writer, 10, size + 100_000))
        self.ask("read below the tail", lambda: os.pread(reader, 4, 0))
        self.ask("SEEK_DATA at 0", lambda: os.lseek(reader, 0, os.SEEK_DATA))
        self.ask("SEEK_DATA at the tail", lambda: os.lseek(reader, size, os.SEEK_DATA))
        self.ask("SEEK_HOLE at 0", lambda: "the tail" if os.lseek(reader, 0, os.SEEK_HOLE) == size else "a hole")
        self.ask("SEEK_HOLE past the tail", lambda: os.lseek(reader, size + 1, os.SEEK_HOLE))
        self.ask("SEEK_SET past the tail", lambda: os.lseek(reader, size + 1000, os.SEEK_SET) and None)
        self.ask("SEEK_SET below 0", lambda: os.lseek(reader, -1, os.SEEK_SET))
        os.close(reader)
        os.close(writer)

    def copying(self):
        writer = os.open(self.log, os.O_RDWR | os.O_APPEND)
        reader = os.open(self.path("other"), os.O_RDONLY)
        long = os.open(self.log, os.O_RDONLY)
        pipe_out, pipe_in = os.pipe()
        os.write(pipe_in, b"pppp")
        self.ask("copy_file_range into the log", lambda: os.copy_file_range(reader, writer, 5))
        self.ask("FICLONE into the log", lambda: fcntl.ioctl(writer, FICLONE, reader))
        self.ask("sendfile into the log", lambda: os.sendfile(writer, long, 0, 10))
        self.ask("splice into the log", lambda: os.splice(pipe_out, writer, 2))
        self.ask("splice into the log, at 0", lambda: os.splice(pipe_out, writer, 2, offset_dst=0))
        self.ask("fsync", lambda: os.fsync(writer))
        self.ask("fdatasync", lambda: os.fdatasync(writer))
        for fd in (writer, reader, long, pipe_in, pipe_out):
            os.close(fd)

    def attributes(self):
        log = self.log
        self.ask("chmod", lambda: os.chmod(log, 0o600))
        self.ask("chown", lambda: os.chown(log, os.getuid(), os.getgid()))
        self.ask("utime, given", lambda: os.utime(log, (1, 1)))
        self.ask("utime, now", lambda: os.utime(log))
        self.ask("setxattr user.a", lambda: os.setxattr(log, "user.a", b"1"))
        self.ask("removexattr user.a", lambda: os.removexattr(log, "user.a"))
        with open(log, "rb") as file:
            def flags():
                answer = fcntl.ioctl(file, FS_IOC_GETFLAGS, b"\0" * 8)
                return bool(struct.unpack("=I", answer[:4])[0] & 0x20)

            self.ask("GETFLAGS has a", flags)
        with open(log, "ab") as file:
            self.ask("flock", lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB))
            self.ask("record lock", lambda: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB))

    def trimming(self):
        with open(self.log, "ab") as file:
            self.ask("fallocate PUNCH_HOLE, the head", lambda: allocate(file.fileno(), PUNCH_HOLE | KEEP_SIZE, 0, 4096))
        with open(self.log, "rb") as file:
            self.ask("read below the head", lambda: os.pread(file.fileno(), 4, 0))
            self.ask("SEEK_DATA below the head", lambda: os.lseek(file.fileno(), 0, os.SEEK_DATA))

    def names(self):
        log = self.log
        self.ask("link", lambda: os.link(log, self.path("hard")))
        self.ask("symlink", lambda: os.symlink(log, self.path("soft")))
        self.ask("mkfifo", lambda: os.mkfifo(self.path("fifo")))
        self.ask("mkdir, rmdir", lambda: (os.mkdir(self.path("d")), os.rmdir(self.path("d"))) and None)
        self.ask("rename over a log", lambda: os.rename(self.path("other"), log))
        self.ask("rename to a free name", lambda: os.rename(log, self.path("log.1")))
        self.ask("unlink", lambda: os.unlink(log if os.path.exists(log) else self.path("log.1")))

    def run(self):
        self.prepare()
        self.opening()
        self.writing()
        self.resizing()
        self.mapping_and_reading()
        self.copying()
        self.attributes()
        self.trimming()
        self.names()
        return self.answers


def filesystem(folder):
    return subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True,
                          check=True).stdout.strip().replace("ext2/ext3", "ext4")


def clean(folder):
    subprocess.run(["chattr", "-R", "-a", folder], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = os.path.join(sys.argv[1], "append-probe")
    os.makedirs(folder)
    try:
        answers = Probe(folder).run()
    finally:
        clean(folder)
    if "--expect" not in sys.argv:
        for label, answer in answers.items():
            print(f"{label:40} {answer}")
        return
    differing = 0
    for label, (row, allowed) in EXPECTED.items():
        answer = answers.get(label, "not asked")
        if answer not in allowed:
            differing += 1
            print(f"{row}: {label}: {answer}, not {' or '.join(sorted(allowed))}")
    for label in answers.keys() - EXPECTED.keys():
        differing += 1
        print(f"{label}: has no row")
    print(f"append_probe: {len(answers)} operations, {differing} differ from docs/SEMANTICS.md")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
