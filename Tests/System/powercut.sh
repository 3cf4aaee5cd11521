#!/usr/bin/env bash
# §sync: cuts the power of the store's disk while programs append and sync to several logs, and seals, checkpoints and
# evictions go on. What was not on the disk is lost: the filesystem stops dead (FS_IOC_SHUTDOWN without a flush of its
# journal), is unmounted and mounted again. Every record that an fsync had acknowledged must be there, in order.
#
# usage: Tests/System/powercut.sh [ROUNDS]     (default: 3 times AOFS_TEST_SCALE, for each of ext4 and xfs)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

rounds=${1:-$((3 * scale))}
writers=4
promised=synced
gathers && promised=torn

cut_power() {
  python3 - "$place" <<'P' || fail "the disk cannot be shut down"
import fcntl, os, struct, sys
FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
P
}

check_all() {
  local when=$1
  shift
  check_records "$when" $promised "$@"
  ! grep -q '"failure"' "$mnt/.ctl/status.json" || fail "$when: $(grep '"failure"' "$mnt/.ctl/status.json")"
}

synced() { cat "$work"/acks-log-"$round"-* 2>/dev/null | grep -c '^s'; }
some_synced() { [ "$(synced)" -gt $((writers * 5)) ] || all_ended; }

command_storm() {
  while [ -e "$mnt/.ctl/command" ]; do
    for command in seal checkpoint evict; do control "$command" || return 0; done
  done
}

for type in ext4 xfs; do
  # A round writes some 40 MiB, and nothing is deleted.
  make_disk "$type" $((300 + 80 * rounds))M
  for round in $(seq "$rounds"); do
    start_daemon --chunk-size 128KiB
    # What is older is looked at in the end: each round takes as long as the first.
    check_all "$type, round $round" "$work"/acks-log-{$((round - 1)),$((round - 2))}-*
    batch=(1 7 16 1) largest=(100 5000 60000 300000)
    for writer in $(seq 0 $((writers - 1))); do
      start_client python3 "$records" append "$mnt/log-$round-$writer" "$work/acks-log-$round-$writer" \
        "${batch[writer]}" "${largest[writer]}"
    done
    start_client command_storm
    await some_synced || fail "$type, round $round: nothing was synced within a minute"
    sleep "0.$((RANDOM % 8))$((RANDOM % 10))"
    cut_power
    end_clients "$type, round $round, on the dead disk"
    kill_daemon
    clear_dead_mount
    umount "$place" || fail "the dead disk is still in use"
    mount "$disk" "$place" || fail "the disk cannot be mounted again"
  done
  start_daemon
  check_all "$type, at the end" "$work"/acks-log-*
  control verify || fail "$type: verify: $answer"
  stop_daemon
  total=$(cat "$work"/acks-* | grep -c '^s')
  remove_disk
  rm -f "$work"/acks-*
  echo "powercut: $type, $rounds cuts, $total syncs acknowledged, nothing lost"
done
