# Helpers of the system suites: a daemon on a folder of the suite's own, taken down at its end.
# shellcheck shell=bash
#
# Sets: work (the suite's folder), store, mnt, place; at_end is the suite's to fill. Defines: skip, fail, await, start_daemon,
# check_records, stop_daemon, kill_daemon, clear_dead_mount, control, gathers, start_client, end_clients, make_disk, remove_disk.

set -uo pipefail

suite=$(basename "$0" .sh)
scale=${AOFS_TEST_SCALE:-1}
# AOFS_MOUNT_OPTIONS is given to each mount, for suites that run in another mode. Whether that is -o writeback:
gathers() { [[ ,${AOFS_MOUNT_OPTIONS:-}, == *,writeback,* ]]; }
system=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$system/../.." && pwd)
records=$system/lib/numbered_records.py
aofs=${AOFS_BINARY:-$top/.build/debug/aofs}
[ -x "$aofs" ] || { echo "$suite: $aofs is not built: run 'swift build' first" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/aofs-$suite.XXXXXX") || exit 1
store=$work/store
mnt=$work/mnt
place=$work/disk
mkdir "$mnt" "$place"
daemon=
clients=()
disks=()
# Functions that end what a suite has started beside these.
at_end=()

# What the machine lacks is said, and counted as neither passed nor failed.
skip() {
  echo "$suite: skipped: $*"
  exit 77
}

fail() {
  echo "$suite: FAILED: $*" >&2
  local log
  for log in daemon client; do [ -s "$work/$log.log" ] && tail -n 5 "$work/$log.log" >&2; done
  exit 1
}

# Waits up to a minute for a command to succeed: a guard against hangs, not a bound on speed.
await() {
  local tries
  for tries in $(seq 1200); do
    "$@" && return 0
    sleep 0.05
  done
  return 1
}

# check_records WHEN PROMISED NOTES…: the logs of clients that noted what was acknowledged hold what was promised.
check_records() {
  local when=$1 promised=$2 notes
  shift 2
  for notes; do
    [ -e "$notes" ] || continue
    python3 "$records" check "$mnt/${notes##*acks-}" "$notes" "$promised" >"$work/verdict" 2>&1 ||
      fail "$when: $(cat "$work/verdict")"
  done
}

# --- the daemon

# By the kernel's table: a mount whose daemon is dead answers nobody.
is_mount_point() { grep -qF " $1 " /proc/self/mountinfo; }
mounted() { is_mount_point "$mnt"; }
answers_or_died() { ! kill -0 "$daemon" 2>/dev/null || { mounted && stat -f "$mnt" >/dev/null 2>&1; }; }

start_daemon() {
  "${under[@]}" "$aofs" mount -f "$store" "$mnt" ${AOFS_MOUNT_OPTIONS:+-o "$AOFS_MOUNT_OPTIONS"} "$@" >>"$work/daemon.log" 2>&1 &
  daemon=$!
  await answers_or_died || fail "no mount after a minute"
  mounted || fail "the daemon ended instead of mounting"
}
# A command that runs the daemon; set by suites that want one.
under=()

stop_daemon() {
  fusermount3 -u "$mnt" || fail "fusermount3 -u failed"
  wait "$daemon" || fail "the daemon ended with $?"
  daemon=
}

kill_daemon() {
  kill -9 "$daemon"
  wait "$daemon" 2>/dev/null
  daemon=
}

clear_dead_mount() { fusermount3 -uz "$mnt" 2>/dev/null || umount -l "$mnt" 2>/dev/null || true; }

# Gives a command, and leaves its answer's text in $answer.
control() {
  local status=0
  (printf '%s\n' "$1" >"$mnt/.ctl/command") 2>/dev/null || status=1
  answer=$(cat "$mnt/.ctl/result" 2>/dev/null)
  return "$status"
}

# --- clients

start_client() {
  "$@" >>"$work/client.log" 2>&1 &
  clients+=($!)
}

all_ended() {
  local client
  for client in "${clients[@]}"; do
    # A zombie has ended; it is there until it is waited for.
    case $(sed 's/.*) //' "/proc/$client/stat" 2>/dev/null) in '' | Z*) ;; *) return 1 ;; esac
  done
}

# Waits until every client has ended by itself.
end_clients() {
  await all_ended || fail "$1: a client hangs"
  statuses=()
  local client
  for client in "${clients[@]}"; do
    wait "$client"
    statuses+=($?)
  done
  clients=()
}

# --- disks

# Makes a filesystem of its own at $place, and the store a folder of it: make_disk tmpfs|ext4|xfs SIZE [OPTIONS]. Skips
# the suite where that is not allowed.
make_disk() {
  [ "$(id -u)" -eq 0 ] || skip "only root may mount a $1 for the store"
  store=$place/store
  if [ "$1" = tmpfs ]; then
    mount -t tmpfs -o "size=$2" aofs-test "$place" || skip "no tmpfs can be mounted"
  else
    command -v "mkfs.$1" >/dev/null || skip "there is no mkfs.$1"
    truncate -s "$2" "$work/$1.image"
    local force=-F
    [ "$1" = xfs ] && force=-f
    "mkfs.$1" -q "$force" "$work/$1.image" >"$work/mkfs.log" 2>&1 || fail "mkfs.$1: $(cat "$work/mkfs.log")"
    disk=$(losetup -f --show "$work/$1.image" 2>/dev/null) || skip "there is no free loop device"
    disks+=("$disk")
    mount -o "${3:-defaults}" "$disk" "$place" || skip "no $1 can be mounted"
  fi
}

remove_disk() {
  umount "$place" || fail "the disk of the store is still in use"
  [ ${#disks[@]} -eq 0 ] || losetup -d "${disks[@]}"
  disks=()
  rm -f "$work"/*.image
}

cleanup() {
  local status=$? action
  trap - EXIT INT TERM
  for action in "${at_end[@]}"; do "$action"; done
  if [ ${#clients[@]} -gt 0 ]; then
    kill -9 "${clients[@]}" 2>/dev/null
    wait "${clients[@]}" 2>/dev/null
  fi
  if [ -n "$daemon" ]; then
    kill -CONT "$daemon" 2>/dev/null
    fusermount3 -u "$mnt" 2>/dev/null || kill -9 "$daemon" 2>/dev/null
    wait "$daemon" 2>/dev/null
  fi
  mounted && clear_dead_mount
  wait
  while is_mount_point "$place"; do umount "$place" 2>/dev/null || umount -l "$place" || break; done
  [ ${#disks[@]} -eq 0 ] || losetup -d "${disks[@]}"
  # A folder that is still a mount point must not be emptied.
  mounted || is_mount_point "$place" || rm -rf -- "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
