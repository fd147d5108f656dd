#!/usr/bin/env bash
# Starts, stops and probes one private Redis, RabbitMQ or PostgreSQL in a folder of its own, on loopback.
#   service.sh start|stop|kill|status redis|rabbitmq|postgres DIR PORT
#   service.sh ctl rabbitmq DIR PORT WORD...      (the broker's own rabbitmqctl)
#   service.sh password postgres DIR PORT         (a new one for the superuser of a server that does not run)
# RabbitMQ also takes PORT+1 (distribution) and PORT+2 (epmd). `start` returns when the service answers and does nothing
# when it runs; `kill` is kill -9; `status` prints the pid, or exits 1. REDIS_EXTRA and POSTGRES_EXTRA add server options.
# DIR/users.acl and DIR/definitions.json, where they are, hold the users of Redis and RabbitMQ (`flashctl access`); the probe
# of Redis then logs in as REDIS_USER with REDISCLI_AUTH. DIR/tls with ca.pem, server.pem and server.key (PEM): the service
# speaks TLS and nothing else; with client_ca.pem too, Redis and RabbitMQ want a certificate of their clients that it signed.
# Nobody else may read what is in DIR, and no server gets a secret of our environment. Nothing here removes data.
set -euo pipefail
umask 077
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage() { sed -n '2,12p' "$0" >&2; exit 2; }
[ $# -ge 4 ] || usage
verb=$1 service=$2 dir=$3 port=$4
shift 4
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
home=$dir # the folder that the server works in
redis_password=${REDISCLI_AUTH:-}
# shellcheck source=tests/stack/files.sh
. "$here/files.sh"
forget_secrets

# A pid file may outlive its process and the number may be another's: ours is the one that works in our folder.
running_pid() {
  local pid
  [ -f "$1" ] && pid=$(head -n 1 "$1" 2>/dev/null | tr -d ' ') && [ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$home" ] && printf '%s\n' "$pid"
}
wait_gone() { for _ in $(seq 600); do running_pid "$1" >/dev/null || return 0; sleep 0.1; done; return 1; }
kill_pid_file() {
  local pid
  if pid=$(running_pid "$1"); then kill -9 "$pid"; wait_gone "$1" || true; fi
}
# shellcheck source=tests/stack/ports.sh
. "$here/ports.sh"
refuse_taken_port() {
  for p in "$@"; do
    if port_taken "$p"; then
      echo "port $p is taken by another program: stop it, or choose other ports with FLASHCLAIM_PORT_BASE=n" >&2
      exit 1
    fi
  done
}
need_content() { # file: one that is there is not empty. Without users a server would let everybody in, or nobody
  if [ -e "$1" ] && [ ! -s "$1" ]; then
    echo "$1 is empty (a power cut?): make up writes it anew; or print it with flashctl access" >&2
    exit 1
  fi
}
failed_start() { # service, log...
  echo "$1 did not start; the end of ${*: -1}:" >&2
  tail -n 8 "${@:2}" >&2 || true
  exit 1
}

# --- Redis
redis_pid_file=$dir/redis.pid
redis_say() { # word...: as the probe's user
  local tls=()
  [ ! -d "$dir/tls" ] || tls=(--tls --cacert "$dir/tls/ca.pem")
  REDISCLI_AUTH=$redis_password redis-cli -p "$port" "${tls[@]}" ${REDIS_USER:+--user "$REDIS_USER"} "$@" 2>/dev/null
}
redis_answers() { # one that wants our certificate has none here: that it listens is enough
  if [ -e "$dir/tls/client_ca.pem" ]; then port_taken "$port"; else [ "$(redis_say ping)" = PONG ]; fi
}
redis_listener() { # its options, one a line
  local pem=$dir/tls
  if [ ! -d "$pem" ]; then printf '%s\n' --port "$port"; return; fi
  printf '%s\n' --port 0 --tls-port "$port" --tls-cert-file "$pem/server.pem" --tls-key-file "$pem/server.key" --tls-protocols 'TLSv1.2 TLSv1.3'
  if [ -e "$pem/client_ca.pem" ]; then printf '%s\n' --tls-ca-cert-file "$pem/client_ca.pem" --tls-auth-clients yes
  else printf '%s\n' --tls-ca-cert-file "$pem/ca.pem" --tls-auth-clients no; fi
}
redis_launch() {
  local users=() listener=()
  mapfile -t listener < <(redis_listener)
  need_content "$dir/users.acl"
  [ ! -e "$dir/users.acl" ] || users=(--aclfile "$dir/users.acl")
  # shellcheck disable=SC2086
  redis-server "${listener[@]}" --bind 127.0.0.1 --dir "$dir" --daemonize yes --pidfile "$redis_pid_file" \
    --logfile "$dir/redis.log" --appendonly yes --appendfsync always --aof-load-truncated no --maxmemory-policy noeviction \
    --save '' --auto-aof-rewrite-min-size 512mb --no-appendfsync-on-rewrite no "${users[@]}" ${REDIS_EXTRA:-} >"$dir/start.log" 2>&1 ||
    failed_start Redis "$dir/start.log"
}
# Killed in the middle of a write, Redis leaves a torn tail. With aof-load-truncated yes it cuts that off inside the transaction (7.0; a
# MULTI without its EXEC stays) and the next restart applies what nobody was told. redis-check-aof cuts before the MULTI.
redis_tail_is_torn() { tail -n 4 "$dir/redis.log" | grep -q 'Unexpected end of file reading the append only file'; }
redis_mend_tail() { redis-check-aof --fix "$dir/appendonlydir/appendonly.aof.manifest" <<<y >"$dir/check-aof.log" 2>&1; }
redis_start() { # one that was killed just now may still be going: it is not ours to wait for
  local launched='' mended=''
  for _ in $(seq 1200); do
    if running_pid "$redis_pid_file" >/dev/null; then
      redis_answers && return 0
    elif [ -z "$launched" ]; then
      refuse_taken_port "$port"
      redis_launch
      launched=yes
    elif [ -z "$mended" ] && redis_tail_is_torn; then
      mended=yes
      redis_mend_tail || failed_start Redis "$dir/check-aof.log"
      refuse_taken_port "$port" # the one that found the torn tail may still be going
      redis_launch
    fi
    sleep 0.05
  done
  failed_start Redis "$dir/redis.log"
}
redis_stop() {
  local pid
  pid=$(running_pid "$redis_pid_file") || return 0
  kill "$pid"
  wait_gone "$redis_pid_file" || kill -9 "$pid"
}
redis_kill() { kill_pid_file "$redis_pid_file"; }

# shellcheck source=tests/stack/rabbitmq.sh
. "$here/rabbitmq.sh"
# shellcheck source=tests/stack/postgres.sh
. "$here/postgres.sh"

case $service in redis | rabbitmq | postgres) ;; *) usage ;; esac
case $verb in
  start | stop | kill) "${service}_$verb" ;;
  password) [ "$service" = postgres ] || usage; postgres_password ;;
  status)
    [ "$service" != postgres ] || home=$dir/data
    pid_file=${service}_pid_file
    running_pid "${!pid_file}" ;;
  ctl)
    [ -s "$dir/.erlang.cookie" ] || { echo "$dir/.erlang.cookie is missing or empty (a power cut?): make down, and make up writes it anew" >&2; exit 1; }
    rabbit_env
    exec /usr/lib/rabbitmq/bin/rabbitmqctl "$@" ;;
  *) usage ;;
esac
