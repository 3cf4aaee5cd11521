#!/usr/bin/env python3
"""Cached readers of a log that grows: every byte below its size must be the one that was written.

usage: coherence.py FOLDER SECONDS
One process appends; others read behind it through the page cache: where it says that it is, at random places, where
stat(2) says that the log ends, and through a mapping. Some only call stat(2), as fast as they can, because each
answer makes the kernel look at its pages. Exits 1 after a single wrong byte.
"""
import mmap
import multiprocessing
import os
import random
import sys
import time

PERIOD = 251  # a prime, so that no page looks like another one's
PAGE = mmap.PAGESIZE
LARGEST = 4 << 20
CONTENT = bytes(i % PERIOD + 1 for i in range(LARGEST + (64 << 10)))  # has no zeros


class Shared:
    """What the processes of one log have in common."""

    def __init__(self, path):
        self.path = path
        self.written = multiprocessing.RawValue("q", 0)  # behind the last write(2) that returned
        self.stop = multiprocessing.RawValue("b", 0)

    def running(self):
        return not self.stop.value


def difference(found, start, end):
    """What is wrong with the bytes found from start to end; None if nothing is."""
    wanted = CONTENT[start:end]
    if found == wanted:
        return None
    wrong = [start + i for i, (a, b) in enumerate(zip(found, wanted)) if a != b]
    where = f", {len(wrong)} wrong from {wrong[0]} to {wrong[-1]}" if wrong else ""
    return f"{len(found)} of {end - start} bytes at {start}{where}, {found.count(0)} zeros"


def read_behind_writer(shared, descriptor):
    end = shared.written.value
    start = max(0, end - random.choice((1, 50, PAGE, 9000, 200_000)))
    return difference(os.pread(descriptor, end - start, start), start, end)


def read_anywhere(shared, descriptor):
    end = shared.written.value
    start = random.randrange(end + 1)
    end = min(end, start + 20_000)
    return difference(os.pread(descriptor, end - start, start), start, end)


def read_to_size(shared, descriptor):
    least = shared.written.value
    end = os.fstat(descriptor).st_size
    if end < least:
        return f"the size is {end} after {least} bytes were written"
    start = max(0, end - 3000)
    return difference(os.pread(descriptor, end - start, start), start, end)


def read_mapping(shared, descriptor):
    end = os.stat(shared.path).st_size
    if end == 0:
        return None
    start = max(0, end - 3000)
    with mmap.mmap(descriptor, end, prot=mmap.PROT_READ) as mapping:
        return difference(mapping[start:end], start, end)


def ask(shared, descriptor):
    for _ in range(50):
        os.fstat(descriptor)


def repeat(action, shared, results):
    descriptor = os.open(shared.path, os.O_RDONLY)
    rounds, wrong = 0, []
    while shared.running() and len(wrong) < 5:
        fault = action(shared, descriptor)
        rounds += 1
        if fault:
            wrong.append(f"{action.__name__}: {fault}")
    results.put((action.__name__, rounds, wrong))


def write(descriptor, shared, end_time):
    """Appends until the log is full or the time is over; returns the number of appends."""
    position = count = 0
    while position < LARGEST and time.monotonic() < end_time:
        to_next_page = PAGE - position % PAGE
        length = random.choice((1, 7, 100, 300, 600, 1500, PAGE, 5000, to_next_page, to_next_page + 1))
        taken = os.write(descriptor, CONTENT[position : position + length])
        if taken != length:
            sys.exit(f"{taken} of {length} bytes were taken")
        position += length
        shared.written.value = position
        count += 1
    return count


def run_log(path, end_time):
    """One log from its first byte to its last. Returns the appends, the rounds of all readers, and what was wrong."""
    shared = Shared(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    actions = (read_behind_writer, read_behind_writer, read_anywhere, read_to_size, read_mapping, ask)
    results = multiprocessing.Queue()
    readers = [multiprocessing.Process(target=repeat, args=(action, shared, results)) for action in actions]
    for reader in readers:
        reader.start()
    try:
        appends = write(descriptor, shared, end_time)
    finally:
        shared.stop.value = 1
        os.close(descriptor)
        for reader in readers:
            reader.join()
    broken = [f"a reader ended with {reader.exitcode}" for reader in readers if reader.exitcode != 0]
    rounds = 0
    for _ in range(len(readers) - len(broken)):
        _, count, wrong = results.get()
        rounds += count
        broken += wrong
    return appends, rounds, broken


def main(folder, seconds):
    multiprocessing.set_start_method("fork")
    end_time = time.monotonic() + seconds
    logs = appends = rounds = 0
    wrong = []
    while time.monotonic() < end_time and not wrong:
        more_appends, more_rounds, wrong = run_log(os.path.join(folder, f"log-{logs}"), end_time)
        logs, appends, rounds = logs + 1, appends + more_appends, rounds + more_rounds
    print(f"{logs} logs, {appends} appends, {rounds} rounds of readers, {len(wrong)} wrong")
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], float(sys.argv[2]))
