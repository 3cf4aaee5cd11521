"""What there is to know of the machine and of processes on it."""
import os
import platform
import re
import subprocess
import time

from daemon import processor_time


def first_line(*command):
    """What a program says of itself, or None if there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    said = (done.stdout + done.stderr).strip().splitlines()
    return said[0].strip() if said else None


def describe(aofs):
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    return {
        "processor": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "fuse": first_line("fusermount3", "--version"),
        "aofs": first_line(aofs, "--version"),
        "load_at_start": load(),
    }


def load():
    """Processes that want to run, on average of the last minute."""
    return round(os.getloadavg()[0], 2)


def children(pid):
    """The processes that a process has started, and theirs."""
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            for child in map(int, file.read().split()):
                found += [child, *children(child)]
    return found


def has_ended(pid):
    """Also if nobody has asked how it ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def processor_seconds(pids):
    """What processes have used."""
    return sum(processor_time(pid) for pid in pids)


def settled_processor_seconds(pids, quiet=0.3, longest=10):
    """The same, once what goes on behind the last answer has ended."""
    until = time.monotonic() + longest
    last = processor_seconds(pids)
    while time.monotonic() < until:
        time.sleep(quiet)
        now = processor_seconds(pids)
        if now - last < 0.1 * quiet:
            return now
        last = now
    return last


def seconds(work, *arguments):
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start
