"""A log of a million sealed chunks beside one of ten: mounting, appending, reading what is evicted and what is not."""
import os
import sqlite3

import machine
from figures import MEDIAN, MEMORY, MOUNT, SECONDS, TAIL, UNMOUNT

FEW_CHUNKS, FEW_SIZE = 10, 16 << 20
MANY_SIZE = 128 << 10
READ = 4 << 10
READS = 300
# Only so many of the many chunks have an object, all over the log; these are read.
OBJECTS = 1 << 14
# The name of the object of chunk `n`; see docs/format/remote-layout.md.
KEY = "printf('chunks/%d/%016x/%020d-%020d-%d-1-%016x.zst', log, n, n * :size, (n + 1) * :size, generation, n)"


def run(session):
    count = session.scaled(1_000_000, 10)
    few_store = session.own_store("few-chunks", "--chunk-size", f"{FEW_SIZE}B")
    many_store = session.own_store("many-chunks", "--chunk-size", f"{MANY_SIZE}B")
    with few_store as few, many_store as many:
        few.name, many.name = f"{FEW_CHUNKS} chunks", f"{count} chunks"
        append_equal_chunks(session, few, FEW_CHUNKS * FEW_SIZE)
        append_equal_chunks(session, many, 2 * MANY_SIZE)
        many.unmount()
        multiply_extents(many.store, count)
        many.mount()

        def compare(work, figures, sample, rounds=None):
            session.compare(work, figures, [few, many], sample, [few.name], many.name, rounds)

        def memory(peer, _number):
            return {"bytes": peer.memory()}

        def places(peer, number):
            """Those of the few chunks are evicted anew for each round; of the many each round has some that no other has."""
            words = ["--block", READ, "--random", "--count", session.scaled(READS, 3), "--seed", number, "--to", count * MANY_SIZE]
            if peer is few:
                # Without the last bytes, which an eviction leaves.
                return [*words[:-1], FEW_CHUNKS * FEW_SIZE - (4 << 20), peer.file("log-0")]
            stride = count // OBJECTS * MANY_SIZE
            return [*words, "--from", number * stride, "--stride", session.rounds * stride, peer.file("log-0")]

        def read_evicted(peer, number):
            if peer is few:
                few.control("evict")
            return session.driver("read", *places(peer, number))

        def read_local(peer, number):
            """The same places again."""
            session.drop(peer.file("log-0"))
            return session.driver("read", *places(peer, number))

        compare("a log", [MOUNT, UNMOUNT], lambda peer, _: peer.remount())
        compare("memory after mounting", [MEMORY], memory, 1)
        compare("4 KiB at random, evicted, from a directory", [MEDIAN, TAIL], read_evicted)
        # Those of the last round are local.
        compare("4 KiB at random, local, past the mount's page cache", [MEDIAN, TAIL],
                lambda peer, _: read_local(peer, session.rounds - 1))
        append = ["append", "--size", "128", "--count", session.scaled(5_000), "--sync", "never"]
        compare("append 128 B", [MEDIAN], lambda peer, _: session.driver(*append, peer.file("log")))
        synced = ["append", "--size", "128", "--count", session.scaled(400), "--sync", "each"]
        compare("append 128 B + fdatasync", [MEDIAN], lambda peer, _: session.driver(*synced, peer.file("log")))
        compare("memory after the reads and appends", [MEMORY], memory, 1)
        compare("evicting what was read", [SECONDS], lambda peer, _: {"seconds": machine.seconds(peer.control, "evict")}, 1)
        compare("memory after evicting", [MEMORY], memory, 1)


def append_equal_chunks(session, peer, size):
    session.driver("append", "--size", MANY_SIZE, "--count", size // MANY_SIZE, "--sync", "end", peer.file("log"))
    peer.control("checkpoint")


def multiply_extents(store, count):
    """Makes a log of two sealed, published chunks one of `count`, of which only the first two are local. All have the second one's bytes."""
    database = sqlite3.connect(os.path.join(store, "manifest.sqlite"))
    with database:
        (log, first_key), = database.execute("SELECT log, object_key FROM extents WHERE chunk = 1")
        database.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count) "
            f"INSERT INTO extents SELECT log, n, n * :size, (n + 1) * :size, generation, frames, sealed_at, x'00', {KEY}, object_size, "
            "object_checksum, object_frames FROM numbers CROSS JOIN extents WHERE chunk = 1", {"count": count, "size": MANY_SIZE})
        database.execute("UPDATE logs SET sealed_lsn = :end, applied_lsn = :end, remote_lsn = :end", {"end": count * MANY_SIZE})
        keys = database.execute("SELECT object_key FROM extents WHERE log = ? AND chunk >= 2 AND chunk % ? = 0", (log, count // OBJECTS))
        for key, in keys:
            path = os.path.join(store, "remote", key)
            os.makedirs(os.path.dirname(path))
            os.link(os.path.join(store, "remote", first_key), path)
    database.close()
