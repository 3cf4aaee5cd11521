#!/usr/bin/env bash
# Builds the fuzzers with libFuzzer and AddressSanitizer, and runs its targets, as many at a time as there are
# processors.
#
# usage: Tests/fuzz.sh [SECONDS] [TARGET…]     (default: 60 seconds for each target)
#
# Starts from the corpus in Tests/AOFFuzzing/Corpus; new inputs go to .build-fuzz/corpus/TARGET, crashing ones to
# .build-fuzz/findings/TARGET. A finding is committed to the corpus together with its fix. Ends with the number of
# targets that found something, and exits 0 only if none did.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$top" || exit 1
. mount-scripts/install-packages.sh
aofs_install_packages && aofs_find_swift || exit 1

seconds=${1:-60}
[ $# -gt 0 ] && shift
case $seconds in '' | *[!0-9]*) echo "fuzz.sh: '$seconds' is no number of seconds" >&2; exit 1 ;; esac

export AOFS_FUZZ=1
# Swift's own crash handler would come before libFuzzer's, which keeps the input.
export SWIFT_BACKTRACE=enable=no
# gold, the default, fails on what AddressSanitizer exports.
build=(-c debug --scratch-path .build-fuzz --sanitize fuzzer --sanitize address -Xswiftc -use-ld=lld --product AOFFuzzer)
swift build "${build[@]}" || exit 1
fuzzer=$(swift build "${build[@]}" --show-bin-path)/AOFFuzzer || exit 1

[ $# -gt 0 ] || mapfile -t targets < <("$fuzzer")
[ $# -eq 0 ] || targets=("$@")

# Fuzzes one target; what there is to say comes at its end, in one piece.
fuzz() {
  local target=$1 found=.build-fuzz/findings/$1 new=.build-fuzz/corpus/$1 status answer
  mkdir -p "$found" "$new"
  AOFS_FUZZ_TARGET=$target AOFS_FUZZ_SEEDS=$new "$fuzzer" || { echo "fuzz.sh: there is no $target" >&2; return 1; }
  AOFS_FUZZ_TARGET=$target "$fuzzer" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -verbosity=1 -artifact_prefix="$found/" "$new" "Tests/AOFFuzzing/Corpus/$target" >"$new.log" 2>&1
  status=$?
  answer=$(grep -E '^stat::number_of_executed_units|DONE|finding:|SUMMARY|Test unit written' "$new.log")
  [ "$status" -eq 0 ] || answer+=$'\n'"$target: a finding, see $new.log"
  printf '== %s\n%s\n' "$target" "$answer"
  return "$status"
}

# As many at a time as there are processors.
failed=0
for target in "${targets[@]}"; do
  if [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; then wait -n || failed=$((failed + 1)); fi
  fuzz "$target" &
done
while [ -n "$(jobs -p)" ]; do wait -n || failed=$((failed + 1)); done
echo "${#targets[@]} targets, $failed with findings"
[ "$failed" -eq 0 ]
