# shellcheck shell=bash
# Sourced by service.sh and stack.sh: whether a port of loopback belongs to another program.
# For more than 5 s: a thread of a killed server that waits for the disk keeps its ports open after the pid has left our folder.
port_taken() {
  for _ in $(seq 50); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || return 1
    sleep 0.1
  done
}
