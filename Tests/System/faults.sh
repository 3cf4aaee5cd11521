#!/usr/bin/env bash
# §sync, §disk-full: makes chosen system calls of the daemon fail on chosen files of the store. What was acknowledged
# stays, a failed sync stays failed, reads go on, and the mount lives. strace makes single calls fail, libfiu any of them
# by chance; further a daemon without free descriptors, a storm of signals, and a disk that turns read-only.
#
# usage: Tests/System/faults.sh [CASE…]     (default: every case)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

command -v strace >/dev/null || skip "there is no strace"
strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"
export AOFS_BINARY=$aofs
python3 "$system/faults.py" "$work" "$scale" "$@" || fail "see above"
