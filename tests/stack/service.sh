#!/usr/bin/env bash
# Starts, stops and probes one private Redis, RabbitMQ or PostgreSQL in a folder of its own, on loopback.
#   service.sh start|stop|kill|status redis|rabbitmq|postgres DIR PORT
#   service.sh ctl rabbitmq DIR PORT WORD...      (the broker's own rabbitmqctl)
# RabbitMQ also takes PORT+1 (distribution) and PORT+2 (epmd). `start` returns when the service answers and does nothing
# when it runs; `kill` is kill -9; `status` prints the pid, or exits 1. REDIS_EXTRA and POSTGRES_EXTRA add server options.
# DIR/users.acl and DIR/definitions.json, where they are, hold the users of Redis and RabbitMQ (`flashctl access`); the probe
# of Redis then logs in as REDIS_USER with REDISCLI_AUTH. DIR/tls with ca.pem, server.pem and server.key (PEM): RabbitMQ and
# PostgreSQL speak TLS and nothing else; with client_ca.pem too, RabbitMQ wants a certificate of its clients that it signed.
set -euo pipefail
usage() { sed -n '2,10p' "$0" >&2; exit 2; }
[ $# -ge 4 ] || usage
verb=$1 service=$2 dir=$3 port=$4
shift 4
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
home=$dir # the folder that the server works in

# A pid file may outlive its process and the number may be another's: ours is the one that works in our folder.
running_pid() {
  local pid
  pid=$(head -n 1 "$1" 2>/dev/null | tr -d ' ') && [ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$home" ] && printf '%s\n' "$pid"
}
wait_gone() { for _ in $(seq 600); do running_pid "$1" >/dev/null || return 0; sleep 0.1; done; return 1; }
kill_pid_file() {
  local pid
  if pid=$(running_pid "$1"); then kill -9 "$pid"; wait_gone "$1" || true; fi
}
# shellcheck source=tests/stack/ports.sh
. "$(dirname "${BASH_SOURCE[0]}")/ports.sh"
refuse_taken_port() {
  for p in "$@"; do
    if port_taken "$p"; then
      echo "port $p is taken by another program: stop it, or choose other ports with FLASHCLAIM_PORT_BASE=n" >&2
      exit 1
    fi
  done
}
failed_start() { # service, log...
  echo "$1 did not start; the end of ${*: -1}:" >&2
  tail -n 8 "${@:2}" >&2 || true
  exit 1
}

# --- Redis
redis_pid_file=$dir/redis.pid
redis_answers() { [ "$(redis-cli -p "$port" ${REDIS_USER:+--user "$REDIS_USER"} ping 2>/dev/null)" = PONG ]; }
redis_launch() {
  local users=()
  [ ! -e "$dir/users.acl" ] || users=(--aclfile "$dir/users.acl")
  # shellcheck disable=SC2086
  redis-server --port "$port" --bind 127.0.0.1 --dir "$dir" --daemonize yes --pidfile "$redis_pid_file" \
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

# --- RabbitMQ: the server itself, not Debian's wrapper (which wants the rabbitmq user or systemd). epmd, which would
# outlive the broker, is ours too, with a pid of its own. bypass_pem_cache: a certificate that was replaced is shown at once.
rabbitmq_pid_file=$dir/rabbitmq.pid
rabbit_env() {
  export HOME="$dir" RABBITMQ_NODENAME=flashclaim@localhost RABBITMQ_NODE_PORT="$port" RABBITMQ_DIST_PORT=$((port + 1)) \
    ERL_EPMD_PORT=$((port + 2)) ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_MNESIA_BASE="$dir/mnesia" RABBITMQ_LOG_BASE="$dir/log" \
    RABBITMQ_PID_FILE="$dir/server.pid" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins" \
    RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
    RABBITMQ_ALLOW_INPUT=1 RABBITMQ_SERVER_START_ARGS=-noinput \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none -ssl bypass_pem_cache true"
}
# The broker opens its port last; it is up when it answers the protocol header with a frame on channel 0.
rabbitmq_answers() {
  if [ -d "$dir/tls" ]; then rabbitmq_answers_in_tls; else rabbitmq_answers_plainly; fi
}
rabbitmq_answers_in_tls() { # a broker that wants our certificate has none here: that it asks is enough
  local client said
  exec 4< <(exec timeout 5 openssl s_client -quiet -verify_quiet -servername localhost -connect "127.0.0.1:$port" -CAfile "$dir/tls/ca.pem" 2>&1 < <(printf 'AMQP\0\0\11\1'))
  client=$!
  said=$(timeout 5 head -c 1 <&4 | od -An -tu1) || said=''
  [ "${said//[[:space:]]/}" = 1 ] || said=$(timeout 5 grep -a -o 'alert certificate required' <&4) || said=''
  exec 4<&-
  kill "$client" || true
  [ -n "$said" ]
} 2>/dev/null
rabbitmq_answers_plainly() {
  local frame
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'AMQP\0\0\11\1' >&3
  frame=$(timeout 5 head -c 1 <&3 | od -An -tu1) || frame=''
  exec 3>&-
  [ "${frame//[[:space:]]/}" = 1 ]
} 2>/dev/null
rabbitmq_listeners() {
  if [ ! -d tls ]; then echo "listeners.tcp.default = 127.0.0.1:$port"; return; fi
  cat <<CONF
listeners.tcp = none
listeners.ssl.default = 127.0.0.1:$port
ssl_options.certfile = $dir/tls/server.pem
ssl_options.keyfile = $dir/tls/server.key
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
CONF
  if [ -e tls/client_ca.pem ]; then
    printf 'ssl_options.%s\n' "cacertfile = $dir/tls/client_ca.pem" 'verify = verify_peer' 'fail_if_no_peer_cert = true'
  fi
}
rabbitmq_start() {
  rabbit_env
  cd "$dir"
  if ! running_pid epmd.pid >/dev/null; then
    refuse_taken_port $((port + 2))
    setsid epmd -port $((port + 2)) -address 127.0.0.1 </dev/null >epmd.log 2>&1 &
    echo $! >epmd.pid
  fi
  if ! running_pid "$rabbitmq_pid_file" >/dev/null; then
    refuse_taken_port "$port" $((port + 1))
    [ -f enabled_plugins ] || echo '[].' >enabled_plugins
    cat >rabbitmq.conf <<CONF
$(rabbitmq_listeners)
loopback_users.guest = true
disk_free_limit.absolute = 256MB
raft.wal_max_size_bytes = 64000000
vm_memory_high_watermark.absolute = 2GB
consumer_timeout = 1800000
CONF
    [ ! -e definitions.json ] || echo "load_definitions = $dir/definitions.json" >>rabbitmq.conf
    setsid /usr/lib/rabbitmq/bin/rabbitmq-server </dev/null >start.log 2>&1 &
    echo $! >"$rabbitmq_pid_file"
  fi
  for _ in $(seq 600); do
    rabbitmq_answers && return 0
    sleep 0.2
    running_pid "$rabbitmq_pid_file" >/dev/null || break
  done
  failed_start RabbitMQ "$dir/start.log"
}
rabbitmq_stop() {
  local pid
  if pid=$(running_pid "$rabbitmq_pid_file"); then
    kill "$pid" # the broker takes SIGTERM as `rabbitmqctl stop`
    wait_gone "$rabbitmq_pid_file" || kill -9 "$pid"
  fi
  kill_pid_file "$dir/epmd.pid"
}
rabbitmq_kill() { kill_pid_file "$rabbitmq_pid_file"; kill_pid_file "$dir/epmd.pid"; }

# --- PostgreSQL refuses root: as root it runs as the user postgres, who may pass folders that only root may enter.
postgres_pid_file=$dir/data/postmaster.pid
pg_bin=/usr/lib/postgresql/15/bin
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override -- "$@"
  else "$@"; fi
}
postgres_init() {
  rm -rf "$dir/data"
  touch "$dir/initdb.unfinished"
  (umask 077; head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$dir/password")
  [ "$(id -u)" != 0 ] || chown postgres "$dir" "$dir/password"
  (cd / && as_postgres "$pg_bin/initdb" -D "$dir/data" -U flashclaim -A scram-sha-256 --pwfile="$dir/password" -E UTF8 --locale=C.UTF-8) \
    >"$dir/initdb.log" 2>&1 || { echo "initdb failed:" >&2; tail -n 5 "$dir/initdb.log" >&2; exit 1; }
  rm -f "$dir/initdb.unfinished"
}
# After a kill -9, backends live on for a moment, and PostgreSQL takes a process that is dead but not reaped for a running
# server. Nothing works in the data folder any more: only then the old pid file, its guard, may go.
postgres_await_orphans() {
  local cwd orphan
  for _ in $(seq 300); do
    orphan=''
    for cwd in /proc/[0-9]*/cwd; do [ "$cwd" -ef "$dir/data" ] && orphan=$cwd; done
    [ -n "$orphan" ] || { rm -f "$postgres_pid_file"; return 0; }
    sleep 0.1
  done
}
# With TLS, its own list of who may come: the first one of initdb lets everybody in who knows a password, plainly too.
postgres_tls_options() {
  [ -d "$dir/tls" ] || return 0
  echo 'hostssl all all 127.0.0.1/32 scram-sha-256' >"$dir/tls/pg_hba.conf"
  printf ' -c %s' ssl=on ssl_min_protocol_version=TLSv1.2 "ssl_cert_file='$dir/tls/server.pem'" "ssl_key_file='$dir/tls/server.key'" \
    "hba_file='$dir/tls/pg_hba.conf'"
}
postgres_start() {
  home=$dir/data
  if running_pid "$postgres_pid_file" >/dev/null && "$pg_bin/pg_isready" -q -h 127.0.0.1 -p "$port"; then return 0; fi
  running_pid "$postgres_pid_file" >/dev/null || refuse_taken_port "$port"
  if [ ! -s "$dir/data/PG_VERSION" ] || [ -e "$dir/initdb.unfinished" ]; then postgres_init; fi
  if ! running_pid "$postgres_pid_file" >/dev/null; then postgres_await_orphans; fi
  # TCP only: the path of a Unix socket is bounded at 107 bytes and ours may be longer.
  (cd / && as_postgres "$pg_bin/pg_ctl" -D "$dir/data" -l "$dir/data/server.log" -w -t 600 -o \
    "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=100 -c shared_buffers=256MB \
     -c max_wal_size=2GB -c checkpoint_completion_target=0.9 -c fsync=on -c synchronous_commit=on$(postgres_tls_options) ${POSTGRES_EXTRA:-}" start) \
    </dev/null >"$dir/start.log" 2>&1 && return 0
  failed_start PostgreSQL "$dir/start.log" "$dir/data/server.log"
}
postgres_stop() {
  home=$dir/data
  running_pid "$postgres_pid_file" >/dev/null || return 0
  (cd / && as_postgres "$pg_bin/pg_ctl" -D "$dir/data" -m fast -w -t 60 stop) >/dev/null 2>&1 ||
    (cd / && as_postgres "$pg_bin/pg_ctl" -D "$dir/data" -m immediate -w stop) >/dev/null 2>&1 || true
}
postgres_kill() { home=$dir/data; kill_pid_file "$postgres_pid_file"; }

case $service in redis | rabbitmq | postgres) ;; *) usage ;; esac
case $verb in
  start | stop | kill) "${service}_$verb" ;;
  status)
    [ "$service" != postgres ] || home=$dir/data
    pid_file=${service}_pid_file
    running_pid "${!pid_file}" ;;
  ctl) rabbit_env; exec /usr/lib/rabbitmq/bin/rabbitmqctl "$@" ;;
  *) usage ;;
esac
