"""Ten thousand logs: making them, listing them, mounting, and mounting after a kill."""
import subprocess

import machine
from figures import MEDIAN, MEMORY, MOUNT, RATE, SECONDS, UNMOUNT

LOGS = 10_000
TAIL_MEBIBYTES = 256


def run(session):
    count = session.scaled(LOGS, 10)
    with session.own_store("many-store") as many:
        others = session.local_peers("ext4", "floor")
        everybody = [*others, many]

        def alone(work, figures, sample, rounds=None):
            session.compare(work, figures, [many], sample, (), rounds=rounds)

        session.compare(f"creating {count} files of a line", [RATE, MEDIAN], everybody,
                        lambda peer, _: session.driver("create", peer.path, count), rounds=1)
        session.compare(f"ls -l of {count} files", [SECONDS], everybody, lambda peer, _: timed(list_all, peer))
        alone(f"memory with {count} logs", [MEMORY], lambda peer, _: {"bytes": peer.memory()}, 1)
        alone(f"{count} logs, a line of each unsealed", [UNMOUNT, MOUNT], lambda peer, _: remount_with_news(session, peer, count),
              min(session.rounds, 2))
        alone(f"mounting after a kill, a line of each of {count} logs unsealed", [SECONDS],
              lambda peer, _: mount_after_kill(session, peer, "create", peer.path, count))
        alone(f"memory after mounting {count} logs and ls -l", [MEMORY], memory_listed, 1)
        for peer in others:
            peer.remove("*.log")
    unsealed_tail(session)


def unsealed_tail(session):
    """A single log, and all its bytes in the WAL."""
    mebibytes = session.scaled(TAIL_MEBIBYTES, 4)
    words = ["append", "--size", "32K", "--count", mebibytes * 32, "--sync", "never"]
    with session.own_store("tail-store", "--chunk-size", "4GiB") as tail:
        session.compare(f"mounting after a kill, {mebibytes} MiB of one log unsealed", [SECONDS], [tail],
                        lambda peer, number: mount_after_kill(session, peer, *words, peer.file(f"tail-{number}")), ())


def timed(work, *arguments):
    return {"seconds": machine.seconds(work, *arguments)}


def list_all(peer):
    subprocess.run(["ls", "-l", peer.path], stdout=subprocess.DEVNULL, check=True)


def remount_with_news(session, peer, count):
    session.driver("create", peer.path, count)
    return peer.remount()


def mount_after_kill(session, peer, *work):
    session.driver(*work)
    peer.kill()
    return timed(peer.mount)


def memory_listed(peer, _number):
    list_all(peer)
    return {"bytes": peer.memory()}
