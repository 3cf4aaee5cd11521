#!/usr/bin/env bash
# Some seventy file operations on a mount, compared with the promises of docs/SEMANTICS.md.
#
# usage: Tests/System/append_probe.sh
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

start_daemon --chunk-size 128KiB
python3 "$system/append_probe.py" "$mnt" --expect || fail "operations differ from docs/SEMANTICS.md"
kill -0 "$daemon" || fail "the daemon died"
stop_daemon
