# Helpers of the system suites: a daemon on a folder of the suite's own, taken down at its end.
# shellcheck shell=bash
#
# Sets: work (the suite's folder), store, mnt. Defines: start_daemon, stop_daemon, kill_daemon, fail.

set -uo pipefail

suite=$(basename "$0" .sh)
scale=${AOFS_TEST_SCALE:-1}
system=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$system/../.." && pwd)
aofs=${AOFS_BINARY:-$top/.build/debug/aofs}
[ -x "$aofs" ] || { echo "$suite: $aofs is not built: run 'swift build' first" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/aofs-$suite.XXXXXX") || exit 1
store=$work/store
mnt=$work/mnt
mkdir "$mnt"
daemon=
client=

fail() {
  echo "$suite: FAILED: $*" >&2
  [ -s "$work/daemon.log" ] && tail -n 5 "$work/daemon.log" >&2
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

mounted() { mountpoint -q "$mnt"; }
answers_or_died() { ! kill -0 "$daemon" 2>/dev/null || { mounted && stat -f "$mnt" >/dev/null 2>&1; }; }

start_daemon() {
  "$aofs" mount -f "$store" "$mnt" "$@" >>"$work/daemon.log" 2>&1 &
  daemon=$!
  await answers_or_died || fail "no mount after a minute"
  mounted || fail "the daemon ended instead of mounting"
}

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

cleanup() {
  local status=$?
  trap - EXIT INT TERM
  [ -n "$client" ] && kill -9 "$client" 2>/dev/null
  if [ -n "$daemon" ]; then
    fusermount3 -u "$mnt" 2>/dev/null || kill -9 "$daemon" 2>/dev/null
    wait "$daemon" 2>/dev/null
  fi
  mounted && clear_dead_mount
  mounted || rm -rf -- "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
