"""Appending to new files: small and large, unsynced with one sync at the end and synced each, by one writer and by several."""
from figures import MEDIAN, RATE, TAIL, THROUGHPUT

# Size, how it is written, and how many a round of one writer without syncs and one with them has.
SIZES = [("128 B", 128, 30_000, 600), ("4 KiB", 4 << 10, 10_000, 500), ("128 KiB", 128 << 10, 2_000, 200), ("1 MiB", 1 << 20, 256, 60)]
WRITERS = [1, 4, 16]
# A sample ends by then, however slow it is.
SECONDS = 3


def run(session):
    for title, size, unsynced, synced in SIZES:
        for writers in WRITERS:
            files = "" if writers == 1 else f", {writers} writers of {writers} files"
            rate = RATE if size < 64 << 10 else THROUGHPUT
            measure(session, f"{title}, final fdatasync{files}", [rate], size, unsynced, "end", writers)
            measure(session, f"{title} + fdatasync{files}", synced_figures(writers), size, synced, "each", writers)
    for writers in WRITERS[1:]:
        measure(session, f"128 B, final fdatasync, {writers} writers of one file", [RATE], 128, 30_000, "end", writers, "--shared")
        measure(session, f"128 B + fdatasync, {writers} writers of one file", [RATE], 128, 600, "each", writers, "--shared")
    measure(session, "128 B, O_DSYNC", [MEDIAN, TAIL], 128, 600, "dsync", 1)


def synced_figures(writers):
    return [MEDIAN, TAIL] if writers == 1 else [RATE]


def measure(session, work, figures, size, count, sync, writers, *options):
    # Programs that keep no log are compared where nothing else is.
    everybody = session.local_peers() if writers == 1 else session.local_peers("ext4", "floor", "aofs")
    # Unsynced they do as much together as one alone; synced ones wait for each other's flushes, so each has enough to meet the others.
    each = max(1, session.scaled(count) // (writers if sync == "end" else min(writers, 4)))

    def sample(peer, number):
        words = ["--size", size, "--count", each, "--sync", sync, "--writers", writers, "--seconds", SECONDS, *options]
        try:
            return session.driver("append", *words, peer.file(f"append-{number}"))
        finally:
            peer.remove("append-*")

    session.compare(work, figures, everybody, sample)
