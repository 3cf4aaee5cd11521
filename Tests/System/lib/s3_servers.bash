# Servers that speak S3, for suites that need one. Sourced after mount.bash.
# shellcheck shell=bash
#
# Defines: start_rgw [OSDS], start_moto, which set $endpoint and the keys or return 1 with $reason; start_proxy, which sets
# $proxied and $admin; make_bucket, free_ports, stop_servers, which also runs at the end of the suite.

ceph=
moto=
proxy=

stop_servers() {
  [ -z "$ceph" ] || bash "$system/lib/ceph_rgw.sh" stop "$ceph"
  for process in $moto $proxy; do kill "$process" 2>/dev/null; done
  # The proxy and moto are of this shell; Ceph's daemons are gone already.
  wait $moto $proxy 2>/dev/null
  ceph='' moto='' proxy=''
}
trap 'status=$?; stop_servers; (exit $status); cleanup' EXIT

# A run of free ports, whose first one is printed.
free_ports() {
  python3 - "$1" <<'P'
import random, socket, sys
count = int(sys.argv[1])
while True:
    first = random.randrange(11000, 11900)
    sockets = []
    try:
        for port in range(first, first + count):
            sockets.append(socket.socket())
            sockets[-1].bind(("127.0.0.1", port))
    except OSError:
        continue
    print(first)
    break
P
}

use_keys() {
  export AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2 AWS_EC2_METADATA_DISABLED=true
  unset AWS_SESSION_TOKEN AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION
}

make_bucket() {
  local status
  status=$(curl -sSk -o "$work/bucket.log" -w '%{http_code}' -X PUT --aws-sigv4 aws:amz:us-east-1:s3 \
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
    -H 'x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' "$endpoint/$1")
  [ "$status" = 200 ] || fail "the bucket $1 was not created: $status $(cat "$work/bucket.log")"
}

# --- servers; each sets $endpoint and the keys, or returns 1 with $reason

start_rgw() {
  if ! command -v radosgw ceph-mon ceph-osd >/dev/null; then
    reason="radosgw is not installed, and only root may install it"
    [ "$(id -u)" -eq 0 ] || return 1
    reason="apt-get could not install radosgw"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      radosgw ceph-mon ceph-osd ceph-common curl >"$work/apt.log" 2>&1 || return 1
  fi
  local port
  port=$(free_ports 3)
  ceph=$work/ceph
  bash "$system/lib/ceph_rgw.sh" start "$ceph" "$port" "${1:-1}" || fail "Ceph did not start: $(tail -n 5 "$ceph/log/out")"
  endpoint=http://127.0.0.1:$port
  use_keys "$(sed -n 1p "$ceph/keys")" "$(sed -n 2p "$ceph/keys")"
}

# start_moto [CERTIFICATE KEY]: with a certificate, of the name localhost, it speaks TLS.
start_moto() {
  local python=python3 port tls=()
  [ $# -eq 0 ] || tls=(-s -c "$1" -k "$2")
  if ! python3 -c 'import moto.server, flask' 2>/dev/null; then
    reason="moto cannot be installed from PyPI"
    python3 -m venv "$work/venv" >"$work/pip.log" 2>&1 &&
      "$work/venv/bin/pip" -q install 'moto[server]==5.2.5' >>"$work/pip.log" 2>&1 || return 1
    python=$work/venv/bin/python
  fi
  port=$(free_ports 1)
  "$python" -m moto.server -H 127.0.0.1 -p "$port" "${tls[@]}" >"$work/moto.log" 2>&1 &
  moto=$!
  endpoint=http://127.0.0.1:$port
  [ $# -eq 0 ] || endpoint=https://localhost:$port
  await curl -sk -o /dev/null "$endpoint/moto-api/" || fail "moto does not answer"
  use_keys test-key test-secret-that-nothing-else-says
}

start_proxy() {
  local port
  port=$(free_ports 2)
  python3 "$system/lib/s3_fault_proxy.py" "$port" "${endpoint##*:}" "$((port + 1))" >"$work/proxy.log" 2>&1 &
  proxy=$!
  proxied=http://127.0.0.1:$port
  admin=http://127.0.0.1:$((port + 1))
  await curl -s -o /dev/null "$admin/" || fail "the proxy does not answer"
}

# A certificate of localhost at $1.crt and $1.key, of an authority at $1-ca.crt.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=authority of the ${1##*/}" \
    -keyout "$1-ca.key" -out "$1-ca.crt" &&
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout "$1.key" -out "$1.csr" &&
    openssl x509 -req -in "$1.csr" -CA "$1-ca.crt" -CAkey "$1-ca.key" -CAcreateserial -days 2 -out "$1.crt" \
      -extfile <(echo 'subjectAltName=DNS:localhost')
}
