#!/usr/bin/env bash
# §crash: kills the daemon at a random moment while a program appends and syncs numbered records, mounts again, and
# checks that every acknowledged record is there. The log lives through all rounds.
#
# usage: Tests/System/kill9.sh [ROUNDS]     (default: 20 times AOFS_TEST_SCALE)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

rounds=${1:-$((20 * scale))}
records=$system/lib/numbered_records.py
acks=$work/acks
: >"$acks"

acks_grew() { [ "$(stat -c %s "$acks")" -gt "$before" ] || ! kill -0 "$client" 2>/dev/null; }
client_ended() { ! kill -0 "$client" 2>/dev/null; }

for round in $(seq "$rounds"); do
  start_daemon --chunk-size 128KiB
  python3 "$records" check "$mnt/log" "$acks" >"$work/verdict" 2>&1 || {
    # Before the first round there is no log yet.
    [ "$round" -eq 1 ] || fail "round $round: $(cat "$work/verdict")"
  }

  # Every third round syncs in batches, so that unsynced records are under way at the kill; every fourth seals and
  # uploads meanwhile.
  before=$(stat -c %s "$acks")
  python3 "$records" append "$mnt/log" "$acks" $((round % 3 == 0 ? 16 : 1)) >>"$work/client.log" 2>&1 &
  client=$!
  await acks_grew || fail "round $round: no record was acknowledged within a minute"
  if [ $((round % 4)) -eq 0 ]; then (echo checkpoint >"$mnt/.ctl/command") 2>/dev/null & fi
  sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
  if [ $((round % 5)) -eq 0 ]; then kill -STOP "$daemon"; sleep 0.3; fi
  kill_daemon

  # The client gets ENOTCONN or ECONNABORTED; it does not hang.
  await client_ended || fail "round $round: the client hangs on the dead mount"
  wait "$client"
  client=
  wait
  clear_dead_mount
done

start_daemon
python3 "$records" check "$mnt/log" "$acks" || fail "at the end"
echo verify >"$mnt/.ctl/command" || fail "verify: $(cat "$mnt/.ctl/result")"
stop_daemon
echo "kill9: $rounds rounds, nothing acknowledged was lost"
