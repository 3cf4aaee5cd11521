#!/usr/bin/env bash
# Programs that write logs, on a mount: what each of them wrote is compared byte for byte, at once and after a remount.
#
# usage: Tests/System/programs.sh [CASE…]
#
# Programs that are missing are installed as root (their services are not started); a case whose program is still missing
# says so. Programs that need more than a log must fail and leave what was there as it was.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

kept=$work/expected
own=$work/own
mkdir "$kept" "$own"
missing=()
source=$own/source
seq 1 20000 >"$source"

# The program of a package; false if there is none.
need() {
  command -v "$1" >/dev/null && return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    # In runlevel 1 no service is started.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1 ||
      { apt-get update -qq >/dev/null 2>&1 &&
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1; }
  fi
  command -v "$1" >/dev/null
}

# What is on standard input is in the file of the mount, now and after the remount.
expect() {
  mkdir -p "$kept/$(dirname "$1")"
  cat >"$kept/$1"
  cmp "$kept/$1" "$mnt/$1" || fail "$case: $1 holds $(head -c 200 "$mnt/$1")"
}

must() { "$@" >>"$own/$case.out" 2>&1 || fail "$case: '$*' failed with $?: $(tail -n 3 "$own/$case.out")"; }
must_not() { ! "$@" >>"$own/$case.out" 2>&1 || fail "$case: '$*' succeeded"; }
has() { grep -q -- "$1" "$2" 2>/dev/null; }
lines() { [ "$(wc -l <"$1" 2>/dev/null)" -eq "$2" ]; }

# --- plain files

case_shell() {
  must sh -c "echo one >>'$mnt/shell'; echo two >>'$mnt/shell'; echo new >'$mnt/shell.new'"
  must_not sh -c "echo lost >'$mnt/shell'"
  printf 'one\ntwo\n' | expect shell
  echo new | expect shell.new
}

case_tee() {
  must sh -c "echo one | tee -a '$mnt/tee'; echo two | tee -a '$mnt/tee'"
  printf 'one\ntwo\n' | expect tee
}

case_dd() {
  must dd if="$source" of="$mnt/dd" bs=4k oflag=append conv=notrunc,fsync
  must dd if="$source" of="$mnt/dd" bs=1000 oflag=append conv=notrunc
  cat "$source" "$source" | expect dd
}

case_cp() {
  must cp "$source" "$mnt/cp"
  must_not cp /etc/hostname "$mnt/cp"
  expect cp <"$source"
  must cp --remove-destination /etc/hostname "$mnt/cp"
  expect cp </etc/hostname
}

case_script() {
  must script -a -q -c 'echo first' "$mnt/script"
  must script -a -q -c 'echo second' "$mnt/script"
  has first "$mnt/script" && has second "$mnt/script" || fail "script: $(cat "$mnt/script")"
  expect script < <(cat "$mnt/script")
}

case_tar() {
  must tar -C "$own" -cf "$mnt/tar" source
  tar -C "$own" -cf - source | expect tar
  must_not tar -C "$own" -rf "$mnt/tar" source
  tar -C "$own" -cf - source | expect tar
  must tar -C "$work" -xf "$mnt/tar" -O source
}

case_rsync() {
  need rsync rsync || return 77
  head -n 5000 "$source" >"$own/part"
  must rsync "$own/part" "$mnt/rsync"
  must rsync --append "$source" "$mnt/rsync"
  expect rsync <"$source"
  # A temporary file, and a rename over the old one.
  must rsync "$own/part" "$mnt/rsync"
  expect rsync <"$own/part"
  must rsync -a --delete "$kept/" "$mnt/mirror/"
  must diff -r "$kept" "$mnt/mirror"
}

case_sed() {
  printf 'this and that\n' >"$mnt/sed"
  must sed -i 's/that/those/' "$mnt/sed"
  echo 'this and those' | expect sed
}

case_bash_history() {
  must env HISTFILE="$mnt/history" bash < <(printf '%s\n' 'set -o history' 'echo a' 'history -a' 'echo b' 'history -a')
  has 'echo a' "$mnt/history" && has 'echo b' "$mnt/history" || fail "history: $(cat "$mnt/history")"
  expect history < <(cat "$mnt/history")
}

case_parallel() {
  need parallel parallel || return 77
  must parallel --will-cite --joblog "$mnt/joblog" echo ::: 1 2 3
  must parallel --will-cite --joblog "+$mnt/joblog" echo ::: 4 5
  lines "$mnt/joblog" 6 || fail "parallel: $(cat "$mnt/joblog")"
  expect joblog < <(cat "$mnt/joblog")
}

case_git() {
  need git git || return 77
  local git=(git -C "$mnt/repository" -c user.name=a -c user.email=a@example.org)
  must git init -q "$mnt/repository"
  cp "$source" "$mnt/repository/file"
  must "${git[@]}" add file
  for round in 1 2 3; do must "${git[@]}" commit -q --allow-empty -m "$round"; done
  must "${git[@]}" fsck --strict
  [ "$("${git[@]}" reflog | wc -l)" -eq 3 ] || fail "git: the reflog has $("${git[@]}" reflog)"
  "${git[@]}" show HEAD:file | cmp - "$source" || fail "git: another file comes back"
}

case_python_logging() {
  must python3 - "$mnt" <<'PYTHON'
import logging, logging.handlers, os, sys
folder = sys.argv[1]
log = logging.getLogger()
watched = logging.handlers.WatchedFileHandler(folder + "/watched")
log.addHandler(watched)
log.warning("one")
os.rename(folder + "/watched", folder + "/watched.1")
log.warning("two")
log.removeHandler(watched)
log.addHandler(logging.handlers.RotatingFileHandler(folder + "/rotating", maxBytes=50, backupCount=2))
for index in range(20):
    log.warning("line %02d, and no more", index)
PYTHON
  echo one | expect watched.1
  echo two | expect watched
  # The last lines, in the files that are kept; those before them are in the trash.
  printf 'line %02d, and no more\n' 18 19 | expect rotating
  printf 'line %02d, and no more\n' 16 17 | expect rotating.1
  printf 'line %02d, and no more\n' 14 15 | expect rotating.2
  has rotating.2 <(printf 'trash\n' >"$mnt/.ctl/command" && cat "$mnt/.ctl/result") || fail "python_logging: nothing in the trash"
}

# --- databases that write anywhere

case_sqlite() {
  need sqlite3 sqlite3 || return 77
  must_not sqlite3 "$mnt/sqlite" 'create table t(a); insert into t values(1);'
  sqlite3 "$own/sqlite" 'create table t(a); insert into t values(1);'
  must cp "$own/sqlite" "$mnt/sqlite.copy"
  must_not sqlite3 "$mnt/sqlite.copy" 'insert into t values(2);'
  expect sqlite.copy <"$own/sqlite"
  [ "$(sqlite3 "file:$mnt/sqlite.copy?immutable=1" 'select a from t')" = 1 ] || fail "sqlite: the copy is not readable"
}

# --- daemons

redis_cli() { redis-cli -s "$own/redis.socket" "$@"; }
redis_answers() { [ "$(redis_cli ping 2>/dev/null)" = PONG ]; }
redis_rewrote() { redis_cli info persistence | tr -d '\r' | grep -q '^aof_rewrite_in_progress:0' && redis_cli info persistence | tr -d '\r' | grep -q '^aof_last_bgrewrite_status:ok'; }

redis_start() {
  start_client redis-server --port 0 --unixsocket "$own/redis.socket" --dir "$mnt/redis" --appendonly yes --appendfsync always --save ''
  await redis_answers || fail "redis does not answer"
}

redis_stop() {
  redis_cli shutdown nosave >/dev/null 2>&1
  end_clients redis
}

case_redis() {
  need redis-server redis-server && need redis-cli redis-tools || return 77
  mkdir "$mnt/redis"
  redis_start
  for index in $(seq 100); do redis_cli set "key$index" "$index"; done >/dev/null
  must redis_cli bgrewriteaof
  await redis_rewrote || fail "redis: the rewrite did not end"
  for index in $(seq 101 150); do redis_cli incr counter; done >/dev/null
  redis_stop
  redis_start
  [ "$(redis_cli get counter)" = 50 ] && [ "$(redis_cli get key77)" = 77 ] && [ "$(redis_cli dbsize)" = 101 ] ||
    fail "redis: $(redis_cli dbsize) keys came back"
  redis_stop
}

case_rsyslog() {
  need rsyslogd rsyslog && need logger bsdutils || return 77
  cat >"$own/rsyslog.conf" <<CONFIGURATION
module(load="imuxsock" SysSock.Name="$own/syslog" SysSock.RateLimit.Interval="0")
global(workDirectory="$own")
template(name="plain" type="string" string="%msg%\n")
action(type="omfile" file="$mnt/rsyslog" template="plain" sync="on")
CONFIGURATION
  start_client rsyslogd -n -f "$own/rsyslog.conf" -i "$own/rsyslog.pid"
  await test -S "$own/syslog" || fail "rsyslog does not answer"
  for index in $(seq 20); do logger -u "$own/syslog" "message $index"; done
  await has 'message 20$' "$mnt/rsyslog" || fail "rsyslog wrote $(cat "$mnt/rsyslog")"
  mv "$mnt/rsyslog" "$mnt/rsyslog.1"
  kill -HUP "${clients[0]}"
  await rsyslog_reopened || fail "rsyslog did not open a new log"
  kill "${clients[0]}"
  end_clients rsyslog
  # rsyslog has messages of its own between those.
  seq -f 'message %.0f' 1 20 | cmp - <(sed 's/^ //' "$mnt/rsyslog.1" | grep '^message [0-9]*$') || fail "rsyslog: $(cat "$mnt/rsyslog.1")"
  expect rsyslog.1 < <(cat "$mnt/rsyslog.1")
}
rsyslog_reopened() { logger -u "$own/syslog" again && has again "$mnt/rsyslog"; }

case_nginx() {
  need nginx nginx-light && need curl curl || return 77
  mkdir "$own/nginx"
  cat >"$own/nginx.conf" <<CONFIGURATION
pid $own/nginx/pid; error_log $mnt/nginx.error; worker_processes 1; daemon off; user root;
events {}
http {
  log_format plain '\$request_uri'; access_log $mnt/nginx.access plain;
  client_body_temp_path $own/nginx; proxy_temp_path $own/nginx; fastcgi_temp_path $own/nginx;
  uwsgi_temp_path $own/nginx; scgi_temp_path $own/nginx;
  server { listen unix:$own/nginx.socket; location / { return 204; } }
}
CONFIGURATION
  start_client nginx -c "$own/nginx.conf"
  await nginx_answers /begin || fail "nginx does not answer"
  for index in $(seq 50); do nginx_answers "/$index"; done
  await has '^/50$' "$mnt/nginx.access" || fail "nginx wrote $(cat "$mnt/nginx.access")"
  mv "$mnt/nginx.access" "$mnt/nginx.access.1"
  kill -USR1 "${clients[0]}"
  await test -e "$mnt/nginx.access" || fail "nginx did not open a new log"
  await nginx_reopened || fail "nginx does not use the new log"
  kill "${clients[0]}"
  end_clients nginx
  seq -f '/%.0f' 1 50 | cmp - <(grep '^/[0-9]*$' "$mnt/nginx.access.1") || fail "nginx: $(cat "$mnt/nginx.access.1")"
  expect nginx.access.1 < <(cat "$mnt/nginx.access.1")
}
nginx_answers() { curl -s -o /dev/null --unix-socket "$own/nginx.socket" "http://localhost$1"; }
nginx_reopened() { nginx_answers /again && has again "$mnt/nginx.access"; }

case_mosquitto() {
  need mosquitto mosquitto || return 77
  local port
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'listener %s 127.0.0.1\nallow_anonymous true\nlog_dest file %s\nuser root\n' "$port" "$mnt/mosquitto" >"$own/mosquitto.conf"
  start_client mosquitto -c "$own/mosquitto.conf"
  await has running "$mnt/mosquitto" || fail "mosquitto wrote $(cat "$mnt/mosquitto")"
  kill "${clients[0]}"
  end_clients mosquitto
  has terminating "$mnt/mosquitto" || fail "mosquitto wrote $(cat "$mnt/mosquitto")"
  expect mosquitto < <(cat "$mnt/mosquitto")
}

case_logrotate() {
  need logrotate logrotate || return 77
  local su="su $(id -un) $(id -gn)"
  printf '%s {\n rotate 2\n create\n %s\n}\n' "$mnt/rotated" "$su" >"$own/create.conf"
  printf '%s {\n rotate 2\n copytruncate\n %s\n}\n' "$mnt/truncated" "$su" >"$own/truncate.conf"
  for round in 1 2 3; do
    echo "round $round" >>"$mnt/rotated"
    must logrotate -f -s "$own/rotated.state" "$own/create.conf"
  done
  printf '' | expect rotated
  echo 'round 3' | expect rotated.1
  echo 'round 2' | expect rotated.2
  echo precious >>"$mnt/truncated"
  must_not logrotate -f -s "$own/truncated.state" "$own/truncate.conf"
  echo precious | expect truncated
}

# --- all of them

cases=("$@")
[ $# -gt 0 ] || cases=(shell tee dd cp script tar sed bash_history rsync parallel git python_logging sqlite redis rsyslog nginx mosquitto logrotate)
start_daemon --chunk-size 128KiB
for case in "${cases[@]}"; do
  "case_$case"
  case $? in
    0) echo "programs: $case" ;;
    *)
      echo "programs: $case: skipped: its program cannot be installed here"
      missing+=("$case")
      ;;
  esac
done
kill -0 "$daemon" || fail "the daemon died"
control checkpoint || fail "checkpoint: $answer"
control 'evict' || fail "evict: $answer"
stop_daemon
start_daemon
(cd "$kept" && find . -type f) | while read -r name; do cmp "$kept/$name" "$mnt/$name" || exit 1; done || fail "another content after a remount"
control 'verify remote=yes' || fail "verify: $answer"
stop_daemon
[ ${#missing[@]} -lt ${#cases[@]} ] || skip "no program could be installed"
echo "programs: $((${#cases[@]} - ${#missing[@]})) programs, ${#missing[@]} skipped"
