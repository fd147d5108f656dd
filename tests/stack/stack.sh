#!/usr/bin/env bash
# The whole stack on this machine, under .run/, on loopback: stack.sh run|up|down|status|clean (what they do: `make help`).
# Ports: FLASHCLAIM_PORT_BASE=n (default 8080, remembered in .run/port_base): HTTP n, admin n+1, Redis n+2, RabbitMQ n+3 to n+5,
# PostgreSQL n+6, the consumer's metrics n+7. FLASHCLAIM_DOOR=on: HTTPS, signed requests only, limits (engine/auth/README.md), TLS to
# RabbitMQ and PostgreSQL; remembered too. Tests: FLASHCLAIM_RUN=folder instead of .run, FLASHCLAIM_BIN=folder of programs that are built.
# Nobody else may read what is in .run. Only `clean` removes data, and only in a folder that carries our mark.
set -euo pipefail
callers_umask=$(umask)
umask 077
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
run=${FLASHCLAIM_RUN:-$top/.run}
bin=${FLASHCLAIM_BIN:-$top/build/bin}
say() { printf '%s\n' "$*"; }
fail() { printf 'flashclaim: %s\n' "$*" >&2; exit 1; }

# shellcheck source=tests/stack/files.sh
. "$here/files.sh"

# --- whose folder it is
mark=$run/flashclaim_stack
# The folder of a stack: it has our mark, or it is of a version that left none.
is_stack() { [ -e "$mark" ] || { [ -e "$run/port_base" ] && { [ -d "$run/redis" ] || [ -d "$run/log" ]; }; }; }
take_folder() {
  if [ -e "$run" ] && [ ! -O "$run" ]; then
    fail "$run belongs to $(stat -c %U "$run"): run make as that user, or let that user run make clean"
  fi
  if ! is_stack && [ -n "$(ls -A "$run")" ]; then
    fail "$run is not empty and no stack's folder: nothing was changed. Name another one with FLASHCLAIM_RUN=folder"
  fi
  [ -e "$mark" ] || put_file "$mark" "make clean removes this folder"
  chmod 700 "$run"
  mkdir -p "$run/log"
}

# --- what runs, and on which ports
is_port_base() { [[ $1 =~ ^[1-9][0-9]{3,4}$ ]] && [ "$1" -ge 1024 ] && [ $(($1 + 7)) -lt 32768 ]; }
remembered_ports() { # 8080 when the file is damaged: pids are known without ports
  local remembered=''
  [ ! -f "$run/port_base" ] || remembered=$(cat "$run/port_base")
  if is_port_base "$remembered"; then printf '%s\n' "$remembered"; else echo 8080; fi
}
choose_ports() {
  local remembered='' wanted
  if [ -e "$run/port_base" ]; then
    remembered=$(cat "$run/port_base")
    if ! is_port_base "$remembered"; then
      [ -n "${FLASHCLAIM_PORT_BASE:-}" ] ||
        fail "$run/port_base is empty or damaged (a power cut?): say the ports, with FLASHCLAIM_PORT_BASE=n make up (8080, unless you chose others)"
      remembered=''
    fi
  fi
  wanted=${FLASHCLAIM_PORT_BASE:-${remembered:-8080}}
  is_port_base "$wanted" || fail "FLASHCLAIM_PORT_BASE must be a number from 1024 to 32760: it is '$wanted'"
  if [ -n "$remembered" ] && [ "$remembered" != "$wanted" ]; then
    use_ports "$remembered"
    ! anything_runs || fail "the stack of this folder runs on port base $remembered: make down first, then choose $wanted"
  fi
  use_ports "$wanted"
}
use_ports() {
  base=$1
  http_port=$base admin_port=$((base + 1)) consumer_port=$((base + 7))
  services=("redis $((base + 2))" "rabbitmq $((base + 3))" "postgres $((base + 6))")
}
service() { "$here/service.sh" "$1" "$2" "$run/$2" "$3"; }
# A program is ours when it works in .run: a pid file may be stale and its number another's.
program_pid() {
  local pid
  pid=$(cat "$run/$1.pid" 2>/dev/null) && [ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$run" ] && printf '%s\n' "$pid"
}
anything_runs() {
  local entry
  for entry in "${services[@]}"; do
    # shellcheck disable=SC2086
    service status $entry >/dev/null && return 0
  done
  program_pid engine >/dev/null || program_pid consumer >/dev/null
}
# shellcheck source=tests/stack/ports.sh
. "$here/ports.sh"
# shellcheck source=tests/stack/trial.sh
. "$here/trial.sh"
need_port() { # name port: it is free, or ours
  ! port_taken "$2" || fail "port $2 ($1) is taken by another program: stop it, or choose other ports with FLASHCLAIM_PORT_BASE=n"
}
check_ports() {
  local entry
  for entry in "${services[@]}"; do
    # shellcheck disable=SC2086
    service status $entry >/dev/null || need_port $entry
  done
  program_pid engine >/dev/null || { need_port HTTP "$http_port"; need_port admin "$admin_port"; }
  program_pid consumer >/dev/null || need_port "consumer's metrics" "$consumer_port"
}

# --- the door: on is the shape of production, off believes every X-User-Id
choose_door() {
  local remembered=off
  if [ -e "$run/door_mode" ]; then remembered=$(cat "$run/door_mode"); elif [ -d "$run/door" ]; then remembered=''; fi
  door=${FLASHCLAIM_DOOR:-$remembered}
  case $door in
    on | off) ;;
    '') fail "$run/door_mode is empty or missing (a power cut?): say FLASHCLAIM_DOOR=on make up, or off, which believes every X-User-Id" ;;
    *) fail "FLASHCLAIM_DOOR must be on or off: it is '$door'" ;;
  esac
  if [ -n "$remembered" ] && [ "$door" != "$remembered" ] && [ -e "$run/door_mode" ] && anything_runs; then
    fail "the stack runs with the door $remembered: make down first, then choose $door"
  fi
  [ "$door" = "$(cat "$run/door_mode" 2>/dev/null)" ] || put_file "$run/door_mode" "$door"
  scheme=http door_flags=()
  [ "$door" = on ] || return 0
  scheme=https
  "$here/door.sh" make "$run/door"
  door_flags=(--auth gateway --auth-keys "$run/door/gateway.keys" --gateways '127.0.0.1,::1'
    --tls-certificate "$run/door/engine.pem" --tls-key "$run/door/engine.key")
}

# --- up
prepare() {
  take_folder
  choose_ports
  check_ports
  [ "$base" = "$(cat "$run/port_base" 2>/dev/null)" ] || put_file "$run/port_base" "$base"
  choose_door
}
build() {
  [ -z "${FLASHCLAIM_BIN:-}" ] || return 0
  (
    umask "$callers_umask" # the programs are no secret
    "$here/install.sh" build run
    [ -x "$bin/flashctl" ] || say 'the first build takes about ten minutes on two cores; later ones seconds'
    "$here/build.sh" "$top/build" flashclaim-engine flashclaim-consumer flashctl flashbench
  )
}
start_services() {
  local entry name failed='' pids=()
  say 'starting Redis, RabbitMQ and PostgreSQL (about half a minute)'
  for entry in "${services[@]}"; do
    ( # only the probe of Redis has the admin's password
      [[ $entry != redis\ * ]] || export REDIS_USER=admin REDISCLI_AUTH
      [[ $entry != redis\ * ]] || REDISCLI_AUTH=$(key redis-admin)
      # shellcheck disable=SC2086
      service start $entry 9>&-
    ) &
    pids+=("$!")
  done
  for name in "${!pids[@]}"; do wait "${pids[$name]}" || failed=yes; done
  [ -z "$failed" ] || fail "not every service started (see above); make down stops the others"
}
# --- users (`flashctl access`): passwords in .run/keys, every program with users of its own
key() { cat "$run/keys/$1"; }
# With the door on Redis, RabbitMQ and PostgreSQL speak TLS only, and their clients verify them by the authority of this stack.
ca=$run/door/ca.pem
places() { # command...: with the URLs of the services in its environment, without a login
  local tls='' trust='' pg=''
  [ "$door" = off ] || { tls=s trust="?cacertfile=$(in_url "$ca")" pg="?sslmode=verify-full&sslrootcert=$(in_url "$ca")"; }
  REDIS_URL="redis$tls://127.0.0.1:$((base + 2))/0$trust" AMQP_URL="amqp$tls://127.0.0.1:$((base + 3))/%2F$trust" \
    PG_URL="postgresql://127.0.0.1:$((base + 6))/flashclaim$pg" "$@"
}
# What a program (engine, consumer), a person (admin) or `flashctl db migrate` (owner) has: those URLs with its own logins.
environment_of() { places "$bin/flashctl" access environment "$run/keys" "$1"; }
in_url() { local path=${1//%/%25}; path=${path// /%20}; path=${path//\?/%3F}; path=${path//#/%23}; printf %s "${path//&/%26}"; }
# why: start_services starts it again
stop_redis() { ! service status redis $((base + 2)) >/dev/null || { say "$1: Redis is started again"; service stop redis $((base + 2)); }; }
make_certificates() {
  local name made
  if [ "$door" = off ]; then rm -rf "$run/redis/tls" "$run/rabbitmq/tls" "$run/postgres/tls"; return; fi
  made=$("$here/certificates.sh" "$run/door" redis rabbitmq postgres)
  for name in redis rabbitmq postgres; do
    mkdir -p "$run/$name/tls"
    copy_file "$ca" "$run/$name/tls/ca.pem"
    copy_file "$run/door/$name.pem" "$run/$name/tls/server.pem"
    copy_file "$run/door/$name.key" "$run/$name/tls/server.key"
  done
  ! grep -qx redis <<<"$made" || stop_redis "Redis' certificate was made anew"
}
# Before there were users the programs logged in as nobody and guest: they cannot go on beside servers that know users.
leave_old_stack() {
  if [ ! -d "$run/keys" ] && anything_runs; then
    say 'this stack was started by a version without users: it is stopped, and started again with them; the data stays'
    down
  elif [ "$door" = on ] && [ ! -e "$run/redis/tls/ca.pem" ] && anything_runs; then
    say 'this stack was started by a version without TLS behind the door: it is stopped, and started again with it; the data stays'
    down
  fi
}
# A text that differs from the one in use: true, and it is in use from the next start of its server on.
changed_users() { # file
  if cmp -s "$1.new" "$1"; then rm "$1.new"; return 1; fi
  sync "$1.new"
  put_in_place "$1.new" "$1"
}
make_users() {
  mkdir -p "$run/redis" "$run/rabbitmq"
  [ -d "$run/rabbitmq/mnesia" ] || touch "$run/rabbitmq/without_guest" # a broker that begins with definitions makes no guest
  "$bin/flashctl" access keys "$run/keys" --yes >>"$run/log/up.log"
  "$bin/flashctl" access postgres "$run/keys" >/dev/null # a damaged key is said before anything starts
  (
    umask 077
    "$bin/flashctl" access redis "$run/keys" >"$run/redis/users.acl.new"
    "$bin/flashctl" access rabbitmq "$run/keys" >"$run/rabbitmq/definitions.json.new"
  )
  ! changed_users "$run/redis/users.acl" || stop_redis "this version's users of Redis are others"
  if changed_users "$run/rabbitmq/definitions.json" && service status rabbitmq $((base + 3)) >/dev/null; then
    "$here/service.sh" ctl rabbitmq "$run/rabbitmq" $((base + 3)) import_definitions "$run/rabbitmq/definitions.json" >>"$run/log/up.log"
  fi
}
drop_guest() {
  [ ! -e "$run/rabbitmq/without_guest" ] || return 0
  "$here/service.sh" ctl rabbitmq "$run/rabbitmq" $((base + 3)) delete_user guest >>"$run/log/up.log"
  touch "$run/rabbitmq/without_guest"
}
as_superuser() ( # psql argument...
  PGPASSWORD=$(cat "$run/postgres/password")
  [ "$door" = off ] || export PGSSLMODE=verify-full PGSSLROOTCERT="$ca"
  export PGPASSWORD
  exec psql -wqXAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p $((base + 6)) -U flashclaim "$@"
)
grant() { "$bin/flashctl" access postgres "$run/keys" | as_superuser -d flashclaim; }

quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }
# .run/env is a person's: the admin's users. .run/env.engine and .run/env.consumer are the programs'.
write_env() {
  local program
  (
    umask 077
    for program in engine consumer; do
      environment_of "$program" >"$run/env.$program.new"
      mv "$run/env.$program.new" "$run/env.$program"
    done
    {
      printf 'export HTTP_URL=%s\n' "$(quoted "$scheme://127.0.0.1:$http_port")"
      printf 'export ADMIN_URL=%s\n' "$(quoted "http://127.0.0.1:$admin_port")"
      environment_of admin
      case ":$PATH:" in
        *":$bin:"*) printf 'export PATH=%s\n' "$(quoted "$PATH")" ;;
        *) printf 'export PATH=%s\n' "$(quoted "$bin:$PATH")" ;;
      esac
    } >"$run/env.new"
  )
  mv "$run/env.new" "$run/env"
  # shellcheck disable=SC1091
  . "$run/env"
}
make_database() {
  [ "$(as_superuser -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'flashclaim'")" = 1 ] ||
    as_superuser -d postgres -c 'CREATE DATABASE flashclaim TEMPLATE template0'
}
# Every step is idempotent: a second `make up` finds all of it done.
load_contents() {
  {
    grant
    (eval "$(environment_of owner)" && flashctl db migrate --yes)
    grant
    flashctl mq declare --yes
    flashctl lua load --yes
    flashctl rebuild --if-new --yes
  } >>"$run/log/up.log"
}
coupon_field() { # the first member of that name: the coupon's own, before its history
  flashctl coupon show 1 --output json | tr -d '\n' | grep -o "\"$1\": *\"\{0,1\}[^\",}]*" | sed -n '1s/^[^:]*: *"\{0,1\}//p'
}
# The demo coupon is made once. Later its window is only extended (its stock and claims are never touched), and an operator's
# pause or end is respected.
demo_coupon() {
  local status rc=0
  flashctl coupon show 1 >/dev/null 2>>"$run/log/up.log" || rc=$?
  case $rc in
    0) ;;
    3) flashctl coupon create --id 1 --name 'Demo coupon' --total 10000 --user-limit 1 --begin now --end +24h --yes >>"$run/log/up.log" ;;
    *) fail "flashctl coupon show 1 failed (exit $rc): see .run/log/up.log" ;;
  esac
  status=$(coupon_field status)
  case $status in
    draft) flashctl coupon publish 1 --yes >>"$run/log/up.log" ;;
    issuing)
      if [ "$(coupon_field endsAtMs)" -lt $((($(date +%s) + 3600) * 1000)) ]; then
        say 'the demo coupon (id 1) was about to close or has closed: its end is moved to 24 hours from now'
        flashctl coupon update 1 --end "$(date -u -d '+24 hours' +%Y-%m-%dT%H:%M:%SZ)" --yes >>"$run/log/up.log"
      fi ;;
    *) say "the demo coupon (id 1) is $status: left as it is" ;;
  esac
}
# An engine of the version before would go on with the rights, the library and the schema of this one.
leave_other_build() { # name program
  local pid
  pid=$(program_pid "$1") || return 0
  [ "/proc/$pid/exe" -ef "$2" ] && return 0
  say "flashclaim-$1 runs from another build: it is stopped, and started again"
  stop_program "$1"
}
start_program() { # name port program argument...
  local name=$1 port=$2
  shift 2
  leave_other_build "$name" "$1"
  if ! program_pid "$name" >/dev/null; then
    # shellcheck disable=SC1090
    (forget_secrets && . "$run/env.$name" && cd "$run" && exec setsid "$@" </dev/null >>"$run/log/$name.log" 2>&1 9>&-) &
    echo $! >"$run/$name.pid"
    disown
  fi
  for _ in $(seq 300); do
    curl -fs -o /dev/null --max-time 5 "http://127.0.0.1:$port/readyz" && return 0
    sleep 0.2
    program_pid "$name" >/dev/null || break
  done
  { tail -n 5 "$run/log/$name.log"; curl -s --max-time 5 "http://127.0.0.1:$port/readyz"; } >&2 || true
  fail "flashclaim-$name is not ready: the checks above that are not ok say what to do (its log: .run/log/$name.log)"
}
# A running engine shows a certificate that was made anew, and takes keys that changed, when it is told.
reload_engine() {
  local pid
  [ "$door" = on ] && pid=$(program_pid engine) || return 0
  ! curl -fs -o /dev/null --max-time 5 "http://127.0.0.1:$admin_port/healthz" || kill -HUP "$pid"
}
up() {
  prepare
  build
  leave_old_stack
  check_ports
  make_users
  make_certificates
  start_services
  drop_guest
  make_database
  write_env
  load_contents
  demo_coupon
  reload_engine
  start_program engine "$admin_port" "$bin/flashclaim-engine" --listen "127.0.0.1:$http_port" --admin-listen "127.0.0.1:$admin_port" \
    --role both --mirror-name mirror-1 "${door_flags[@]}"
  start_program consumer "$consumer_port" "$bin/flashclaim-consumer" --admin-listen "127.0.0.1:$consumer_port"
  flashctl mq status >/dev/null || say 'claims are accepted meanwhile, and wait (the line above)' # a broker under an alarm
}

# --- down, status, clean
# The first SIGTERM drains, a second one ends at once.
stop_program() {
  local name=$1 pid tries
  for tries in 300 50; do
    pid=$(program_pid "$name") || break
    kill "$pid" 2>/dev/null || true
    while [ $((tries--)) -gt 0 ] && program_pid "$name" >/dev/null; do sleep 0.1; done
  done
  ! pid=$(program_pid "$name") || kill -9 "$pid"
  rm -f "$run/$name.pid"
}
down() {
  [ -d "$run" ] || return 0
  is_stack || return 0
  use_ports "$(remembered_ports)"
  local entry
  rm -f "$run/env"
  stop_program engine
  stop_program consumer
  for entry in "${services[@]}"; do
    # shellcheck disable=SC2086
    service stop $entry &
  done
  wait
}
status() {
  is_stack || { say 'the stack was never started: make up'; return 1; }
  use_ports "$(remembered_ports)"
  local all=0 name pid port
  while read -r name port; do
    case $name in
      engine | consumer) pid=$(program_pid "$name") || pid='' ;;
      *) pid=$(service status "$name" "$port") || pid='' ;;
    esac
    [ -n "$pid" ] || all=1
    printf '%-10s %-8s %-8s %s\n' "$name" "$([ -n "$pid" ] && echo running || echo stopped)" "${pid:--}" "127.0.0.1:$port"
  done < <(printf '%s\n' "${services[@]}" "engine $http_port" "consumer $consumer_port")
  return $all
}
clean() {
  if [ -e "$run" ] && [ ! -e "$mark" ] && ! { is_stack && [ "$run" -ef "$top/.run" ]; }; then
    fail "$run has no file ${mark##*/}: make up did not make it, and it is left as it is. Remove it by hand if it is no longer wanted"
  fi
  down
  [ ! -d "$run" ] || ! anything_runs || fail "not everything in $run stopped: nothing was removed"
  local folder
  for folder in "$top"/.run-test/*; do # a test run that is under way clears up after itself
    [ ! -d "$folder" ] || [ -d "/proc/${folder##*/}" ] || rm -rf "$folder"
  done
  rm -rf "$run" "$top"/build "$top"/build-*
}

# --- run
what_next() {
  local user claim ca=''
  user=$(date +%s)
  claim="curl -i -X POST -H 'X-User-Id: $user' http://127.0.0.1:$http_port/coupons/1/receive"
  [ "$door" = off ] || claim="'$here/door.sh' sign '$run/door' POST /coupons/1/receive $user |
    curl -i -X POST -H @- --cacert '$run/door/engine.pem' https://127.0.0.1:$http_port/coupons/1/receive"
  [ "$door" = off ] || ca=" --cacert '$run/door/engine.pem'"
  cat <<NEXT

The stack is up. Claim the demo coupon (id 1, one for each user) from another terminal:

  $claim

  . '$run/env'                                  # the URLs, and flashctl and flashbench in PATH
  curl -s${ca} \$HTTP_URL/coupons/1                     # what is left
  psql \$PG_URL -c 'SELECT * FROM user_coupon WHERE coupon_id = 1'
  flashctl status                                # all stores side by side
  flashctl reconcile 1                           # Redis against the database, exact while the sale runs

NEXT
}
interrupted() {
  trap '' INT TERM HUP
  printf '\nstopping ...\n'
  wait # for servers that are being started: they ignore the Ctrl-C, and can be stopped once they are up
  lock
  down
  say 'stopped; the data stays in .run (make clean removes it)'
  exit 0
}
run_until_interrupted() {
  trap interrupted INT TERM HUP
  up
  unlock
  witness_begin
  if [ "$door" = on ]; then
    say 'the replay speaks plain HTTP and signs nothing: it is for FLASHCLAIM_DOOR=off'
  else
    (cd "$top" && flashbench replay bench/sample_receipts.csv --user-limit 1 --stock-ratio 0.8 --connections 64) ||
      say 'the replay did not pass (see above); the stack stays up'
  fi
  what_next
  follow_a_claim
  witness_end
  say 'Ctrl-C stops everything.'
  while [ -e "$run/env" ]; do sleep 1 & wait $!; done
  say 'stopped from elsewhere'
}

# Two at once would start everything twice. What is started must not inherit descriptor 9, or it would hold the lock.
lock() { mkdir -p "$run" && exec 9<"$run" && flock 9; }
unlock() { exec 9<&-; }
case ${1:-} in
  run) lock; run_until_interrupted ;;
  up) lock; up; what_next ;;
  down) if [ -d "$run" ]; then lock; down; fi ;;
  clean) if [ -d "$run" ]; then lock; fi; clean ;;
  status) status ;;
  *) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac
