#!/usr/bin/env bash
# Installs the Debian packages that building and testing aofs need, if any is missing. Needs root only then.
set -euo pipefail

packages=(libfuse3-dev fuse3 libzstd-dev zstd libsqlite3-dev pkg-config python3)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  printf 'install-packages.sh: missing: %s\ninstall them with: sudo apt-get install %s\n' \
    "${missing[*]}" "${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends "${missing[@]}"
