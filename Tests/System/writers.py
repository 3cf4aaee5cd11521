#!/usr/bin/env python3
"""Many writers and readers of the same logs, in processes of their own.

usage: writers.py FOLDER SCALE

Each append is one line that names its writer and its number, and is as long as it says. Whatever is sealed, uploaded,
evicted or remounted meanwhile: each append is there whole and once, each writer's in its order; a size never shrinks; what was
read once is read again; and who has written reads its own line, wherever it was written from.
"""
import multiprocessing
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from daemon import Daemon  # noqa: E402

WRITERS, READERS, LOGS = 4, 3, 2
LONGEST = 300_000


def line(writer, number, chance):
    """About one in fifty is longer than what goes into the write-ahead log, and than a chunk."""
    length = chance.choice((20, 100, 1000, 5000)) if chance.random() < 0.98 else chance.randrange(70_000, LONGEST)
    begin = f"{writer} {number} {length} ".encode()
    return begin + bytes([33 + (writer * 7 + number) % 90]) * (length - len(begin) - 1) + b"\n"


def parse(content, wanted):
    """The complete lines of a log; raises for a line that nobody wrote so. `wanted`: the next number of each writer."""
    position = 0
    while True:
        end = content.find(b"\n", position)
        if end < 0:
            return position
        words = content[position:end].split(b" ", 3)
        writer, number, length = int(words[0]), int(words[1]), int(words[2])
        assert length == end - position + 1, f"a line of {end - position + 1} bytes that was {length} long, at {position}"
        assert not words[3].strip(bytes([33 + (writer * 7 + number) % 90])), f"other bytes in line {number} of {writer}"
        assert number == wanted.get(writer, 0), f"line {number} of writer {writer} comes where {wanted.get(writer, 0)} should"
        wanted[writer] = number + 1
        position = end + 1


def write(paths, writer, first, stop, results):
    """Appends to each log in turn, and reads its own lines back by another way than it wrote them."""
    chance = random.Random(writer * 1000 + first[0])
    numbers = list(first)
    try:
        handles = [os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640) for path in paths]
        while not stop.value:
            index = chance.randrange(len(paths))
            content = line(writer, numbers[index], chance)
            before = os.fstat(handles[index]).st_size
            taken = os.write(handles[index], content)
            assert taken == len(content), f"{taken} of {len(content)} bytes were taken"
            numbers[index] += 1
            if chance.random() < 0.05:
                os.fsync(handles[index])
            if chance.random() < 0.2:
                with open(paths[index], "rb") as file:
                    file.seek(before)
                    assert content in file.read(), f"line {numbers[index] - 1} of {writer} is not read where it was just written"
        for handle in handles:
            os.close(handle)
        results.put((writer, numbers, None))
    except (AssertionError, OSError) as error:
        results.put((writer, numbers, f"writer {writer}: {error}"))


def read(path, stop, results):
    """Follows a log; what it has read before must be what it reads again."""
    chance = random.Random(os.getpid())
    try:
        seen, size, wanted = b"", 0, {}
        parsed = 0
        with open(path, "rb") as file:
            while not stop.value:
                now = os.fstat(file.fileno()).st_size
                assert now >= size, f"the size went from {size} back to {now}"
                size = now
                file.seek(len(seen))
                seen += file.read(chance.choice((1, 100, 10_000, 1 << 20)))
                parsed += parse(seen[parsed:], wanted)
                if seen and chance.random() < 0.2:
                    start = chance.randrange(len(seen))
                    file.seek(start)
                    again = file.read(100_000)
                    assert seen[start:start + len(again)] == again[:len(seen) - start], f"bytes from {start} on have changed"
        results.put((None, len(seen), None))
    except (AssertionError, OSError) as error:
        results.put((None, 0, f"reader: {error}"))


def run_round(daemon, seconds, first):
    """One mount's time. Returns how many lines each writer has written to each log by now."""
    paths = [daemon.path(f"log-{index}") for index in range(LOGS)]
    for path in paths:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640))
    stop = multiprocessing.RawValue("b", 0)
    results = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=write, args=(paths, writer, first[writer], stop, results)) for writer in range(WRITERS)]
    workers += [multiprocessing.Process(target=read, args=(paths[index % LOGS], stop, results)) for index in range(READERS)]
    for worker in workers:
        worker.start()
    faults = []
    end, verbs = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        verb = ("seal", "checkpoint", "evict", "checkpoint log-0", "evict log-1", "verify")[verbs % 6]
        name, answer = daemon.control(verb)
        if name:
            faults.append(f"{verb}: {name}: {answer}")
            break
        verbs += 1
    stop.value = 1
    written = [None] * WRITERS
    for _ in workers:
        writer, numbers, fault = results.get()
        if fault:
            faults.append(fault)
        elif writer is not None:
            written[writer] = numbers
    for worker in workers:
        worker.join()
    daemon.check_alive()
    assert not faults, "; ".join(faults)
    return written, verbs


def check(daemon, written):
    """Each log holds every line of every writer, in order, and nothing else."""
    for index in range(LOGS):
        wanted = {}
        content = daemon.read(f"log-{index}")
        assert parse(content, wanted) == len(content), "a log ends within a line"
        expected = {writer: written[writer][index] for writer in range(WRITERS) if written[writer][index]}
        assert wanted == expected, f"log-{index} holds {wanted}, and {expected} were written"


def main():
    folder, scale = sys.argv[1], int(sys.argv[2])
    multiprocessing.set_start_method("fork")
    mnt = os.path.join(folder, "mnt")
    written, verbs = [[0] * LOGS for _ in range(WRITERS)], 0
    for round_ in range(3):
        with Daemon(os.path.join(folder, "store"), mnt, (), ("--chunk-size", "128KiB")) as daemon:
            if round_ > 0:
                check(daemon, written)
            written, more = run_round(daemon, 4 * scale, written)
            verbs += more
            check(daemon, written)
            if round_ == 1:
                daemon.kill()
            else:
                assert daemon.stop() == 0
    lines = sum(sum(numbers) for numbers in written)
    print(f"writers: {lines} lines of {WRITERS} writers in {LOGS} logs, {verbs} seals, checkpoints, evictions and verifications")


if __name__ == "__main__":
    main()
