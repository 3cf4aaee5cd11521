#!/usr/bin/env bash
# Cached readers beside a writer: no byte below the size of a log is ever anything but what was written.
#
# usage: Tests/System/coherence.sh
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

start_daemon
python3 "$system/coherence.py" "$mnt" $((20 * scale)) || fail "a reader saw what nobody wrote"
kill -0 "$daemon" || fail "the daemon died"
stop_daemon
