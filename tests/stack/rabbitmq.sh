# shellcheck shell=bash disable=SC2154
# Sourced by service.sh: RabbitMQ.
#
# --- RabbitMQ: the server itself, not Debian's wrapper (which wants the rabbitmq user or systemd). epmd, which would
# outlive the broker, is ours too, with a pid of its own. bypass_pem_cache: a certificate that was replaced is shown at once.
rabbitmq_pid_file=$dir/rabbitmq.pid
rabbitmq_log=$dir/log/flashclaim@localhost.log log_before=0
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
# Erlang's own has about 26 bits, and who finds it may do what we may: it is replaced whenever no broker holds it.
rabbitmq_cookie() {
  [[ $(cat "$dir/.erlang.cookie" 2>/dev/null) =~ ^[0-9a-f]{64}$ ]] || put_file "$dir/.erlang.cookie" "$(random_hex 32)"
}
rabbitmq_start() {
  rabbit_env
  cd "$dir" || return
  if ! running_pid epmd.pid >/dev/null; then
    refuse_taken_port $((port + 2))
    setsid epmd -port $((port + 2)) -address 127.0.0.1 </dev/null >epmd.log 2>&1 &
    echo $! >epmd.pid
  fi
  if ! running_pid "$rabbitmq_pid_file" >/dev/null; then
    refuse_taken_port "$port" $((port + 1))
    need_content definitions.json
    rabbitmq_cookie
    [ -s enabled_plugins ] || echo '[].' >enabled_plugins
    cat >rabbitmq.conf <<CONF
$(rabbitmq_listeners)
loopback_users.guest = true
disk_free_limit.absolute = 256MB
raft.wal_max_size_bytes = 64000000
vm_memory_high_watermark.absolute = 2GB
consumer_timeout = 1800000
CONF
    [ ! -e definitions.json ] || echo "load_definitions = $dir/definitions.json" >>rabbitmq.conf
    log_before=$(stat -c %s "$rabbitmq_log" 2>/dev/null || echo 0)
    setsid /usr/lib/rabbitmq/bin/rabbitmq-server </dev/null >start.log 2>&1 &
    echo $! >"$rabbitmq_pid_file"
  fi
  for _ in $(seq 600); do
    rabbitmq_answers && return 0
    sleep 0.2
    running_pid "$rabbitmq_pid_file" >/dev/null || break
    ! rabbitmq_waits_for_its_tables || break
  done
  rabbitmq_gives_up
}
# It would wait for five minutes; the tables of a single node come at once or never.
rabbitmq_waits_for_its_tables() {
  tail -c "+$((log_before + 1))" "$rabbitmq_log" 2>/dev/null | grep -q 'Error while waiting for Mnesia tables'
}
rabbitmq_gives_up() {
  rabbitmq_stop
  {
    echo "RabbitMQ did not start, and was stopped; the end of $dir/start.log:"
    tail -n 8 "$dir/start.log"
    cat <<WAY_OUT
Unless this names another cause, RabbitMQ's own data is damaged: after a boot it is half a minute before all of it is on the disk.
Move it away, do not delete it, and start again. No claim is lost: what is not settled is in Redis, and is published again.

  mv '$dir/mnesia' '$dir/mnesia.damaged.$(date +%s)'
  make up

(What other systems had not yet taken from queues of their own stays in the folder that was moved: consumer/EVENTS.md.)
WAY_OUT
  } >&2
  exit 1
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

