"""One run of the suite: who takes part, what came out, and how a piece of work is measured."""
import contextlib
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys

import buckets
import peers
from figures import number


@dataclasses.dataclass(frozen=True)
class Tools:
    """Programs, by path."""
    aofs: str
    unmount: str
    driver: str
    floor: str
    library: str
    gateway: str


class Session:
    def __init__(self, tools, folder, disk, rounds, is_quick, stack):
        self.tools, self.folder, self.disk, self.rounds, self.is_quick, self.stack = tools, folder, disk, rounds, is_quick, stack
        self.part = ""
        self.rows, self.skipped, self.failures = [], [], []
        self._local = self._bucket = self._gateway = None

    # --- who takes part

    def scaled(self, count, quick=8):
        """A size or a number of operations, less in a quick run."""
        return max(1, count // quick) if self.is_quick else count

    def local_peers(self, *names):
        """Those whose files lie on the disk alone; all stay mounted until the end."""
        if self._local is None:
            self._local = {"ext4": peers.Peer("ext4", os.path.join(self.disk, "plain"))}
            for peer in (peers.Floor(self.tools, self.folder, self.disk),
                         peers.Aofs(self.tools, self.folder, os.path.join(self.disk, "store")),
                         peers.Bindfs(self.folder, self.disk), peers.Sshfs(self.folder, self.disk)):
                if self.enter(peer):
                    self._local[peer.name] = peer
        return [self._local[name] for name in names or self._local if name in self._local]

    def bucket_peers(self):
        """Those that mount the bucket."""
        if self._bucket is None:
            mounts = [buckets.S3fs(self.gateway(), self.folder), buckets.Rclone(self.gateway(), self.folder)]
            self._bucket = [peer for peer in mounts if self.enter(peer)]
        return self._bucket

    @contextlib.contextmanager
    def own_store(self, name, *options):
        """A store for one part, which is gone after it."""
        store = peers.Aofs(self.tools, self.folder, os.path.join(self.disk, name), options=options)
        try:
            with store:
                yield store
        finally:
            shutil.rmtree(store.store, ignore_errors=True)

    def enter(self, peer):
        """Mounts a peer until the end. False if it is not there, which is then noted."""
        try:
            self.stack.enter_context(peer)
            return True
        except (peers.Missing, OSError, AssertionError) as error:
            self.skip(peer.name, error)
            return False

    def gateway(self):
        """The S3 server; started when it is first asked for."""
        if self._gateway is None:
            self._gateway = self.stack.enter_context(buckets.Gateway(self.tools.gateway, self.folder))
        return self._gateway

    def skip(self, what, why):
        self.skipped.append({"part": self.part, "what": what, "why": str(why)})
        print(f"  skipped: {what}: {why}", file=sys.stderr, flush=True)

    def fail(self, what, error):
        self.failures.append({"part": self.part, "what": what, "why": f"{type(error).__name__}: {error}"})
        print(f"  FAILED: {what}: {error}", file=sys.stderr, flush=True)

    # --- measuring

    def driver(self, *words):
        return self.parsed([self.tools.driver, *map(str, words)])

    def drop(self, file):
        """Takes a file from the page cache of its mount."""
        subprocess.run([self.tools.driver, "drop", file], check=True)

    def parsed(self, command):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
            raise OSError(f"{os.path.basename(command[0])} {command[1]}: {said[0]}")
        return json.loads(done.stdout)

    def compare(self, work, figures, subjects, sample, against=("ext4", "floor"), of="aofs", rounds=None, pairs=None):
        """Runs `sample(peer, round)` for each peer in turn, round by round, each time beginning with another one. Who fails is left
        out of the row. `pairs`: of whom there are ratios, in the place of those of `of`."""
        samples = {peer.name: [] for peer in subjects}
        for turn in range(rounds or self.rounds):
            first = turn % max(1, len(subjects))
            for peer in [*subjects[first:], *subjects[:first]]:
                if peer.name not in samples:
                    continue
                # What the one before has left to write is not this one's; other disks are nobody's here.
                subprocess.run(["sync", "-f", self.disk], check=True)
                try:
                    samples[peer.name].append(sample(peer, turn))
                except (OSError, AssertionError, subprocess.SubprocessError, ValueError, KeyError) as error:
                    self.fail(f"{work}, {peer.name}", error)
                    del samples[peer.name]
        for figure in figures:
            self.add_row(work, figure, samples, pairs or [[of, other] for other in against])

    def add_row(self, work, figure, samples, ratios=()):
        values = {name: [each[figure.key] * figure.scale for each in them] for name, them in samples.items() if them}
        if not values:
            return
        title = f"{work}, {figure.note}" if figure.note else work
        kept = [pair for pair in ratios if pair[0] in values and pair[1] in values]
        self.rows.append({"part": self.part, "work": title, "unit": figure.unit, "is_better_high": figure.is_better_high,
                          "values": values, "ratios": kept})
        shown = ", ".join(f"{name} {number(statistics.median(them))}" for name, them in values.items())
        print(f"  {title}: {shown} {figure.unit}", flush=True)

    @contextlib.contextmanager
    def run(self, name):
        """One part: what fails in it is noted, and does not end the others."""
        self.part = name
        try:
            yield
        except Exception as error:  # pylint: disable=broad-except
            self.fail("the part was not finished", error)
