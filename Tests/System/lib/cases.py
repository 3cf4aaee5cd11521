"""The cases of a suite: functions that say nothing when all is well.

A suite marks them with @case and ends with main(SUITE). Its arguments are FOLDER SCALE [CASE…].
"""
import subprocess
import sys

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Skipped(Exception):
    """What the case needs is not there."""


def main(suite):
    for name in sys.argv[3:] or list(CASES):
        try:
            CASES[name]()
            print(f"{suite}: {name}: ok", flush=True)
        except Skipped as reason:
            print(f"{suite}: {name}: skipped: {reason}", flush=True)
        except (AssertionError, subprocess.SubprocessError, OSError) as error:
            sys.exit(f"{suite}: {name}: {error!r}")
