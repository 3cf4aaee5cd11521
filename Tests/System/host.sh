#!/usr/bin/env bash
# §unmount, §ctl-events, §ctl-metrics: life on a host. Dead mount points, mount points with files, signals with open writers,
# fstab, ordinary users, a service manager, the journal, metrics over HTTP with hostile clients, and readers of events that are
# stuck while appends go on.
#
# usage: Tests/System/host.sh [CASE…]     (default: every case)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

export AOFS_BINARY=$aofs
python3 "$system/host.py" "$work" "$scale" "$@" || fail "see above"
