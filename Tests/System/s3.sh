#!/usr/bin/env bash
# §read-cold, §read-unreachable: buckets of real servers as remotes. For each server the suite that every remote must
# pass, then a store on a mount that loses its daemon and its directory and comes back from the bucket alone, then every
# fault of a proxy in front of the server in every kind of request.
#
# usage: Tests/System/s3.sh [SERVER…]     (default: rgw moto)
#   rgw    Ceph's gateway, from the distribution's packages: the whole
#   moto   the suite and the store; then, with TLS, a private authority, and credentials of roles and programs; from PyPI, into
#          a folder of its own
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"
. "$(dirname "$0")/lib/s3_servers.bash"

servers=("$@")
[ $# -gt 0 ] || servers=(rgw moto)
missing=()

# --- what is run

run_suite() {
  local products filter=ServerTests
  products=$(dirname "$aofs")
  AOFS_S3_REMOTE="s3://suite/unit?endpoint=$endpoint&region=us-east-1" \
    "$products/aofsPackageTests.xctest" --testing-library swift-testing --filter "$filter" >"$work/suite.log" 2>&1 ||
    fail "$1: the suite of remotes: $(grep -E 'recorded an issue|rror' "$work/suite.log" | head -n 5)"
  grep -qE 'Test run with [1-9][0-9]* tests? .*passed' "$work/suite.log" || fail "$1: the suite of remotes did not run"
}

export AOFS_BINARY=$aofs
for server in "${servers[@]}"; do
  reason="there is no server '$server'"
  if ! "start_$server"; then
    echo "s3: $server is left out: $reason"
    missing+=("$server")
    continue
  fi
  make_bucket suite
  make_bucket logs
  run_suite "$server"
  python3 "$system/s3.py" store "$work/$server" "$endpoint" || fail "$server: see above"
  if [ "$server" = rgw ]; then
    python3 "$system/s3.py" large "$work/$server" "$endpoint" || fail "$server: see above"
    start_proxy
    python3 "$system/s3.py" faults "$work/$server" "$proxied" "$admin" || fail "$server: see above"
    python3 "$system/s3.py" stalled "$work/$server" "$proxied" "$admin" || fail "$server: see above"
  fi
  echo "s3: $server passed"
  stop_servers
  if [ "$server" = moto ]; then
    command -v openssl >/dev/null || { missing+=("TLS: openssl is not installed"); continue; }
    for name in server stranger; do
      make_certificate "$work/$name" >"$work/openssl.log" 2>&1 || fail "openssl: $(tail -n 3 "$work/openssl.log")"
    done
    start_moto "$work/server.crt" "$work/server.key" || fail "moto with TLS: $reason"
    make_bucket logs
    python3 "$system/s3.py" secure "$work/secure" "$endpoint" "$work" || fail "$server: see above"
    stop_servers
  fi
done
[ ${#missing[@]} -eq 0 ] || skip "without ${missing[*]}"
