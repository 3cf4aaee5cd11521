"""Appends 64 KiB to a file without a pause, and has them made safe each time, until it is ended.

usage: neighbour.py FILE [COMMAND_FILE COMMAND]    without a command file it syncs, with one it writes the command there
"""
import os
import sys

BLOCK = os.urandom(32 << 10) * 2


def main():
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    print("ready", flush=True)
    while True:
        os.write(log, BLOCK)
        if len(sys.argv) == 2:
            os.fdatasync(log)
            continue
        control = os.open(sys.argv[2], os.O_RDWR)
        os.write(control, sys.argv[3].encode())
        os.close(control)


main()
