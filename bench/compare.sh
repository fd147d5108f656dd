#!/usr/bin/env bash
# `make bench`: Flashclaim beside what a user would pick instead, in one run: alternating, several rounds, medians, ratios.
# ROUNDS (3), SECONDS_EACH (5) and SUSTAINED_SECONDS (60) may be set; ports are FLASHCLAIM_BENCH_PORT_BASE (9080) and the 12
# after it. Everything runs in .run-bench/ and is stopped at the end; bench/README.md says how to read the table.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/.." && pwd)
dir=$top/.run-bench
bin=$top/build/bin
base=${FLASHCLAIM_BENCH_PORT_BASE:-9080}
rounds=${ROUNDS:-3} each=${SECONDS_EACH:-5} sustained=${SUSTAINED_SECONDS:-60}
connections=128 # of every row but those that say how many
crowd=512       # a burst has more than 128 users: the same once more with so many connections
peer_redis=$((base + 8)) plain_port=$((base + 9)) lua_port=$((base + 10)) webdis_port=$((base + 11))
samples=$dir/samples.tsv
say() { printf '%s\n' "$*" >&2; }
fail() { say "bench: $*"; exit 1; }
service() { "$top/tests/stack/service.sh" "$1" "$2" "$dir/$2$4" "$3"; }
programs=()

stop_programs() {
  [ ${#programs[@]} -eq 0 ] || kill "${programs[@]}" 2>/dev/null || true
  local pid
  for pid in "${programs[@]}"; do wait "$pid" 2>/dev/null || true; done
  programs=()
}
cleanup() {
  stop_programs
  service stop redis $((base + 2)) '' || true
  service stop redis "$peer_redis" .peer || true
  service stop rabbitmq $((base + 3)) '' || true
  service stop postgres $((base + 6)) '' || true
}
wait_port() { # port name
  local i
  for ((i = 0; i < 300; i++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
    sleep 0.1
  done
  fail "$2 does not answer on port $1: see $dir"
}
start() { # name port program argument...
  local name=$1 port=$2
  shift 2
  "$@" </dev/null >>"$dir/$name.log" 2>&1 &
  programs+=("$!")
  wait_port "$port" "$name"
}

start_stores() {
  service start redis $((base + 2)) ''
  service start redis "$peer_redis" .peer
  service start rabbitmq $((base + 3)) ''
  service start postgres $((base + 6)) ''
  local password
  password=$(cat "$dir/postgres/password")
  export HTTP_URL=http://127.0.0.1:$base ADMIN_URL=http://127.0.0.1:$((base + 1)) REDIS_URL=redis://127.0.0.1:$((base + 2))/0
  export AMQP_URL=amqp://guest:guest@127.0.0.1:$((base + 3))/%2F
  export PG_URL=postgresql://flashclaim:$password@127.0.0.1:$((base + 6))/postgres PATH=$bin:$PATH
  {
    flashctl db migrate --yes
    flashctl mq declare --yes
    flashctl lua load --yes
    flashctl rebuild --if-new --yes
  } >>"$dir/up.log" 2>&1
}
start_peers() {
  local sha user=''
  sha=$(redis-cli -p "$peer_redis" -x SCRIPT LOAD <"$here/compare/claim.lua")
  [ "$(id -u)" != 0 ] || user='user root;'
  sed -e "s#@DIR@#$dir#; s#@PLAIN@#$plain_port#g; s#@LUA@#$lua_port#g; s#@REDIS@#$peer_redis#; s#@SHA@#$sha#; s#@USER@#$user#" \
    "$here/compare/nginx.conf.in" >"$dir/nginx.conf"
  printf '{"redis_host":"127.0.0.1","redis_port":%s,"http_host":"127.0.0.1","http_port":%s,"threads":2,"pool_size":20,
"daemonize":false,"database":0,"acl":[],"verbosity":0,"logfile":"%s/webdis.log"}\n' "$peer_redis" "$webdis_port" "$dir" >"$dir/webdis.json"
  start nginx "$plain_port" nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/nginx.log" -g 'daemon off;'
  start webdis "$webdis_port" webdis "$dir/webdis.json"
  webdis_sha=$sha
}
fresh_peer_data() {
  local now
  now=$(date +%s)
  redis-cli -p "$peer_redis" >/dev/null <<COMMANDS
FLUSHALL
HSET coupon issueBeginTime $(((now - 3600) * 1000)) issueEndTime $(((now + 86400) * 1000)) userLimit 1
SET stock 1000000000
COMMANDS
}
fresh_coupon() { # total [user-limit [begin]] -> id
  local id
  id=$(($(psql -qXAt "$PG_URL" -c 'SELECT coalesce(max(id), 0) FROM coupon') + 1))
  {
    flashctl coupon create --id "$id" --name bench --total "$1" --user-limit "${2:-1}" --begin "${3:-now}" --end +24h --yes &&
      flashctl coupon publish "$id" --yes
  } >>"$dir/up.log" 2>&1 || fail "coupon $id was not made: see $dir/up.log"
  echo "$id"
}

redis_cpu() { redis-cli -p "$1" INFO cpu | awk -F: '/^used_cpu_(user|sys):/ { sum += $2 } END { printf "%.6f", sum }'; }
# What was measured, as TSV: name, answers per second, p99 in microseconds, Redis CPU microseconds per answer.
sample() { # name redis_port wanted(2xx|other) url kind target, with $connections
  local name=$1 redis=$2 wanted=$3 url=$4 kind=$5 target=$6 before line rate other broken p50 p99 cpu=-
  [ "$redis" = - ] || before=$(redis_cpu "$redis")
  line=$(wrk -t1 -c"$connections" -d"${each}s" -s "$here/compare/claims.wrk.lua" "$url" -- "$kind" "$target" 1 | grep '^RESULT') ||
    fail "$name: wrk gave no result"
  IFS=$'\t' read -r _ rate other broken p50 p99 <<<"$line"
  [ "$broken" = 0 ] || say "  $name: $broken answers were broken"
  if [ "$wanted" = 2xx ] && [ "$other" != 0 ]; then fail "$name: $other answers were not 2xx: not what was to be measured"; fi
  [ "$redis" = - ] || cpu=$(awk -v a="$before" -v b="$(redis_cpu "$redis")" -v n="$((rate * each))" 'BEGIN { printf "%.2f", (b - a) * 1e6 / n }')
  printf '%s\t%s\t%s\t%s\n' "$name" "$rate" "$p99" "$cpu" >>"$samples"
  say "  $name: $rate/s, p50 $p50 us, p99 $p99 us"
}

engine() { start engine "$base" flashclaim-engine --listen "127.0.0.1:$base" --admin-listen "127.0.0.1:$((base + 1))" --role "$1"; }
consumer() { start consumer $((base + 7)) nice -n 5 flashclaim-consumer --admin-listen "127.0.0.1:$((base + 7))"; }

measure_peers() { # a word behind the names
  sample "nginx return 202$1" - 2xx "http://127.0.0.1:$plain_port" api 1
  fresh_peer_data
  sample "nginx + lua + EVALSHA$1" "$peer_redis" 2xx "http://127.0.0.1:$lua_port" api 1
  fresh_peer_data
  sample "webdis EVALSHA$1" "$peer_redis" 2xx "http://127.0.0.1:$webdis_port" webdis "$webdis_sha"
}
measure_admission() { # a word behind the names
  engine http
  local coupon sold_out
  coupon=$(fresh_coupon 1000000000)
  sample "flashclaim admission$1" $((base + 2)) 2xx "$HTTP_URL" api "$coupon"
  if [ -z "$1" ]; then
    sold_out=$(fresh_coupon 1)
    curl -sf -o /dev/null -X POST -H 'X-User-Id: 9000000' "$HTTP_URL/coupons/$sold_out/receive"
    sample 'flashclaim sold out' $((base + 2)) other "$HTTP_URL" api "$sold_out"
  fi
  flashctl coupon end "$coupon" --yes >>"$dir/up.log" 2>&1
  stop_programs_but_peers
}
measure_sides() { # round, a word behind the names; who comes first changes by turns
  if (($1 % 2)); then measure_peers "$2"; measure_admission "$2"; else measure_admission "$2"; measure_peers "$2"; fi
}
measure_round() { # number
  measure_sides "$1" ''
  local connections=$crowd
  measure_sides "$1" ", $crowd"
}
# The peers were started first and stay.
stop_programs_but_peers() {
  local peers=("${programs[@]:0:2}")
  programs=("${programs[@]:2}")
  stop_programs
  programs=("${peers[@]}")
}

# The latency at half of what nginx + lua can do, open loop; and the whole product under a load that it has to sustain.
number_in() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }
latency_of() { tr '{' '\n' | sed -n 's/.*"name":"accepted".*"p99Us":\([0-9]*\).*/\1/p'; }
measure_open_loop() { # rate
  local coupon
  fresh_peer_data
  HTTP_URL=http://127.0.0.1:$lua_port flashbench load --rate "$1" --seconds "$each" --connections "$connections" --coupon 1 --quiet \
    --output json >"$dir/open_loop_peer.json"
  engine http
  coupon=$(fresh_coupon 1000000000)
  flashbench load --rate "$1" --seconds "$each" --connections "$connections" --coupon "$coupon" --quiet --output json >"$dir/open_loop.json"
  stop_programs_but_peers
}
# What was accepted while nothing settled is settled first: it would be settled beside the next figure.
settle_what_is_left() {
  say '  settling what is left'
  local left
  for _ in $(seq 3000); do
    left=$(redis-cli -p $((base + 2)) SMEMBERS coupon:issuing | sed 's/.*/HGET "prs:coupon:{&}" inflight/' | redis-cli -p $((base + 2)) |
      awk '{ sum += $1 } END { print sum + 0 }')
    [ "$left" != 0 ] || return 0
    sleep 0.1
  done
  fail "$left claims were not settled: see $dir/consumer.log"
}
burst_of() { # connections
  say "  burst of $each s on $1 connections, mirror and consumer running"
  flashbench load --rate max --seconds "$each" --warmup 0 --connections "$1" --settle --quiet --output json >"$dir/burst.$1.json"
}
measure_whole() {
  engine both
  consumer
  settle_what_is_left
  burst_of "$connections"
  burst_of "$crowd"
  say "  sustained, $sustained s"
  flashbench load --rate "${SUSTAINED_RATE:-42000}" --seconds "$sustained" --connections "$connections" --settle --timeline --quiet --output json \
    >"$dir/sustained.json" || say '  sustained: see sustained.json'
  stop_programs_but_peers
}

# shellcheck source=bench/compare/deep.sh
. "$here/compare/deep.sh"

median_of() { awk -F'\t' -v want="$1" -v column="$2" '$1 == want { print $column }' "$samples" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0 ? a / b : 0) }'; }
row() { # what, value, unit, against, its value, target
  local r='-'
  [ -z "$5" ] || r=$(ratio "$2" "$5")
  printf '%-34s %12s %-8s %-26s %8s  %s\n' "$1" "$2" "$3" "${4:--}" "$r" "${6:-}"
  printf '%s{"what":"%s","value":%s,"unit":"%s","against":"%s","ratio":%s,"target":"%s"}' "$comma" "$1" "${2:-null}" "$3" "$4" "${r/#-/null}" "${6:-}" >>"$dir/rows"
  comma=,
}
print_table() {
  local plain lua webdis admission sold_out lua_cpu our_cpu
  plain=$(median_of 'nginx return 202' 2) lua=$(median_of 'nginx + lua + EVALSHA' 2) webdis=$(median_of 'webdis EVALSHA' 2)
  admission=$(median_of 'flashclaim admission' 2) sold_out=$(median_of 'flashclaim sold out' 2)
  lua_cpu=$(median_of 'nginx + lua + EVALSHA' 4) our_cpu=$(median_of 'flashclaim admission' 4)
  comma='' && : >"$dir/rows"
  printf '%-34s %12s %-8s %-26s %8s  %s\n' what value unit against ratio target
  row 'nginx return 202' "$plain" /s '' ''
  row 'nginx + lua + EVALSHA' "$lua" /s 'nginx return 202' "$plain"
  row 'webdis EVALSHA' "$webdis" /s 'nginx return 202' "$plain"
  row 'admission' "$admission" /s 'nginx return 202' "$plain" '>= 0.7'
  row 'admission' "$admission" /s 'nginx + lua + EVALSHA' "$lua" '>= 4'
  row 'admission' "$admission" /s 'webdis EVALSHA' "$webdis" '>= 2.2'
  row 'sold out, answered locally' "$sold_out" /s 'nginx return 202' "$plain" '>= 0.9'
  row 'Redis CPU per claim' "$our_cpu" us 'nginx + lua + EVALSHA' "$lua_cpu" '<= 0.29'
  row "admission, $crowd connections" "$(median_of "flashclaim admission, $crowd" 2)" /s "nginx return 202, $crowd" "$(median_of "nginx return 202, $crowd" 2)" '>= 0.7'
  row "admission, $crowd connections" "$(median_of "flashclaim admission, $crowd" 2)" /s "nginx + lua + EVALSHA, $crowd" "$(median_of "nginx + lua + EVALSHA, $crowd" 2)" '>= 4'
  row "admission, $crowd connections" "$(median_of "flashclaim admission, $crowd" 2)" /s "webdis EVALSHA, $crowd" "$(median_of "webdis EVALSHA, $crowd" 2)" '>= 2.2'
  row 'burst, everything on' "$(number_in acceptedPerSecond <"$dir/burst.$connections.json")" /s 'nginx return 202' "$plain" '>= 0.5'
  row "burst, $crowd connections" "$(number_in acceptedPerSecond <"$dir/burst.$crowd.json")" /s "nginx return 202, $crowd" "$(median_of "nginx return 202, $crowd" 2)" '>= 0.5'
  row 'drain after the burst' "$(number_in drainSeconds <"$dir/burst.$connections.json")" s '' ''
  row "drain, $crowd connections" "$(number_in drainSeconds <"$dir/burst.$crowd.json")" s '' ''
  row 'sustained' "$(number_in acceptedPerSecond <"$dir/sustained.json")" /s 'nginx return 202' "$plain" '>= 40000'
  row 'backlog at its end' "$(number_in backlogLastClaims <"$dir/sustained.json")" claims '' ''
  row "p99 at half of nginx + lua's rate" "$(latency_of <"$dir/open_loop.json")" us 'nginx + lua + EVALSHA' "$(latency_of <"$dir/open_loop_peer.json")" '<= 5000, < 1'
  row 'opens after its begin time' "$opened_ms" ms '' '' '<= 5'
  row 'claimable after a restock' "$reopened_ms" ms '' '' '<= 100'
  row 'consumer alone, full queue' "$consumer_rate" /s 'one transaction per claim' "$seed_rate" '>= 50000, 15 x'
  row 'Redis memory per settled claim' "$memory_per_claim" bytes '' '' '<= 100'
  row 'engine memory per idle connection' "$memory_per_connection" KiB '' '' '<= 8'
  row 'CPU per claim' "$(flat_of base)" us '' ''
  row "with ${FLAT_USERS:-1000000} users" "$(flat_of users)" us 'with 10000 users' "$(flat_of base)" '<= 1.5'
  row "with ${FLAT_COUPONS:-1000} coupons" "$(flat_of coupons)" us 'with one coupon' "$(flat_of base)" '<= 1.5'
  row "with ${FLAT_CONNECTIONS:-5000} connections" "$(flat_of connections)" us 'with 64 connections' "$(flat_of base)" '<= 1.5'
  door_rows
  printf '{"date":"%s","cores":%s,"rounds":%s,"secondsEach":%s,"rows":[%s]}\n' "$(date -u +%FT%TZ)" "$(nproc)" "$rounds" "$each" "$(cat "$dir/rows")" >"$dir/results.json"
  say "in JSON: $dir/results.json; beside admission and refusals: nothing but wrk; Redis of both sides: appendfsync always"
}

main() {
  "$top/tests/stack/install.sh" build run bench
  "$top/tests/stack/build.sh" "$top/build" flashclaim-engine flashclaim-consumer flashctl flashbench bench_parts
  mkdir -p "$dir"
  : >"$samples"
  trap cleanup EXIT
  trap 'exit 130' INT TERM
  [ "${PARTS:-1}" = 0 ] || "$bin/bench_parts" --benchmark_out="$dir/parts.json" --benchmark_out_format=json
  cleanup
  rm -rf "$dir"/redis* "$dir"/rabbitmq* "$dir"/postgres* # what an earlier run left would be looked after meanwhile
  start_stores
  start_peers
  measure_memory # of a Redis that holds nothing else
  local round
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    measure_round "$round"
  done
  measure_open_loop $(($(median_of 'nginx + lua + EVALSHA' 2) / 2))
  measure_whole
  measure_consumer
  measure_flat
  measure_gate
  print_table
}
main "$@"
