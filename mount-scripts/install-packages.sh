# What building, using and testing aofs needs from the machine. To be read by other scripts (. install-packages.sh);
# run by itself it installs and checks everything.

aofs_packages="fuse3 libfuse3-dev libzstd-dev zstd libsqlite3-dev libcurl4-openssl-dev libssl-dev libexpat1-dev pkg-config"

aofs_say() { printf '%s\n' "$*" >&2; }

# Installs the Debian packages that are missing; without root, says the command that does, and fails.
aofs_install_packages() {
  if ! command -v dpkg-query >/dev/null 2>&1; then
    if command -v pkg-config >/dev/null 2>&1 && pkg-config --exists fuse3 libzstd sqlite3 libcurl libcrypto expat; then return 0; fi
    aofs_say "aofs: this is no Debian; install the like of these by hand: $aofs_packages"
    return 1
  fi
  aofs_missing=
  for aofs_package in $aofs_packages; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$aofs_package" 2>/dev/null) in
      installed) ;;
      *) aofs_missing="$aofs_missing $aofs_package" ;;
    esac
  done
  [ -z "$aofs_missing" ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    aofs_say "aofs: packages are missing. Install them, then run this again:"
    aofs_say "  sudo apt-get install -y --no-install-recommends$aofs_missing"
    return 1
  fi
  aofs_say "installing$aofs_missing"
  # Lists that are out of date fail to install; only then is it worth fetching new ones.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $aofs_missing >/dev/null 2>&1 ||
    { apt-get update -qq >&2 &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $aofs_missing >/dev/null; } ||
    { aofs_say "aofs: apt-get could not install$aofs_missing"; return 1; }
}

# Finds a Swift 6.2 or later and puts it first in PATH; else says how to get one, and fails. The name alone does
# not tell: python3-swiftclient brings a `swift` that is something else.
aofs_find_swift() {
  aofs_old_ifs=$IFS
  IFS=:
  for aofs_directory in $PATH "$HOME/.local/share/swiftly/bin" /opt/swift/usr/bin /usr/local/swift/usr/bin; do
    IFS=$aofs_old_ifs
    [ -x "$aofs_directory/swift" ] || continue
    aofs_version=$("$aofs_directory/swift" --version 2>/dev/null |
      sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
    aofs_major=${aofs_version% *} aofs_minor=${aofs_version#* }
    [ -n "$aofs_version" ] || continue
    if [ "$aofs_major" -gt 6 ] || { [ "$aofs_major" -eq 6 ] && [ "$aofs_minor" -ge 2 ]; }; then
      PATH=$aofs_directory:$PATH
      export PATH
      return 0
    fi
  done
  IFS=$aofs_old_ifs
  aofs_say "aofs: building needs Swift 6.2 or later, which was not found. To get it:"
  aofs_say "  curl -O https://download.swift.org/swiftly/linux/swiftly-\$(uname -m).tar.gz"
  aofs_say "  tar zxf swiftly-\$(uname -m).tar.gz && ./swiftly init"
  aofs_say "then open a new shell. More ways: https://www.swift.org/install/linux/"
  return 1
}

# Whether this machine lets us mount.
aofs_check_fuse() {
  if [ ! -e /dev/fuse ]; then
    aofs_say "aofs: there is no /dev/fuse. As root: modprobe fuse. In a container: --device /dev/fuse --cap-add SYS_ADMIN"
    return 1
  fi
  if [ ! -w /dev/fuse ]; then
    aofs_say "aofs: /dev/fuse may not be opened by $(id -un); ask for it to be writable"
    return 1
  fi
}

case ${0##*/} in
  install-packages.sh) aofs_install_packages && aofs_find_swift && aofs_check_fuse ;;
esac
