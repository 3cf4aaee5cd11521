#!/usr/bin/env bash
# §disk-full: fills the disk of the store while programs append, on tmpfs and on ext4. They get ENOSPC, and nothing of
# what failed is in a log. On the disk that they have filled logs are read, every command does its work, and eviction gives space
# back: that is what the store's reserve is for. With not a block left, commands and the next mount do their work or say that there
# is no space. When space returns, appends go on, also through the handles that failed.
#
# usage: Tests/System/full_disk.sh
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

check_all() {
  local acks
  for acks in "$work"/acks-*; do
    python3 "$records" check "$mnt/${acks##*acks-}" "$acks" exact >"$work/verdict" 2>&1 || fail "$1: $(cat "$work/verdict")"
  done
}

# Takes all space but a few megabytes, by blocks that are really written.
fill_disk() {
  dd if=/dev/zero of="$place/filler" bs=1024 count=$(($(room) - $1)) status=none || fail "the filler does not fit"
}
# And the rest, so that nothing at all fits.
fill_rest() {
  dd if=/dev/zero of="$place/filler-too" bs=4096 oflag=append conv=notrunc status=none 2>/dev/null
  [ "$(room)" -eq 0 ] || fail "$type: there are still $(room) KiB"
}
room() { df -B 1024 --output=avail "$place" | tail -n 1 | tr -d ' '; }

# A command on a disk without a block, where even the reserve may be gone, succeeds or says that there is no space.
answers() {
  if control "$1"; then return 0; fi
  case $answer in
    *[Nn]"o space"* | *ENOSPC* | *"is full"*) ;;
    *) fail "$type: $1 without a block left answered: $answer" ;;
  esac
}

does() { control "$1" || fail "$type: $1 on a full disk: $answer"; }

written() { cat "$work"/acks-* | grep -c '^w'; }
grew() { [ "$(written)" -gt $((before + 300)) ]; }
all_refused() { [ "$(grep -c '^refused' "$work/client.log")" -ge 3 ]; }

opens() {
  "$aofs" mount -f "$store" "$mnt" > >(tee "$work/opening.log" >>"$work/daemon.log") 2>&1 &
  daemon=$!
  await answers_or_died || fail "$type: no mount of the full disk after a minute"
  mounted && return 0
  wait "$daemon" && fail "$type: the daemon ended, and reports no failure"
  daemon=
  grep -qi 'no space' "$work/opening.log" || fail "$type: the full disk is refused with: $(cat "$work/opening.log")"
  return 1
}

is_reserved() { [ "$(stat -c %b "$store/reserve" 2>/dev/null || echo 0)" -gt 0 ]; }

for type in tmpfs ext4; do
  make_disk "$type" 160M
  # The remote is elsewhere, as a full disk is no reason that uploads fail.
  start_daemon --chunk-size 128KiB --remote "dir:$work/remote-$type"
  # Before the disk is full: a new log needs room in the manifest.
  for writer in 0 1 2; do : >"$mnt/log-$writer" || fail "$type: a log cannot be created"; done
  control checkpoint || fail "$type: $answer"
  fill_disk 6000

  # One writer syncs, one does not, one has large records; all end at the full disk.
  : >"$work/client.log"
  start_client python3 "$records" append "$mnt/log-0" "$work/acks-log-0" 4 9000
  start_client python3 "$records" append "$mnt/log-1" "$work/acks-log-1" 1000000 60000
  start_client python3 "$records" append "$mnt/log-2" "$work/acks-log-2" 1 300000
  end_clients "$type, full"
  [ "$(grep -c '^ENOSPC$' "$work/client.log")" -eq 3 ] || fail "$type: $(cat "$work/client.log")"
  check_all "$type, full"

  for command in status seal checkpoint verify; do does "$command"; done
  check_all "$type, after commands on the full disk"
  before=$(room)
  does evict
  [ "$(room)" -gt "$before" ] || fail "$type: evict gave no space back"
  check_all "$type, fetched again after the eviction"
  fill_rest
  # No evict here: reading what was evicted needs space.
  for command in status seal checkpoint verify; do answers "$command"; done
  check_all "$type, after commands without a block left"
  kill -0 "$daemon" || fail "$type: the daemon died"

  # Writers that go on trying get on, with the handles that failed, once there is space.
  for writer in 0 1 2; do
    start_client python3 "$records" retry "$mnt/log-$writer" "$work/acks-log-$writer" 4 9000
  done
  await all_refused || fail "$type: no append was refused on the full disk"
  before=$(written)
  rm "$place"/filler*
  await grew || fail "$type: appends do not go on although there is space again"
  kill -TERM "${clients[@]}"
  end_clients "$type, with space again"
  [ "${statuses[*]}" = "0 0 0" ] || fail "$type: $(tail -n 3 "$work/client.log")"
  check_all "$type, with space again"
  for command in seal checkpoint evict verify; do control "$command" || fail "$type: $command: $answer"; done

  # After a kill the store opens on the full disk: that is what is set aside for. It is as it was.
  await is_reserved || fail "$type: nothing is set aside although there is space"
  kill_daemon
  clear_dead_mount
  fill_rest
  opens || fail "$type: the store does not open on a full disk: $(cat "$work/opening.log")"
  check_all "$type, opened on the full disk"
  does status
  stop_daemon
  rm "$place"/filler*
  start_daemon
  check_all "$type, mounted again"
  stop_daemon
  remove_disk
  echo "full_disk: $type, $(written) records, nothing lost and nothing half-written"
  rm -f "$work"/acks-*
done
