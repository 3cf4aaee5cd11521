#!/bin/bash
# The main job of aofs, on this machine's own text: append, follow, read at any offset, seal, checkpoint, evict, read
# back from the remote. Shows each command as one would type it, and checks what it did; ends with the first mismatch.
#
#   mount-scripts/demo.sh
#
# Needs a Swift 6 toolchain and /dev/fuse. Everything lies in a temporary directory, which is removed at the end.
# AOFS=/path/to/aofs uses that command instead of building one.
set -u -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/install-packages.sh"

chunk=131072          # 128 KiB, the smallest chunk
wanted=$((8 << 20))   # at least this much text
most=$((32 << 20))    # and no more than this, so that the demo stays short

work= mounted= follower=
cleanup() {
  local code=$?
  trap - EXIT INT TERM HUP
  [ -z "$follower" ] || kill "$follower" 2>/dev/null
  if [ -n "$mounted" ]; then
    cd / || exit 1
    "$here/aofs-unmount" "$work/mnt" >/dev/null 2>&1 || "$here/aofs-unmount" --force "$work/mnt"
  fi
  # Never remove through a mount that is still there.
  if [ -n "$work" ] && ! grep -q " $work/mnt " /proc/self/mountinfo; then rm -rf "$work"; fi
  exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
  printf '\nFAILED: %s\n' "$*" >&2
  exit 1
}

title() { printf '\n== %s\n' "$*"; }

# Shows a command as it is typed, then does it; its time is left in $took, in milliseconds.
run() {
  printf '$ %s\n' "$1"
  local begin=${EPOCHREALTIME/[.,]/}
  eval "$1" || fail "the command above ended with $?"
  took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
}

good() { printf '  ok: %s\n' "$*"; }

account=()
note() { account+=("$(printf '%-44s %12s %8s' "$1" "$2" "$3")"); }

rate() { # bytes milliseconds
  printf '%d.%d MiB/s' $(($1 * 1000 / ($2 + 1) >> 20)) $((($1 * 10000 / ($2 + 1) >> 20) % 10))
}

# The number in a line of a log's status: status_of 'tail LSN'
status_of() { sed -n "s/^$1  *\([0-9][0-9]*\).*/\1/p" "$log_control/status"; }

# --- what is needed -------------------------------------------------------------------------------------------------

aofs_check_fuse || exit 1
aofs_install_packages || exit 1
if [ -z "${AOFS:-}" ]; then
  aofs_find_swift || exit 1
  title "building aofs (the first time takes some minutes)"
  run "swift build --package-path $here/.. -c release --product aofs"
  AOFS=$(swift build --package-path "$here/.." -c release --show-bin-path)/aofs
fi
[ -x "$AOFS" ] || fail "there is no command at $AOFS"
mkdir -p "${TMPDIR:-/tmp}" && work=$(mktemp -d "${TMPDIR:-/tmp}/aofs-demo.XXXXXX") || exit 1
work=$(cd "$work" && pwd -P)
mkdir "$work/bin" "$work/mnt"
ln -s "$(readlink -f "$AOFS")" "$work/bin/aofs"
PATH=$work/bin:$PATH
source=$work/source.txt
store=$work/store
mnt=$work/mnt

# --- the machine's own text -----------------------------------------------------------------------------------------

title "collecting this machine's own text"
# Plain files first; what is compressed only if they are too few.
plain() {
  find /var/log -xdev -maxdepth 2 -type f \( -name '*.log' -o -name syslog -o -name messages \) -size +0 -readable -print0
  find /usr/share/doc -xdev -type f -size +0 -readable ! -name '*.gz' ! -name '*.png' ! -name '*.pdf' ! -name '*.svg' \
    ! -name '*.jpg' ! -name '*.gif' ! -name '*.xz' ! -name '*.zip' -print0
}
packed() { find /usr/share/doc /usr/share/man /usr/share/info -xdev -type f -name '*.gz' -readable -print0; }
spare() { find /usr/include /usr/share/perl /usr/lib/python3 -xdev -type f \( -name '*.h' -o -name '*.p[lm]' -o -name '*.py' \) -readable -print0; }
size() { stat -c %s "$source"; }

: >"$source"
plain 2>/dev/null | LC_ALL=C sort -z | xargs -0r cat 2>/dev/null | head -c $most >>"$source"
[ "$(size)" -ge $wanted ] || packed 2>/dev/null | LC_ALL=C sort -z | xargs -0r zcat 2>/dev/null | head -c $most >>"$source"
[ "$(size)" -ge $wanted ] || spare 2>/dev/null | LC_ALL=C sort -z | xargs -0r cat 2>/dev/null | head -c $most >>"$source"
[ "$(size)" -ge $wanted ] || fail "this machine has only $(size) bytes of text, and the demo wants $wanted"
[ -z "$(tail -c 1 "$source" | tr -d '\n')" ] || echo >>"$source"
good "$(size) bytes of logs and documents, $(wc -l <"$source") lines"

# --- the walk -------------------------------------------------------------------------------------------------------

title "mount a new store, with a directory as its remote"
mounted=yes
run "aofs mount $store $mnt --chunk-size 128KiB"
mountpoint -q "$mnt" || fail "$mnt is no mount point"
note "mount of a new store" "" "$took ms"
log=$mnt/system.log
log_control=$mnt/.ctl/logs/system.log
remote=$store/remote

title "append"
run "cat $source >> $log"
bytes=$(size)
[ "$(stat -c %s "$log")" -eq "$bytes" ] || fail "the log has $(stat -c %s "$log") bytes, not $bytes"
note "cat >> log" "$bytes B" "$took ms"
good "the log has $bytes bytes, $(rate "$bytes" "$took"), $((bytes / chunk + 1)) chunks of 128 KiB"
run "cmp $source $log"
note "read it all, from the local disk" "$bytes B" "$took ms"
good "it reads as it was written"

title "follow it while it grows"
printf '$ tail -n 0 -f %s &\n' "$log"
tail -n 0 -f "$log" >"$work/followed" &
follower=$!
# tail has to be at the end of the log before more comes: its descriptor tells where it stands.
for _ in $(seq 100); do
  grep -qs "^pos:[[:space:]]*$bytes\$" /proc/$follower/fdinfo/* && break
  sleep 0.1
done
for line in 1 2 3; do
  text="line $line, appended at $(date +%T)"
  run "echo '$text' >> $log"
  echo "$text" >>"$source"
  for _ in $(seq 100); do
    [ "$(wc -l <"$work/followed")" -ge $line ] && break
    sleep 0.1
  done
  [ "$(tail -n 1 "$work/followed")" = "$text" ] || fail "tail -f did not show: $text"
done
kill "$follower" && wait "$follower" 2>/dev/null
follower=
cmp "$work/followed" <(tail -n 3 "$source") || fail "tail -f showed other lines than were appended"
good "tail -f showed each of the 3 lines while the log grew"

# Both sides read the same bytes one by one, so that every offset is asked for.
edge() { # offset count
  run "dd if=$log bs=1 skip=$1 count=$2 status=none | cmp - <(dd if=$source bs=1 skip=$1 count=$2 status=none)"
}
title "read at any offset: an LSN is a file offset"
edge $((chunk - 10)) 20
edge $((7 * chunk - 1)) 2
edge $((bytes - 33)) 66
good "the bytes at chunk edges and at the end are those of the source"

title "seal: everything up to the tail becomes immutable"
run "echo seal > $mnt/.ctl/command"
bytes=$(size)
[ "$(status_of 'sealed LSN')" = "$bytes" ] || fail "sealed up to '$(status_of 'sealed LSN')', not $bytes"
note "seal" "" "$took ms"
good "sealed up to LSN $bytes"

title "checkpoint: upload, and publish"
run "echo checkpoint > $mnt/.ctl/command"
[ "$(status_of 'remote LSN')" = "$bytes" ] || fail "on the remote up to '$(status_of 'remote LSN')', not $bytes"
packed_bytes=$(aofs objects "$log" | tr '\n' '\0' | xargs -0r stat -c %s | awk '{ sum += $1 } END { print sum + 0 }')
[ "$packed_bytes" -gt 0 ] || fail "aofs objects lists nothing"
note "checkpoint" "$packed_bytes B" "$took ms"
good "the remote holds all $bytes bytes in $packed_bytes, in $(aofs objects "$log" | wc -l) objects"

title "evict: give the local disk back"
before=$(status_of local)
run "echo 'evict system.log' > $mnt/.ctl/command"
after=$(status_of local)
[ "$after" -lt "$before" ] || fail "the log took $before bytes of the local disk, and still takes $after"
[ "$after" -le $(((3 << 20) + chunk)) ] || fail "$after bytes are left on the local disk"
note "evict" "-$((before - after)) B" "$took ms"
good "from $before to $after bytes on the local disk (the end of a mounted log stays)"

title "read cold: just what is needed comes back"
edge $((2 * chunk - 100)) 200
fetched=$(($(status_of local) - after))
[ "$fetched" -gt 0 ] || fail "nothing was brought back, so the read was not cold"
[ "$fetched" -le $((4 * chunk)) ] || fail "$fetched bytes were brought back for 200"
note "cold dd over a chunk edge" "$fetched B" "$took ms"
good "$fetched bytes came back for it, of $bytes"
run "cmp $source $log"
note "read it all, the rest from the remote" "$bytes B" "$took ms"
good "the whole log is what was written, $(rate "$bytes" "$took")"

title "unmount, mount again"
run "$here/aofs-unmount $mnt"
mounted=
note "unmount" "" "$took ms"
run "aofs verify $store --remote"
good "every frame and every object matches its checksum"
mounted=yes
run "aofs mount $store $mnt"
note "mount again" "" "$took ms"
run "cmp $source $log"
good "the log is as it was"

title "nobody is locked in: the remote's objects are plain zstd"
run "aofs objects $log | xargs -d '\\n' zstd -dcq | cmp - $source"
good "zstd gives the log back without aofs"

run "$here/aofs-unmount $mnt"
mounted=

title "account"
printf '%-44s %12s %8s\n' "step" "bytes" "time"
printf '%s\n' "${account[@]}"
printf '%-44s %12s\n' "compressed to" "$((packed_bytes * 100 / bytes)) %"
printf '\nAll checks passed.\n'
