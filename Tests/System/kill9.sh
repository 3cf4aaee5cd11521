#!/usr/bin/env bash
# §crash: stops and kills the daemon at random moments while programs append and sync numbered records, also during
# seals, checkpoints and evictions. While it is stopped, programs wait, and go on with it; when it is killed they get
# an error at once. Mounted again, every record whose write had returned is there, and nothing else.
#
# With AOFS_MOUNT_OPTIONS=writeback only what was synced must be there, and the last record may be cut.
#
# usage: Tests/System/kill9.sh [ROUNDS]     (default: 12 times AOFS_TEST_SCALE)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

rounds=${1:-$((12 * scale))}
writers=4
# A log lives through a few rounds; then there are new ones, so that looking through them does not take ever longer.
rounds_per_log=5
promised=written
if gathers; then
  promised=torn
  rounds_per_log=1
fi

# Several writers at once: one that syncs each record, one in batches, one with large records, one that never syncs.
start_writers() {
  local writer batch=(1 16 4 1000000000) largest=(100 100 60000 900)
  for writer in $(seq 0 $((writers - 1))); do
    start_client python3 "$records" append "$mnt/log-$1-$writer" "$work/acks-log-$1-$writer" \
      "${batch[writer]}" "${largest[writer]}"
  done
}

sizes() { stat -c %s "$work"/acks-log-"$1"-* 2>/dev/null; }
# Whether every writer of the log set has noted something since $before.
all_grew() {
  local now
  mapfile -t now < <(sizes "$set")
  [ "${#now[@]}" -eq "$writers" ] || return 1
  local index
  for index in "${!now[@]}"; do [ "${now[index]}" -gt "${before[index]:-0}" ] || return 1; done
}

# Commands without end, so that a kill lands in one.
command_storm() {
  while :; do
    for command in seal checkpoint evict; do
      [ -e "$mnt/.ctl/command" ] || return 0
      control "$command" || true
    done
  done
}

refuses() { [[ $(stat -f "$mnt" 2>&1) == *"not connected"* ]]; }

for round in $(seq "$rounds"); do
  set=$(((round - 1) / rounds_per_log))
  start_daemon --chunk-size 128KiB
  # What is older is looked at in the end: each round takes as long as the first.
  check_records "round $round" $promised "$work"/acks-log-{$set,$((set - 1))}-*
  mapfile -t before < <(sizes "$set")
  start_writers "$set"
  await all_grew || fail "round $round: not every writer got on within a minute"
  [ $((round % 3)) -ne 0 ] || start_client command_storm
  sleep "0.$((RANDOM % 3))$((RANDOM % 10))"

  if [ $((round % 4)) -eq 0 ]; then
    kill -STOP "$daemon"
    sleep 0.1  # what had its answer on the way gets it
    mapfile -t before < <(sizes "$set")
    sleep 0.3
    mapfile -t now < <(sizes "$set")
    gathers || [ "${before[*]}" = "${now[*]}" ] || fail "round $round: a write returned while the daemon was stopped"
    if [ $((round % 8)) -eq 0 ]; then
      kill -CONT "$daemon"
      await all_grew || fail "round $round: a writer hangs although the daemon goes on"
    fi
  fi
  kill_daemon

  end_clients "round $round, on the dead mount"
  tail -n 3 "$work/client.log" | grep -qE 'ENOTCONN|ECONNABORTED' ||
    fail "round $round: a writer ended with $(tail -n 1 "$work/client.log")"
  refuses || fail "round $round: the dead mount does not answer with ENOTCONN"
  clear_dead_mount
done

start_daemon
check_records "at the end" $promised "$work"/acks-log-*
control verify || fail "verify: $answer"
! grep -q '"failure"' "$mnt/.ctl/status.json" || fail "a log takes no appends: $(grep '"failure"' "$mnt/.ctl/status.json")"
stop_daemon
echo "kill9: $rounds rounds, $(cat "$work"/acks-* | wc -l) calls acknowledged, nothing lost"
