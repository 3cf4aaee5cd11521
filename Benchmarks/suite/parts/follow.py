"""How long an appended record takes to reach another process that follows the file."""
import json
import subprocess
import time

from figures import MEDIAN, TAIL

RECORDS, PAUSE = 1000, 1000
# What `tail` and `aofs cat` need to stand at the end of the file: they do not say when.
SETTLING = 0.3


def run(session):
    everybody = session.local_peers()
    follow(session, "told by inotify", everybody, lambda _peer, file: [session.tools.driver, "follow", "--inotify", file])
    follow(session, "a look each 100 us", everybody, lambda _peer, file: [session.tools.driver, "follow", "--interval", "100", file])
    follow(session, "through tail -f", everybody, lambda _peer, file: [session.tools.driver, "follow", "-"],
           lambda _peer, file: ["tail", "-n", "0", "-f", file])
    follow(session, "through aofs cat --follow", session.local_peers("aofs"),
           lambda _peer, _file: [session.tools.driver, "follow", "-"], lambda _peer, file: [session.tools.aofs, "cat", "--follow", file])


def follow(session, work, subjects, reader, source=None):
    count = session.scaled(RECORDS, 4)

    def sample(peer, number):
        file = peer.file(f"follow-{number}")
        with open(file, "wb"):
            pass
        try:
            return watch(session, file, count, reader(peer, file), source(peer, file) if source else None)
        finally:
            peer.remove("follow-*")

    session.compare(work, [MEDIAN, TAIL], subjects, sample)


def watch(session, file, count, reader, source):
    upstream = subprocess.Popen(source, stdout=subprocess.PIPE) if source else None
    follower = subprocess.Popen([*reader, str(count)], stdin=upstream.stdout if upstream else None, stdout=subprocess.PIPE, text=True)
    try:
        assert follower.stdout.readline() == "ready\n"
        if upstream:
            time.sleep(SETTLING)
        subprocess.run([session.tools.driver, "feed", file, str(count), str(PAUSE)], check=True)
        seen = json.loads(follower.stdout.readline())
        assert seen["operations"] == count, f"{seen['operations']} of {count} records came"
        return seen
    finally:
        for process in filter(None, (upstream, follower)):
            process.kill()
            process.wait()
            process.stdout.close()
