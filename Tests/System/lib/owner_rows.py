#!/usr/bin/env python3
"""What an ordinary user may do in a folder of his own: the rows of SEMANTICS that are about permissions and owners.

usage: owner_rows.py FOLDER aofs|other

`other` is any filesystem with permissions, which shows that the table is right where aofs is not to differ.
"""
import os
import stat
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from files import append, error_of  # noqa: E402

FOLDER, IS_AOFS = sys.argv[1], sys.argv[2] == "aofs"
failures = []


def at(name):
    return os.path.join(FOLDER, name)


def mode(name):
    return oct(stat.S_IMODE(os.stat(at(name)).st_mode))


def expect(row, what, found, wanted, other=None):
    """`other`: what filesystems answer that keep more than logs."""
    wanted = wanted if IS_AOFS or other is None else other
    if found != wanted:
        failures.append(f"{row}: {what}: {found}, not {wanted}")


def refused(row, what, wanted, call, *arguments, other=None):
    expect(row, what, error_of(call, *arguments) or "ok", wanted, other)


def opened(flags):
    return lambda name: os.close(os.open(at(name), flags, 0o640))


def owners():
    append(at("log"), b"12345678")
    user, group = os.getuid(), os.getgid()
    found = os.stat(at("log"))
    expect("open-create", "owner and mode", (found.st_uid, found.st_gid, mode("log")), (user, group, "0o640"))
    refused("chmod", "to another owner", "EPERM", os.chown, at("log"), 0, -1)
    refused("chmod", "to another group", "EPERM", os.chown, at("log"), -1, 0)
    refused("chmod", "to himself", "ok", os.chown, at("log"), user, group)
    refused("chmod", "times", "ok", os.utime, at("log"), (1, 1))
    refused("chmod", "another's times", "EPERM", os.utime, "/", (1, 1))
    expect("chmod", "times", os.stat(at("log")).st_mtime, 1.0)
    for bits in (0o4755, 0o2755):
        refused("setid", oct(bits), "EPERM", os.chmod, at("log"), bits, other="ok")
        os.chmod(at("log"), 0o640)
    os.mkdir(at("shared"))
    refused("setid", "a directory", "ok", os.chmod, at("shared"), 0o2755)
    expect("setid", "a directory's mode", mode("shared"), "0o755", other="0o2755")
    os.rmdir(at("shared"))


def modes():
    """§permissions: the modes bind their owner, too."""
    for bits, reading, appending in [(0o000, "EACCES", "EACCES"), (0o400, "ok", "EACCES"), (0o200, "EACCES", "ok"), (0o600, "ok", "ok")]:
        refused("chmod", oct(bits), "ok", os.chmod, at("log"), bits)
        refused("permissions", f"open-read, {oct(bits)}", reading, opened(os.O_RDONLY), "log")
        refused("permissions", f"open-append, {oct(bits)}", appending, opened(os.O_WRONLY | os.O_APPEND), "log")
        refused("permissions", f"open-lenient, {oct(bits)}", appending, opened(os.O_WRONLY), "log")
        refused("permissions", f"truncate, {oct(bits)}", appending, os.truncate, at("log"), 8)
        if IS_AOFS:
            refused("permissions", f"xattr, {oct(bits)}", reading, os.getxattr, at("log"), "user.aof.id")
        refused("permissions", f"stat, {oct(bits)}", "ok", os.stat, at("log"))
    refused("truncate", "shorter", "EPERM", os.truncate, at("log"), 4, other="ok")


def directories():
    os.mkdir(at("d"))
    append(at("d/log"), b"x")
    os.mkdir(at("d/e"))
    os.chmod(at("d"), 0o500)
    for what, call, arguments in [
        ("open-create", append, (at("d/new"), b"x")), ("mkdir", os.mkdir, (at("d/new"),)), ("rmdir", os.rmdir, (at("d/e"),)),
        ("unlink", os.unlink, (at("d/log"),)), ("rename", os.rename, (at("d/log"), at("moved"))),
        ("rename into it", os.rename, (at("log"), at("d/moved"))), ("rename-over", os.rename, (at("log"), at("d/log"))),
    ]:
        refused("permissions", f"{what} in a directory that may not be written", "EACCES", call, *arguments)
    refused("permissions", "appending in it", "ok", append, at("d/log"), b"y")
    os.chmod(at("d"), 0o600)
    refused("permissions", "stat in a directory that may not be searched", "EACCES", os.stat, at("d/log"))
    refused("permissions", "listing it", "ok", os.listdir, at("d"))
    os.chmod(at("d"), 0o300)
    refused("permissions", "listing a directory that may not be read", "EACCES", os.listdir, at("d"))
    refused("permissions", "stat in it", "ok", os.stat, at("d/log"))
    refused("unlink", "in it", "ok", os.unlink, at("d/log"))
    refused("mkdir", "rmdir in it", "ok", os.rmdir, at("d/e"))
    os.rmdir(at("d"))


def links():
    refused("links", "symlink", "EPERM", os.symlink, "log", at("symlink"), other="ok")
    refused("links", "link", "EPERM", os.link, at("log"), at("link"), other="ok")
    refused("links", "mkfifo", "EPERM", os.mkfifo, at("fifo"), other="ok")
    refused("links", "a device", "EPERM", os.mknod, at("null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    refused("unlink", "his own log", "ok", os.unlink, at("log"))


def main():
    os.umask(0o022)
    owners()
    modes()
    directories()
    links()
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(len(failures) > 0)


main()
