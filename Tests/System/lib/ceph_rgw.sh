#!/usr/bin/env bash
# A Ceph cluster of one monitor and one OSD in memory, or several with a copy of everything on each, and a RADOS gateway, on
# 127.0.0.1.
#
# usage: ceph_rgw.sh start DIRECTORY PORT [OSDS]
#                                            PORT is the gateway's; the monitor takes PORT+1 and PORT+2. Prints nothing; the
#                                            keys are in DIRECTORY/keys as two lines, the OSDs' processes in DIRECTORY/osds
#        ceph_rgw.sh stop DIRECTORY          ends the processes that start noted in DIRECTORY/pids, and removes it
set -euo pipefail

# Runs a daemon of the cluster and notes its process.
run() {
  "$@" -c ceph.conf -f </dev/null >>log/out 2>&1 &
  echo $! >>pids
}

# Waits up to half a minute for a command to succeed.
await() {
  local tries
  for tries in $(seq 300); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  echo "ceph_rgw.sh: not within half a minute: $*" >&2
  return 1
}

write_configuration() {
  local directory=$1 monitor=$2 osds=$3
  cat >ceph.conf <<C
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_host = $monitor
public_addr = 127.0.0.1
auth_allow_insecure_global_id_reclaim = false
run_dir = $directory/run
admin_socket = $directory/run/\$name.asok
pid_file = $directory/run/\$name.pid
log_file = $directory/log/\$name.log
mon_cluster_log_file = $directory/log/cluster.log
mon_data = $directory/mon
osd_data = $directory/osd\$id
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_pool_default_size = $osds
osd_pool_default_min_size = 1
osd_heartbeat_interval = 2
osd_heartbeat_grace = 10
mon_osd_reporter_subtree_level = osd
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_max_object_name_len = 460
osd_max_object_namespace_len = 64
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
keyring = $directory/keyring
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_osd_full_ratio = 0.99
mon_data_avail_crit = 1
mon_data_avail_warn = 1
rgw_rados_pool_pg_num_min = 8
rgw_enable_usage_log = false
rgw_run_sync_thread = false
rgw_dns_name = localhost
C
}

make_keys() {
  ceph-authtool --create-keyring keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
  ceph-authtool keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  ceph-authtool keyring --gen-key -n client.rgw.a --cap mon 'allow rw' --cap osd 'allow rwx' --cap mgr 'allow rw'
  local osd
  for osd in $(seq 0 $(($1 - 1))); do
    ceph-authtool keyring --gen-key -n "osd.$osd" --cap mon 'allow profile osd' --cap mgr 'allow profile osd' \
      --cap osd 'allow *'
  done
}

osds_are_up() { ceph -c ceph.conf osd stat 2>/dev/null | grep -q "$1 up"; }

start_osds() {
  local osd uuid
  for osd in $(seq 0 $(($1 - 1))); do
    mkdir "osd$osd"
    uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph -c ceph.conf osd new "$uuid" "$osd" >/dev/null 2>&1
    ceph-osd -i "$osd" --mkfs --osd-uuid "$uuid" -c ceph.conf >>log/out 2>&1
    run ceph-osd -i "$osd"
    tail -n 1 pids >>osds
  done
  await osds_are_up "$1"
}

start() {
  local directory=$1 port=$2 osds=${3:-1} monitor access secret
  mkdir -p "$directory"/{mon,run,log}
  cd "$directory"
  : >pids
  monitor="[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]"
  write_configuration "$directory" "$monitor" "$osds"
  make_keys "$osds"
  monmaptool --create --clobber --fsid "$(sed -n 's/^fsid = //p' ceph.conf)" --addv a "$monitor" monmap >/dev/null
  ceph-mon --mkfs -i a --monmap monmap --keyring keyring -c ceph.conf
  run ceph-mon -i a
  await ceph -c ceph.conf --connect-timeout 5 mon stat
  start_osds "$osds"
  access=$(tr -d - </proc/sys/kernel/random/uuid) secret=$(tr -d - </proc/sys/kernel/random/uuid)
  radosgw-admin -c ceph.conf user create --uid=test --display-name=test --access-key="$access" --secret-key="$secret" \
    >log/user 2>&1
  run radosgw -n client.rgw.a --rgw-frontends="beast endpoint=127.0.0.1:$port tcp_nodelay=1"
  await curl -s -o /dev/null "http://127.0.0.1:$port/"
  printf '%s\n%s\n' "$access" "$secret" >keys
}

all_gone() {
  local process
  while read -r process; do ! kill -0 "$process" 2>/dev/null || return 1; done <"$1/pids"
}

stop() {
  local process
  [ -e "$1/pids" ] || return 0
  tac "$1/pids" | while read -r process; do kill "$process" 2>/dev/null || true; done
  await all_gone "$1" || while read -r process; do kill -9 "$process" 2>/dev/null || true; done <"$1/pids"
  rm -rf -- "$1"
}

"$@"
