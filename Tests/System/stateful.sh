#!/usr/bin/env bash
# Random sequences of operations, checked against a model: on append-only files of ext4, which the model must describe as
# well where the two agree, and on a mount, with seals, evictions, trims, deletions and restarts between them.
#
# usage: Tests/System/stateful.sh
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

# What it would remember goes with the suite.
export HYPOTHESIS_STORAGE_DIRECTORY=$work/hypothesis
if ! python3 -c 'import hypothesis' 2>/dev/null; then
  [ "$(id -u)" -eq 0 ] && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-hypothesis >/dev/null 2>&1
  python3 -c 'import hypothesis' 2>/dev/null || skip "there is no python3-hypothesis"
fi

if [ "$(id -u)" -eq 0 ] && command -v mkfs.ext4 >/dev/null && losetup -f >/dev/null 2>&1; then
  make_disk ext4 64M
  python3 "$system/stateful.py" ext4 "$place" "$scale" || fail "the model is wrong about append-only files of ext4"
else
  echo "stateful: no ext4 can be mounted here, so the model is not compared with it"
fi
mkdir "$work/aofs"
AOFS_BINARY=$aofs python3 "$system/stateful.py" mount "$work/aofs" "$scale" || fail "the mount is not as the model says"
