"""Runs the parts, and writes what came out. `Benchmarks/run.sh` builds what is needed and calls this."""
import argparse
import contextlib
import datetime
import importlib
import os
import shutil
import signal
import sys
import tempfile

import disk
import machine
import report
from session import Session, Tools

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
# In the order in which they run.
PARTS = ["append", "beside", "library", "read", "follow", "cost", "growth", "many", "chunks", "cold", "upload"]
DISK_MEBIBYTES = 10 << 10


def part(name):
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"there is no part {name}")
    return name


def parse():
    parser = argparse.ArgumentParser(prog="Benchmarks/run.sh", description="Measures aofs beside others.")
    parser.add_argument("--rounds", type=int, help="how often each piece of work is measured (default 5, quick 1)")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a look at whether it works")
    parser.add_argument("--output", default=os.path.join(TOP, "docs/benchmarks"), help="where the results go")
    parser.add_argument("parts", nargs="*", type=part, metavar="PART", help=f"of {', '.join(PARTS)}; default all")
    return parser.parse_args()


def tools():
    products = os.environ["BENCHMARK_PRODUCTS"]
    return Tools(
        aofs=os.environ["AOFS_BINARY"], unmount=os.path.join(TOP, "mount-scripts/aofs-unmount"),
        driver=os.path.join(products, "driver"), floor=os.path.join(products, "floor"),
        library=os.environ.get("LIBRARY_BENCH", ""), gateway=os.path.join(TOP, "Tests/System/lib/ceph_rgw.sh"))


def main():
    options = parse()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    parts = {name: importlib.import_module("parts." + name) for name in options.parts or PARTS}
    programs = tools()
    facts = machine.describe(programs.aofs) | {
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "disk": "ext4 with a journal on a loop device past the page cache below, all blocks written beforehand"}
    with contextlib.ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="aofs-bench.")
        stack.callback(remove, folder)
        place = stack.enter_context(disk.ext4(folder, DISK_MEBIBYTES))
        session = Session(programs, folder, place, options.rounds or (1 if options.quick else 5), options.quick, stack)
        for name, module in parts.items():
            print(f"{name}: {module.__doc__.splitlines()[0]}", flush=True)
            with session.run(name):
                module.run(session)
        facts |= {"rounds": session.rounds, "is_quick": options.quick, "load_at_end": machine.load()}
        report.write(options.output, facts, session)
    return 1 if session.failures else 0


def remove(folder):
    """Never what is still mounted."""
    with open("/proc/self/mountinfo") as file:
        if folder in file.read():
            print(f"left, since it is still mounted: {folder}", file=sys.stderr)
            return
    shutil.rmtree(folder, ignore_errors=True)


sys.exit(main())
