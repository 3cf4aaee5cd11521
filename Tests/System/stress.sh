#!/usr/bin/env bash
# stress-ng's file stressors, which check what they are answered, and fio as a reader that verifies every block.
#
# usage: Tests/System/stress.sh
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

for program in stress-ng fio; do
  command -v "$program" >/dev/null && continue
  [ "$(id -u)" -eq 0 ] && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$program" >/dev/null 2>&1
  command -v "$program" >/dev/null || skip "there is no $program"
done

start_daemon --chunk-size 1MiB

# Those that need more than names, attributes, locks and appends are not for logs: fallocate, too, empties its file again if
# it has the time.
for stressor in filename fstat flock lockf dentry dir getdent open rename chmod chown utime access handle inotify sync-file; do
  stress-ng --temp-path "$mnt" "--$stressor" 2 --timeout "$scale" --verify >"$work/stress.log" 2>&1 ||
    fail "$stressor: $(grep -E 'fail|error' "$work/stress.log" | head -n 3)"
  grep -E 'fail:' "$work/stress.log" && fail "$stressor: an answer was wrong"
  kill -0 "$daemon" || fail "$stressor: the daemon died"
done
[ -z "$(ls -A "$mnt")" ] || fail "stressors left $(ls "$mnt")"
# A program's last close(2) returns before the daemon hears of it, and a checkpoint may be reading a log.
tries=0
until control 'purge all=yes'; do
  [[ $answer == *'is in use'* ]] && [ $((tries += 1)) -lt 100 ] || fail "purge: $(tail -n 1 <<<"$answer")"
  sleep 0.1
done
control 'trash' && [ -z "$answer" ] || fail "the trash holds $answer"
find "$store/chunks" -mindepth 1 2>/dev/null | grep . && fail "purged logs left files"

# fio writes blocks that name their place, on the local disk; a log gets them as they are.
size=$((24 * scale))M
blocks=(--name=verified --bs=16k "--size=$size" --verify=crc32c --verify_fatal=1 --verify_state_save=0 --ioengine=psync --output="$work/fio.log")
fio "${blocks[@]}" --filename="$work/blocks" --rw=write --do_verify=0 || fail "fio: $(tail -n 5 "$work/fio.log")"
cat "$work/blocks" >"$mnt/blocks" || fail "cat failed"
read_verified() {
  fio "${blocks[@]}" --filename="$mnt/blocks" --allow_file_create=0 --readonly --numjobs=4 "$@" ||
    fail "fio $*: $(grep -E 'verify|err' "$work/fio.log" | head -n 5)"
}
read_verified --rw=read
read_verified --rw=randread --direct=1
control checkpoint || fail "checkpoint: $answer"
for way in read randread; do
  control evict || fail "evict: $answer"
  read_verified "--rw=$way"
done
# fio does notice: a block of another place is one that it must refuse.
head -c 16384 "$work/blocks" >>"$mnt/blocks"
if fio "${blocks[@]}" --filename="$mnt/blocks" --offset="$size" --size=16k --readonly --rw=read >"$work/refusal.log" 2>&1; then
  fail "fio takes a block of another place for sound"
fi
grep -q verify "$work/fio.log" "$work/refusal.log" ||
  fail "fio refuses it for another reason: $(cat "$work/fio.log" "$work/refusal.log" | tail -n 3)"
control 'verify remote=yes' || fail "verify: $answer"
stop_daemon
echo "stress: 16 stressors and $size of verified blocks"
