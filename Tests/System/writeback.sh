#!/usr/bin/env bash
# §wb-append §wb-sync §wb-crash: in the mode `-o writeback`, the suites whose promises it keeps, or keeps in part.
#
# usage: Tests/System/writeback.sh [SUITE…]
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

export AOFS_MOUNT_OPTIONS=writeback
declare -A rounds=([kill9]=$((6 * scale)) [powercut]=$((2 * scale)))
[ $# -gt 0 ] || set -- append_probe coherence writers kill9 powercut
skipped=()
for part; do
  bash "$system/$part.sh" ${rounds[$part]:-} >"$work/part.log" 2>&1
  case $? in
    0) tail -n 1 "$work/part.log" ;;
    77) skipped+=("$part") ;;
    *)
      cat "$work/part.log" >&2
      fail "$part in the mode -o writeback"
      ;;
  esac
done
[ ${#skipped[@]} -eq 0 ] || skip "${skipped[*]}"
