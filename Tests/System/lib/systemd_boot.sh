#!/bin/sh
# The first process of a PID name space of its own becomes a systemd that knows the units of one folder alone:
# systemd_boot.sh SYSTEMD UNITS
set -eu
# What systemd would change for the whole machine stays as it is.
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
# Its own sockets and state, and none of the machine's settings.
mount -t tmpfs tmpfs /run
[ ! -d /etc/systemd ] || mount -t tmpfs tmpfs /etc/systemd
exec env -i container=aofs-test SYSTEMD_UNIT_PATH="$2" SYSTEMD_GENERATOR_PATH=/nonexistent \
  "$1" --system --unit=test.target --log-target=console --show-status=no
