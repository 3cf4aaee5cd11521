"""Whether a long log is slower to append to, or to read in, than a short one."""
import os

from figures import MEDIAN

SIZES = [("1 MiB", 1), ("64 MiB", 64), ("1 GiB", 1024)]


def run(session):
    subjects = session.local_peers("ext4", "floor", "aofs")
    for title, mebibytes in SIZES[:2] if session.is_quick else SIZES:
        for peer in subjects:
            session.driver("append", "--size", "1M", "--count", mebibytes, "--sync", "end", peer.file("growth"))
        append = ["append", "--size", "128", "--count", session.scaled(5_000), "--sync", "never"]
        synced = ["append", "--size", "128", "--count", session.scaled(400), "--sync", "each"]
        session.compare(f"log of {title}: append 128 B", [MEDIAN], subjects, lambda peer, _: session.driver(*append, peer.file("growth")))
        session.compare(f"log of {title}: append 128 B + fdatasync", [MEDIAN], subjects, lambda peer, _: session.driver(*synced, peer.file("growth")))
        session.compare(f"log of {title}: read 4 KiB at random, past the mount's page cache", [MEDIAN],
                        [peer for peer in subjects if peer.name != "ext4"], lambda peer, number: read(session, peer, number))
        for peer in subjects:
            peer.remove("growth-0")


def read(session, peer, number):
    file = peer.file("growth-0")
    peer.warm_lower()
    session.drop(file)
    # So few that hardly one comes twice, and finds its page.
    count = min(session.scaled(2_000), os.path.getsize(file) >> 16)
    return session.driver("read", "--block", "4K", "--random", "--count", count, "--seed", number, file)
