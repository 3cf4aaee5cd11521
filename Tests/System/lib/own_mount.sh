#!/bin/sh
# What an ordinary user does with a mount of his own, in a folder that holds the command: own_mount.sh mount|end
set -eu
case $1 in
mount)
  mkdir mnt
  ./aofs mount --chunk-size 128KiB store mnt
  trap 'fusermount3 -uz mnt' EXIT
  echo one >>mnt/log; chmod 600 mnt/log; mkdir mnt/d; mv mnt/log mnt/d/log; echo two >>mnt/d/log
  rm mnt/d/log; rmdir mnt/d; ./aofs trash restore mnt d/log
  [ "$(cat mnt/d/log)" = "one
two" ]
  [ "$(stat -c '%u %a' mnt/d/log)" = "$(id -u) 600" ]
  echo checkpoint >mnt/.ctl/command; echo evict >mnt/.ctl/command; ./aofs verify --remote mnt
  if chown 0 mnt/d/log 2>/dev/null; then exit 9; fi
  if chmod 4755 mnt/d/log 2>/dev/null; then exit 10; fi
  trap - EXIT
  ;;
end)
  fusermount3 -u mnt
  [ "$(./aofs cat store:d/log)" = "one
two" ]
  ;;
esac
