#!/usr/bin/env bash
# Runs the append benchmark on a journalled ext4 of its own, beside a mount and a store on the same ext4.
#
# usage: Benchmarks/run.sh [ROUNDS]     (default 5; needs root, loop devices and 4 GiB of disk)
# Prints the machine and a Markdown table; docs/benchmarks/append.md says how to read it.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
rounds=${1:-5}
. mount-scripts/install-packages.sh
aofs_install_packages
aofs_find_swift

swift build -c release --product aofs
swift build -c release --package-path Benchmarks
aofs=$(swift build -c release --show-bin-path)/aofs
bench=$(swift build -c release --package-path Benchmarks --show-bin-path)/append-bench

run=$(mktemp -d "${TMPDIR:-/tmp}/aofs-bench.XXXXXX")
loop=
finish() {
  local status=$?
  trap - EXIT
  if mountpoint -q "$run/mnt"; then fusermount3 -u "$run/mnt" || umount -l "$run/mnt"; sleep 1; fi
  if mountpoint -q "$run/disk"; then umount "$run/disk"; fi
  if [ -n "$loop" ]; then losetup -d "$loop"; fi
  rm -rf -- "$run"
  exit "$status"
}
trap finish EXIT

mkdir "$run/disk" "$run/mnt"
truncate -s 6G "$run/image"
mkfs.ext4 -q -F "$run/image"
loop=$(losetup -f --show "$run/image")
mount "$loop" "$run/disk"
mkdir "$run/disk/plain"
"$aofs" mount "$run/disk/mounted" "$run/mnt"

printf 'Kernel %s, %s cores, journalled ext4 on a loop device, %s rounds.\n\n' "$(uname -r)" "$(nproc)" "$rounds"
"$bench" "$run/disk/plain" "$run/mnt" "$run/disk/library" "$rounds"
