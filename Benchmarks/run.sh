#!/usr/bin/env bash
# Measures aofs beside the filesystem below it, a floor and other programs, and writes docs/benchmarks/results.json, results.md and plots.
#
# usage: Benchmarks/run.sh [--rounds N] [--quick] [--output FOLDER] [PART …]
#   --rounds N        how often each piece of work is measured, in turn (default 5, with --quick 1)
#   --quick           smaller sizes, in less than 5 minutes: whether it works, and no figures to show
#   --output FOLDER   where the results go
#   PART              append beside library read follow cost growth many chunks cold upload; all by default
#
# Needs root on Debian 12, loop devices, and 12 GiB of disk at TMPDIR. Installs what is missing; who cannot be installed is left out, and the
# results say so. AOFS_BINARY and LIBRARY_BENCH name programs that are built already. docs/benchmarks/README.md has the method.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
for word in "$@"; do
  case $word in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
done
[ "$(id -u)" -eq 0 ] || { echo "run.sh: only root may make the disk and the mounts that are measured" >&2; exit 77; }

. mount-scripts/install-packages.sh
aofs_packages="$aofs_packages gcc libc6-dev python3 e2fsprogs util-linux curl iproute2"
aofs_install_packages
aofs_find_swift

# The peers, each on its own: one that cannot be had keeps nobody from the others.
for packages in bindfs "sshfs openssh-server openssh-client" s3fs rclone "radosgw ceph-mon ceph-osd ceph-common"; do
  (aofs_packages=$packages && aofs_install_packages) || echo "run.sh: without $packages" >&2
done

if [ -z "${AOFS_BINARY:-}" ]; then
  swift build -c release --product aofs
  AOFS_BINARY=$(swift build -c release --show-bin-path)/aofs
fi
if [ -z "${LIBRARY_BENCH:-}" ]; then
  swift build -c release --package-path Benchmarks --product library-bench
  LIBRARY_BENCH=$(swift build -c release --package-path Benchmarks --show-bin-path)/library-bench
fi
BENCHMARK_PRODUCTS=$top/Benchmarks/.build/c
export AOFS_BINARY LIBRARY_BENCH BENCHMARK_PRODUCTS
mkdir -p "$BENCHMARK_PRODUCTS"
gcc -O2 -Wall -Wextra -Werror -o "$BENCHMARK_PRODUCTS/driver" Benchmarks/driver/*.c -lpthread
# shellcheck disable=SC2046  # several words
gcc -O2 -Wall -Wextra -Werror -o "$BENCHMARK_PRODUCTS/floor" Benchmarks/floor/floor.c $(pkg-config fuse3 --cflags --libs) -lpthread

PYTHONPATH=$top/Tests/System/lib PYTHONDONTWRITEBYTECODE=1 exec python3 Benchmarks/suite "$@"
