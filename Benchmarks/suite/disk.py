"""The disk that everybody is measured on: a journalled ext4 on a loop device."""
import contextlib
import os
import subprocess

from daemon import await_


@contextlib.contextmanager
def ext4(folder, mebibytes):
    """Mounts it at `folder`/disk. Each block of the image is written beforehand, so that the filesystem around it has nothing to
    allocate while something is measured, and the image is read and written past that one's page cache."""
    image, point = os.path.join(folder, "image"), os.path.join(folder, "disk")
    os.mkdir(point)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: os.path.exists(image) and os.unlink(image))
        _run("dd", "if=/dev/zero", f"of={image}", "bs=4M", f"count={mebibytes // 4}", "oflag=direct", "status=none")
        _run("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", image)
        device = _run("losetup", "-f", "--show", "--direct-io=on", image).strip()
        stack.callback(_run, "losetup", "-d", device)
        _run("mount", device, point)
        stack.callback(_unmount, point)
        yield point


def _unmount(point):
    await_("an unmount of the disk", lambda: subprocess.run(["umount", point], capture_output=True, check=False).returncode == 0, 30)


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
