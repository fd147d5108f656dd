#!/usr/bin/env bash
# Waits until the test process (the writer of stdin) is gone, then kills the services in its folder and removes the folder, unless it
# holds a file `keep`.
set -u
folder=$1
here=$(cd "$(dirname "$0")" && pwd)
trap '' INT TERM HUP
cat >/dev/null
for dir in "$folder"/redis-* "$folder"/rabbitmq-* "$folder"/postgres-*; do
  [ -d "$dir" ] || continue
  name=${dir##*/}
  "$here/../stack/service.sh" kill "${name%-*}" "$dir" "${name##*-}" >/dev/null 2>&1
done
for dir in "$folder"/stack-*; do
  [ ! -d "$dir" ] || FLASHCLAIM_RUN=$dir "$here/../stack/stack.sh" down >/dev/null 2>&1
done
[ ! -e "$folder/keep" ] || exit 0
# A server that is being killed may still write: try until the folder is gone.
for _ in $(seq 100); do
  rm -rf "$folder" 2>/dev/null
  [ -e "$folder" ] || break
  sleep 0.1
done
rmdir "${folder%/*}" 2>/dev/null
exit 0
