#!/usr/bin/env bash
# Strange names, strangers, planted links, garbage for the control files, more logs than descriptors: clear errors, nothing
# lost, nothing that grows.
#
# usage: Tests/System/hostile.sh [CASE…]
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

[ "$(id -u)" -eq 0 ] || skip "only root may act as other users"
AOFS_BINARY=$aofs python3 "$system/hostile.py" "$work" "$scale" "$@" || fail "see above"
