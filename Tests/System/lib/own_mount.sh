#!/bin/sh
# What an ordinary user does with a mount of his own, in a folder that holds the command and owner_rows.py:
# own_mount.sh mount|end
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
  mkdir mnt/own; python3 -B owner_rows.py mnt/own aofs; rmdir mnt/own
  [ "$(stat -c '%u %a' mnt/.ctl mnt/.ctl/command | tr '\n' ' ')" = "$(id -u) 700 $(id -u) 600 " ]
  trap - EXIT
  ;;
end)
  fusermount3 -u mnt
  [ "$(./aofs cat store:d/log)" = "one
two" ]
  ;;
esac
