"""What the daemons use: processor time for each gigabyte or append, and memory."""
import machine
from figures import Figure

PER_GIGABYTE = Figure("per_gigabyte", "s/GB")
PER_APPEND = Figure("per_append", "us/append", 1e6)
MEMORY = Figure("memory", "MB resident", 1e-6)
MEBIBYTES = 256


def run(session):
    # Nobody serves ext4.
    daemons = [peer for peer in session.local_peers() if peer.processes()]
    session.compare("memory at the start", [MEMORY], daemons, lambda peer, _: {"memory": peer.memory()}, ["floor"], rounds=1)
    blocks = ["append", "--size", "128K", "--count", session.scaled(MEBIBYTES, 4) * 8, "--sync", "end"]
    session.compare("appending 128 KiB", [PER_GIGABYTE], daemons, lambda peer, number: used(session, peer, *blocks, peer.file("cost")), ["floor"])
    lines = ["append", "--size", "128", "--count", session.scaled(100_000), "--sync", "end"]
    session.compare("appending 128 B", [PER_APPEND], daemons, lambda peer, number: used(session, peer, *lines, peer.file("lines")), ["floor"])
    synced = ["append", "--size", "128", "--count", session.scaled(2000), "--sync", "each"]
    session.compare("128 B + fdatasync", [PER_APPEND], daemons, lambda peer, number: used(session, peer, *synced, peer.file("lines")), ["floor"])
    for peer in daemons:
        peer.remove("lines-*")
        peer.seal("cost-0")
    session.compare("reading by 128 KiB, past the mount's page cache", [PER_GIGABYTE], daemons, lambda peer, _: read(session, peer), ["floor"])
    session.compare("memory at the end", [MEMORY], daemons, lambda peer, _: {"memory": peer.memory()}, ["floor"], rounds=1)
    for peer in daemons:
        peer.remove("cost-*")


def used(session, peer, *words):
    before = machine.settled_processor_seconds(peer.processes())
    done = session.driver(*words)
    spent = machine.settled_processor_seconds(peer.processes()) - before
    return {"per_gigabyte": spent / done["bytes"] * 1e9, "per_append": spent / done["operations"]}


def read(session, peer):
    file = peer.file("cost-0")
    peer.warm_lower()
    session.drop(file)
    # As much in each round: the file has grown with each round of appends.
    return used(session, peer, "read", "--block", "128K", "--count", session.scaled(MEBIBYTES, 4) * 8, file)
