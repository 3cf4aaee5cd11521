#!/usr/bin/env bash
# Runs all tests: unit, engine, repository and real-mount tests, then the system suites of Tests/System.
#
# usage: mount-scripts/test.sh [--filter PATTERN]
#   --filter PATTERN   only the Swift tests that match (as in `swift test`), and no system suites
#
# AOFS_TEST_SCALE   multiplies rounds and sizes (default 1)
# AOFS_SANITIZER    builds with that sanitizer (thread, address), into a build folder of its own
# TMPDIR            where stores and mount points of the tests lie (default /tmp)
#
# Ends with a line `N passed, N failed`, and exits 0 only when nothing failed.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$top" || exit 1
export AOFS_TEST_SCALE=${AOFS_TEST_SCALE:-1}

die() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

filter=()
while [ $# -gt 0 ]; do
  case $1 in
    --filter) [ $# -ge 2 ] || die "--filter needs a pattern"; filter=(--filter "$2"); shift 2 ;;
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "'$1' is not an option; see --help" ;;
  esac
done

# --- the run's own folder, and what must be gone at its end

base=${TMPDIR:-/tmp}
mkdir -p "$base" || die "cannot create $base"
run=$(mktemp -d "$base/aofs-test.XXXXXX") || die "cannot create a folder in $base"
run=$(cd "$run" && pwd -P)
# Tests look at mounts as other users, too.
chmod 711 "$run"
export TMPDIR=$run
# A place in memory, for tests that make hundreds of stores; without one they use the disk.
memory=$(mktemp -d /dev/shm/aofs-test.XXXXXX 2>/dev/null) && export AOFS_TEST_MEMORY=$memory

# Mount points below a folder, innermost first, as /proc/mounts spells them decoded.
mounts_below() {
  while read -r _ point _; do
    point=$(printf '%b' "$point")
    case $point in "$1"/*) printf '%s\n' "$point" ;; esac
  done </proc/mounts | sort -r
}

child=
finish() {
  local status=$?
  trap - EXIT INT TERM HUP
  if [ -n "$child" ] && kill -0 "$child" 2>/dev/null; then
    kill "$child" 2>/dev/null
    wait "$child" 2>/dev/null
  fi
  mounts_below "$run" | while read -r point; do
    printf 'test.sh: was left mounted: %s\n' "$point" >&2
    fusermount3 -uz "$point" 2>/dev/null || umount -l "$point"
  done
  if [ -z "$(mounts_below "$run")" ]; then rm -rf -- "$run"; fi
  if [ -n "$memory" ]; then rm -rf -- "$memory"; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Runs a command so that a signal to this script reaches it at once.
attended() {
  "$@" &
  child=$!
  wait "$child"
  local status=$?
  child=
  return "$status"
}

# --- what is needed

. mount-scripts/install-packages.sh
aofs_packages="$aofs_packages python3 procps util-linux"
# The system suites break disks and system calls, as root only.
[ ${#filter[@]} -gt 0 ] || [ "$(id -u)" -ne 0 ] || aofs_packages="$aofs_packages e2fsprogs xfsprogs strace fiu-utils"
aofs_install_packages || exit 1
aofs_find_swift || exit 1
swift=$(command -v swift)
aofs_check_fuse || echo "test.sh: real mounts are not tested"

# --- build and run

build=(-c debug)
if [ -n "${AOFS_SANITIZER:-}" ]; then
  build+=(--sanitize "$AOFS_SANITIZER" --scratch-path ".build-$AOFS_SANITIZER")
  export LSAN_OPTIONS=suppressions=$top/Tests/Sanitizers/leaks.supp:print_suppressions=0
fi

passed=0
failed=0
skipped=()
echo "== swift build"
attended "$swift" build "${build[@]}" --build-tests || die "the build failed"
bin=$("$swift" build "${build[@]}" --show-bin-path) || die "no build folder"
export AOFS_BINARY=$bin/aofs

echo "== swift test"
log=$run/swift-test.log
attended "$swift" test "${build[@]}" --skip-build ${filter[@]+"${filter[@]}"} > >(tee "$log") 2>&1
status=$?
sync -d "$log" 2>/dev/null
# Swift Testing's account: "Test run with 12 tests in 3 suites passed/failed after …"; each failed test has a
# line of its own, and a run that ended without its account counts as one failure.
summary=$(grep -E 'Test run with [0-9]+ tests?' "$log" | tail -n 1)
total=$(printf '%s' "$summary" | sed -n 's/.*Test run with \([0-9]*\) test.*/\1/p')
broken=$(grep -cE '^[^ ]+ +Test .* failed after .* with [0-9]+ issues?' "$log")
if [ "$status" -ne 0 ] && [ "$broken" -eq 0 ]; then broken=1; fi
passed=$((passed + ${total:-0} - (broken < ${total:-0} ? broken : ${total:-0})))
failed=$((failed + broken))

if [ ${#filter[@]} -eq 0 ]; then
  for suite in Tests/System/*.sh; do
    [ -e "$suite" ] || continue
    echo "== $suite"
    if [ ! -e /dev/fuse ]; then
      echo "skipped: there is no /dev/fuse"
      skipped+=("$suite")
      continue
    fi
    attended bash "$suite"
    case $? in
      0) passed=$((passed + 1)) ;;
      77) skipped+=("$suite") ;;
      *)
        echo "$suite failed"
        failed=$((failed + 1))
        ;;
    esac
  done
fi

echo
[ -n "$summary" ] && echo "$summary"
[ ${#skipped[@]} -eq 0 ] || echo "skipped, for the reason given above: ${skipped[*]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
