#!/usr/bin/env bash
# Starts, stops and probes one private Redis, RabbitMQ or PostgreSQL in a folder of its own, on loopback.
#   service.sh start|stop|kill|status redis|rabbitmq|postgres DIR PORT
# RabbitMQ also takes PORT+1 (distribution) and PORT+2 (epmd). `start` is idempotent and returns when the service answers.
set -euo pipefail
usage() { sed -n '2,4p' "$0" >&2; exit 2; }
[ $# -eq 4 ] || usage
verb=$1 service=$2 dir=$3 port=$4
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

alive() { [ -s "$1" ] && kill -0 "$(head -n1 "$1" | tr -d ' ')" 2>/dev/null; }
wait_gone() { for _ in $(seq 300); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done; return 1; }
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
refuse_taken_port() {
  for p in "$@"; do
    if port_taken "$p"; then
      echo "port $p is taken by another program: stop it, or choose other ports with FLASHCLAIM_PORT_BASE=n" >&2
      exit 1
    fi
  done
}

# --- Redis
redis_start() {
  alive "$dir/redis.pid" && redis-cli -p "$port" ping >/dev/null 2>&1 && return 0
  refuse_taken_port "$port"
  # shellcheck disable=SC2086
  redis-server --port "$port" --bind 127.0.0.1 --dir "$dir" --daemonize yes --pidfile "$dir/redis.pid" \
    --logfile "$dir/redis.log" --appendonly yes --appendfsync always --maxmemory-policy noeviction \
    --save '' --auto-aof-rewrite-min-size 256mb --no-appendfsync-on-rewrite no ${REDIS_EXTRA:-} >/dev/null
  for _ in $(seq 600); do
    [ "$(redis-cli -p "$port" ping 2>/dev/null)" = PONG ] && return 0
    sleep 0.05
  done
  echo "Redis did not start: see $dir/redis.log" >&2; tail -n 5 "$dir/redis.log" >&2; exit 1
}
redis_stop() {
  alive "$dir/redis.pid" || return 0
  local pid; pid=$(cat "$dir/redis.pid"); kill "$pid"; wait_gone "$pid" || kill -9 "$pid"; rm -f "$dir/redis.pid"
}
redis_pid() { cat "$dir/redis.pid" 2>/dev/null; }

# --- RabbitMQ: the server itself, not Debian's wrapper (which wants the rabbitmq user or systemd).
rabbit_env() {
  export HOME="$dir" RABBITMQ_NODENAME="flashclaim$port@localhost" RABBITMQ_NODE_PORT="$port" RABBITMQ_DIST_PORT=$((port + 1)) \
    ERL_EPMD_PORT=$((port + 2)) ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_MNESIA_BASE="$dir/mnesia" RABBITMQ_LOG_BASE="$dir/log" \
    RABBITMQ_PID_FILE="$dir/rabbitmq.pid" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins" \
    RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
}
rabbitmq_start() {
  rabbit_env
  if alive "$dir/rabbitmq.pid" && port_taken "$port"; then return 0; fi
  refuse_taken_port "$port" $((port + 1))
  [ -f "$dir/enabled_plugins" ] || echo '[].' >"$dir/enabled_plugins"
  cat >"$dir/rabbitmq.conf" <<CONF
listeners.tcp.default = 127.0.0.1:$port
loopback_users.guest = true
disk_free_limit.absolute = 256MB
raft.wal_max_size_bytes = 64000000
vm_memory_high_watermark.absolute = 2GB
consumer_timeout = 1800000
CONF
  /usr/lib/rabbitmq/bin/rabbitmq-server -detached >"$dir/start.log" 2>&1 || true
  /usr/lib/rabbitmq/bin/rabbitmqctl --timeout 120 await_startup >>"$dir/start.log" 2>&1 && port_taken "$port" && return 0
  for _ in $(seq 240); do port_taken "$port" && alive "$dir/rabbitmq.pid" && return 0; sleep 0.25; done
  echo "RabbitMQ did not start: see $dir/start.log and $dir/log" >&2; tail -n 5 "$dir/start.log" >&2; exit 1
}
rabbitmq_stop() {
  rabbit_env
  if alive "$dir/rabbitmq.pid"; then
    local pid; pid=$(tr -d ' ' <"$dir/rabbitmq.pid")
    timeout 60 /usr/lib/rabbitmq/bin/rabbitmqctl --timeout 30 stop "$dir/rabbitmq.pid" >/dev/null 2>&1 || kill "$pid" 2>/dev/null || true
    wait_gone "$pid" || kill -9 "$pid"
  fi
  pkill -f "epmd -daemon .*-port $((port + 2))" 2>/dev/null || epmd -port $((port + 2)) -kill >/dev/null 2>&1 || true
  rm -f "$dir/rabbitmq.pid"
}
rabbitmq_pid() { tr -d ' ' <"$dir/rabbitmq.pid" 2>/dev/null; }

# --- PostgreSQL refuses root: as root it runs as the user postgres, who may pass folders that only root may enter.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override -- "$@"
  else "$@"; fi
}
pg_bin=/usr/lib/postgresql/15/bin
postgres_start() {
  if alive "$dir/data/postmaster.pid" && "$pg_bin/pg_isready" -q -h 127.0.0.1 -p "$port"; then return 0; fi
  refuse_taken_port "$port"
  [ "$(id -u)" != 0 ] || chown postgres "$dir"
  if [ ! -s "$dir/data/PG_VERSION" ] || [ -e "$dir/initdb.unfinished" ]; then
    rm -rf "$dir/data"; touch "$dir/initdb.unfinished"
    (umask 077; head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$dir/password")
    [ "$(id -u)" != 0 ] || chown postgres "$dir/password"
    (cd / && as_postgres "$pg_bin/initdb" -D "$dir/data" -U flashclaim -A scram-sha-256 --pwfile="$dir/password" -E UTF8 --locale=C.UTF-8) \
      >"$dir/initdb.log" 2>&1 || { echo "initdb failed: see $dir/initdb.log" >&2; tail -n 5 "$dir/initdb.log" >&2; exit 1; }
    rm -f "$dir/initdb.unfinished"
  fi
  # The socket folder's path is bounded at 107 bytes: an abstract-free short folder is used only where PGDATA's is too long.
  (cd / && as_postgres "$pg_bin/pg_ctl" -D "$dir/data" -l "$dir/data/server.log" -w -t 120 -o \
    "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=100 -c shared_buffers=256MB \
     -c max_wal_size=2GB -c checkpoint_completion_target=0.9 -c fsync=on -c synchronous_commit=on ${POSTGRES_EXTRA:-}" start) >"$dir/start.log" 2>&1 ||
    { echo "PostgreSQL did not start: see $dir/data/server.log" >&2; tail -n 5 "$dir/start.log" >&2; exit 1; }
}
postgres_stop() {
  alive "$dir/data/postmaster.pid" || return 0
  (cd / && as_postgres "$pg_bin/pg_ctl" -D "$dir/data" -m fast -w -t 60 stop) >/dev/null 2>&1 ||
    (cd / && as_postgres "$pg_bin/pg_ctl" -D "$dir/data" -m immediate -w stop) >/dev/null 2>&1 || true
}
postgres_pid() { head -n1 "$dir/data/postmaster.pid" 2>/dev/null; }

case $service in redis | rabbitmq | postgres) ;; *) usage ;; esac
case $verb in
  start | stop) "${service}_$verb" ;;
  kill) pid=$("${service}_pid") && [ -n "$pid" ] && kill -9 "$pid" ;;
  status) pid=$("${service}_pid") || true; if [ -n "${pid:-}" ] && kill -0 "$pid" 2>/dev/null; then echo "$pid"; else exit 1; fi ;;
  *) usage ;;
esac
