#!/usr/bin/env bash
# §crash, §read-cold: what dies while a bucket is written. First the daemon, killed at random moments of seals, uploads, mergers,
# evictions and sweeps, behind a proxy that breaks requests: nothing is lost, no object that is named is missing, and what
# crashes left is found and deleted. Then one of three OSDs of a Ceph cluster, during checkpoints and reads: nobody notices.
#
# usage: Tests/System/s3_crash.sh [ROUNDS]     (default: 6 times AOFS_TEST_SCALE, at most 50)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"
. "$(dirname "$0")/lib/s3_servers.bash"

rounds=${1:-$((6 * scale < 50 ? 6 * scale : 50))}
export AOFS_BINARY=$aofs

start_rgw 1 || skip "$reason"
make_bucket logs
start_proxy
python3 "$system/s3_crash.py" kills "$work/kills" "$endpoint" "$proxied" "$admin" "$rounds" || fail "see above"
stop_servers

start_rgw 3 || skip "$reason"
make_bucket logs
python3 "$system/s3_crash.py" osd "$work/osd" "$endpoint" "$(sed -n 2p "$ceph/osds")" || fail "see above"
