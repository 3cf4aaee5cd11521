"""Reading a file of which every byte is on this machine: from the mount's page cache, and past it."""
from figures import MEDIAN, RATE, TAIL, THROUGHPUT

MEBIBYTES = 256


def run(session):
    everybody = session.local_peers()
    for peer in everybody:
        session.driver("append", "--size", "128K", "--count", session.scaled(MEBIBYTES) * 8, "--sync", "end", peer.file("read"))
        peer.seal("read-0")
    read(session, "in order by 1 MiB, from the mount's page cache", [THROUGHPUT], everybody, ["--block", "1M"], is_warm=True)
    read(session, "4 KiB at random, from the mount's page cache", [RATE], everybody, ["--block", "4K", *at_random(session, 50_000)], is_warm=True)
    # The filesystem below would read its disk.
    mounts = [peer for peer in everybody if peer.name != "ext4"]
    read(session, "in order by 128 KiB, past the mount's page cache", [THROUGHPUT], mounts, ["--block", "128K"])
    read(session, "4 KiB at random, past the mount's page cache", [MEDIAN, TAIL], mounts, ["--block", "4K", *at_random(session, 5_000)])
    read(session, "4 KiB at random, past the mount's page cache, 4 readers", [RATE], mounts,
         ["--block", "4K", "--readers", 4, *at_random(session, 5_000)])
    checked = [peer for peer in mounts if peer.name in ("floor", "aofs")]
    read(session, "in order by 128 KiB, the first time since the mount", [THROUGHPUT], checked, ["--block", "128K"], is_new=True)
    read(session, "4 KiB at random, the first time since the mount", [MEDIAN, TAIL], checked,
         ["--block", "4K", *at_random(session, 1_000)], is_new=True)
    for peer in everybody:
        peer.remove("read-0")


def at_random(session, count):
    return ["--random", "--count", session.scaled(count), "--seconds", 3]


def read(session, work, figures, subjects, words, is_warm=False, is_new=False):
    def sample(peer, number):
        file = peer.file("read-0")
        if is_new:
            peer.remount()
        peer.warm_lower()
        if is_warm:
            session.driver("read", file)
        else:
            session.drop(file)
        return session.driver("read", *words, "--seed", number, file)

    session.compare(work, figures, subjects, sample)
