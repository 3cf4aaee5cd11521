#!/usr/bin/env bash
# The unit under a real systemd, which is the first process of a PID name space of its own: started, killed, restarted over
# the dead mount, stopped; and not tried again where that changes nothing.
#
# usage: Tests/System/systemd.sh
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib/mount.bash"

[ "$(id -u)" -eq 0 ] || skip "only root may start a systemd"
for systemd in /usr/lib/systemd/systemd /lib/systemd/systemd none; do [ -x "$systemd" ] && break; done
[ "$systemd" != none ] || skip "there is no systemd"

hierarchy=/sys/fs/cgroup
[ ! -d $hierarchy/systemd ] || hierarchy=$hierarchy/systemd
group=$hierarchy/aofs-test-$$
mkdir "$group" 2>/dev/null || skip "no control group can be made in $hierarchy"

end_systemd() {
  [ -z "${boot:-}" ] || { kill -KILL "$boot" 2>/dev/null; wait "$boot" 2>/dev/null; }
  # Its processes are gone with it, and its groups once the kernel has noticed.
  await rmdir_groups || echo "systemd: $group is left" >&2
}
rmdir_groups() { [ ! -d "$group" ] || { find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && [ ! -d "$group" ]; }; }
at_end+=(end_systemd)

# --- the units: the one that is shipped, and what a machine has around it

units=$work/units
mkdir -p "$units/aofs@.service.d"
cp "$top/mount-scripts/aofs@.service" "$units/"
for target in test sysinit basic shutdown umount local-fs network-online nss-lookup multi-user; do
  printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' "$target" >"$units/$target.target"
done
cat >"$units/aofs@.service.d/test.conf" <<END
[Service]
EnvironmentFile=
EnvironmentFile=$work/%i.conf
Environment=PATH=$(dirname "$aofs"):/usr/sbin:/usr/bin:/sbin:/bin
RestartSec=100ms
# Not every machine lets a test have these.
OOMScoreAdjust=0
LimitNOFILE=1024
END
printf 'STORE=%s\nMOUNTPOINT=%s\nOPTIONS=chunk_size=256KiB\n' "$store" "$mnt" >"$work/web.conf"
printf 'STORE=%s\nMOUNTPOINT=%s\nOPTIONS=chunk_size=3\n' "$work/other" "$mnt" >"$work/wrong.conf"

# --- starting it

(
  echo "$BASHPID" >"$group/cgroup.procs"
  exec unshare --pid --fork --kill-child=KILL --mount --mount-proc --propagation private --uts --ipc \
    sh "$system/lib/systemd_boot.sh" "$systemd" "$units"
) >"$work/daemon.log" 2>&1 &
boot=$!
first_process() { init=$(cat "/proc/$boot/task/$boot/children" 2>/dev/null); init=${init%% *}; [ -n "$init" ]; }
inside() { nsenter -t "$init" --pid --mount --uts --ipc -- "$@"; }
ctl() { inside systemctl --no-pager "$@"; }
runs_or_ended() { ! kill -0 "$boot" 2>/dev/null || { first_process && ctl is-active --quiet test.target 2>/dev/null; }; }
await runs_or_ended
kill -0 "$boot" 2>/dev/null && ctl is-active --quiet test.target || skip "systemd does not start here: $(tail -n 3 "$work/daemon.log")"

value() { ctl show --value --property "$2" "$1"; }
expect() { [ "$2" = "$3" ] || fail "$1: '$2' instead of '$3': $(ctl status "aofs@*" 2>&1 | tail -n 5)"; }

# --- the life of a mount

ctl start aofs@web || fail "systemctl start failed"
# It is ready when the mount answers, not before.
expect "the mount" "$(inside stat -f -c %T "$mnt")" fuseblk
inside sh -c "echo one >>'$mnt/log' && sync '$mnt/log'" || fail "appending"
expect "the state" "$(value aofs@web ActiveState)/$(value aofs@web SubState)" active/running

killed=$(value aofs@web MainPID)
inside kill -KILL "$killed" || fail "killing the daemon"
is_restarted() { [ "$(value aofs@web NRestarts)" = 1 ] && [ "$(value aofs@web ActiveState)" = active ]; }
await is_restarted || fail "it was not restarted: $(ctl status aofs@web)"
[ "$(value aofs@web MainPID)" != "$killed" ] || fail "the dead process counts as the daemon"
expect "the log" "$(inside cat "$mnt/log")" one
expect "mounts on the place" "$(inside grep -cF " $mnt " /proc/self/mountinfo)" 1
inside sh -c "echo two >>'$mnt/log'" || fail "appending after the restart"

ctl stop aofs@web || fail "systemctl stop failed"
expect "the end" "$(value aofs@web ActiveState)/$(value aofs@web Result)" inactive/success
expect "mounts after the stop" "$(inside grep -cF " $mnt " /proc/self/mountinfo)" 0
expect "the store" "$("$aofs" cat "$store:log")" "one
two"

# What is given wrongly is wrong the next time, too.
! ctl start aofs@wrong 2>/dev/null || fail "a wrong chunk size was taken"
expect "a wrong chunk size" "$(value aofs@wrong ActiveState)/$(value aofs@wrong NRestarts)/$(value aofs@wrong ExecMainStatus)" failed/0/64
echo "systemd: started, killed, restarted, stopped"
