#!/usr/bin/env bash
# Many processes append to the same logs while others read them, over seals, checkpoints, evictions and remounts.
#
# usage: Tests/System/writers.sh
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

AOFS_BINARY=$aofs python3 "$system/writers.py" "$work" "$scale" || fail "a promise to writers or readers was broken"
