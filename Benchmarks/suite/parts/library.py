"""Appending through the library, without a mount, beside the same work on the filesystem below."""
import os
import shutil

import peers
from figures import MEDIAN, RATE, THROUGHPUT

WORK = [
    ("128 B, no sync", 128, 200_000, "never", 1, RATE),
    ("128 B + sync", 128, 1_000, "each", 1, MEDIAN),
    ("128 B + sync, 16 threads of 16 logs", 128, 300, "each", 16, RATE),
    ("128 B + sync, 16 threads of one log", 128, 300, "each", 16, RATE),
    ("1 MiB, final sync", 1 << 20, 256, "end", 1, THROUGHPUT),
]


def run(session):
    if not session.tools.library:
        return session.skip("library", "library-bench is not built")
    plain, = session.local_peers("ext4")
    library = peers.Peer("library", os.path.join(session.disk, "library-store"))
    for work, size, count, sync, writers, figure in WORK:
        words = ["--size", size, "--count", session.scaled(count), "--sync", sync, "--writers", writers]
        words += ["--shared"] if "one log" in work else []

        def sample(peer, _number, words=words):
            if peer is plain:
                try:
                    return session.driver("append", *words, plain.file("append"))
                finally:
                    plain.remove("append-*")
            store = library.file("store")
            try:
                return session.parsed([session.tools.library, *map(str, words), store])
            finally:
                shutil.rmtree(store, ignore_errors=True)

        session.compare(work, [figure], [plain, library], sample, against=["ext4"], of="library")
