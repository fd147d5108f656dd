# shellcheck shell=bash disable=SC2154
# Sourced by ../compare.sh: the consumer alone, memory, and whether the cost of a claim stays flat.

pgbench_bin() { command -v pgbench || printf '%s\n' /usr/lib/postgresql/*/bin/pgbench | tail -n 1; }
# A full queue first, with nobody to consume it; then the consumer alone. Rates by the database's own clock: settled_at.
measure_consumer() {
  local coupon seed_coupon claims
  engine both
  coupon=$(fresh_coupon 1000000000)
  say "  the consumer alone: filling the queue for $each s"
  flashbench load --rate max --seconds "$each" --warmup 0 --connections "$connections" --coupon "$coupon" --quiet --output json >"$dir/fill.json"
  wait_mirrored "$coupon"
  stop_programs_but_peers
  claims=$(redis-cli -p $((base + 2)) HGET "prs:coupon:{$coupon}" inflight)
  consumer
  wait_rows "$coupon" "$claims"
  stop_programs_but_peers
  consumer_rate=$(psql -qXAt "$PG_URL" -c "SELECT (count(*) / greatest(extract(epoch FROM max(settled_at) - min(settled_at)), 0.001))::bigint
    FROM user_coupon WHERE coupon_id = $coupon")
  say "  consumer alone: $consumer_rate/s of $claims claims"
  seed_coupon=$(fresh_coupon 1000000000)
  seed_rate=$("$(pgbench_bin)" -n -c 2 -j 1 -T "$each" -M prepared -D coupon="$seed_coupon" -f "$here/compare/settle_one.sql" "$PG_URL" 2>>"$dir/pgbench.log" |
    sed -n 's/^tps = \([0-9]*\).*/\1/p')
  say "  one transaction per claim: $seed_rate/s"
}
wait_mirrored() { # coupon: every entry is in the queue
  local entries
  for _ in $(seq 1200); do
    entries=$(redis-cli -p $((base + 2)) XLEN "coupon:claims:{$1}")
    # The main queue stands first.
    [ "$(flashctl mq status --output json | grep -o '"messages":[0-9]*' | sed -n '1s/.*://p')" -ge "$entries" ] && return 0
    sleep 0.1
  done
  fail "the mirror did not publish $entries entries: see $dir/engine.log"
}
wait_rows() { # coupon claims
  for _ in $(seq 3000); do
    [ "$(psql -qXAt "$PG_URL" -c "SELECT issue_num FROM coupon WHERE id = $1")" = "$2" ] && return 0
    sleep 0.1
  done
  fail "the consumer did not settle $2 claims: see $dir/consumer.log"
}

used_memory() { redis-cli -p $((base + 2)) INFO memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p'; }
resident_kib() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
per() { awk -v a="$1" -v n="$2" -v scale="${3:-1}" 'BEGIN { printf "%.1f", (n > 0 ? a * scale / n : 0) }'; }

# Claims of users 1..n, 256 a call and 100,000 a round, each entry finished as the consumer does it, its result gone as after its hour.
claim_and_finish() { # coupon n
  local id="{$1}" from
  local keys="prs:coupon:$id coupon:stock:$id coupon:claims:$id"
  for ((from = 1; from <= $2; from += 100000)); do
    awk -v keys="$keys" -v from="$from" -v to="$(($2 < from + 99999 ? $2 : from + 99999))" 'BEGIN {
      for (user = from; user <= to; user += 256) {
        printf "FCALL claim 4 %s coupon:ready", keys
        for (i = user; i < user + 256 && i <= to; ++i) printf " %d", i
        print "" } }' | redis-cli -p $((base + 2)) --pipe >>"$dir/fill.log"
    redis-cli -p $((base + 2)) XRANGE "coupon:claims:$id" - + | awk -v keys="$keys" -v id="$id" '
      NR % 7 == 1 { entry = $1 } NR % 7 == 3 { epoch = $1 }
      NR % 7 == 5 { result = "coupon:result:" id ":" entry
        printf "FCALL finish 5 %s coupon:dead:%s %s %s %s %d 1\nDEL %s\n", keys, id, result, epoch, entry, split($1, users, ","), result }' |
      redis-cli -p $((base + 2)) --pipe >>"$dir/fill.log"
  done
}

# What a settled claim leaves in Redis once its result has expired: nothing but the user's count.
measure_memory() {
  local users=${MEMORY_USERS:-1000000} coupon before after pid
  coupon=$(fresh_coupon 1000000000)
  redis-cli -p $((base + 2)) CONFIG SET appendfsync no >/dev/null # memory is measured, not time
  before=$(used_memory)
  claim_and_finish "$coupon" "$users"
  after=$(used_memory)
  redis-cli -p $((base + 2)) CONFIG SET appendfsync always >/dev/null
  memory_per_claim=$(per $((after - before)) "$users")
  say "  Redis: $memory_per_claim bytes per settled claim at $users users"
  engine http
  pid=${programs[-1]}
  before=$(resident_kib "$pid")
  flashbench load --rate 10 --seconds 3 --warmup 0 --connections "${IDLE_CONNECTIONS:-10000}" --coupon "$coupon" --first-user 5000000000 --quiet --output json \
    >"$dir/idle.json" &
  sleep 3
  after=$(resident_kib "$pid")
  wait $!
  memory_per_connection=$(per $((after - before)) "${IDLE_CONNECTIONS:-10000}")
  say "  engine: $memory_per_connection KiB per idle connection"
  stop_programs_but_peers
  redis-cli -p $((base + 2)) --scan --pattern 'prs:coupon:{*}:prs:usr:coupon:*' | sed 's/^/UNLINK /' | redis-cli -p $((base + 2)) --pipe >>"$dir/fill.log"
}

# CPU of engine and Redis together per accepted claim, as one thing grows and the others stay.
flat_row() { # what flashbench-argument...
  local pid redis before redis_before
  engine http
  pid=${programs[-1]}
  redis=$(redis-cli -p $((base + 2)) INFO server | sed -n 's/^process_id:\([0-9]*\).*/\1/p')
  before=$(cpu_ticks "$pid") redis_before=$(cpu_ticks "$redis")
  flashbench load --rate max --seconds "$each" --warmup 0 --quiet --output json "${@:2}" >"$dir/flat.json"
  awk -v what="$1" -v engine=$(($(cpu_ticks "$pid") - before)) -v redis=$(($(cpu_ticks "$redis") - redis_before)) -v hz="$(getconf CLK_TCK)" \
    -v claims="$(number_in acceptedInAll <"$dir/flat.json")" 'BEGIN { us = 1e6 / hz / claims
      printf "%s\t%.1f\t%.1f\t%.1f\n", what, (engine + redis) * us, engine * us, redis * us }' >>"$dir/flat.tsv"
  say "  $(tail -n 1 "$dir/flat.tsv" | awk '{ print $1 ": " $2 " us of CPU per claim, engine " $3 ", Redis " $4 }')"
  stop_programs_but_peers
}
measure_flat() {
  local few many
  : >"$dir/flat.tsv"
  few=$(fresh_coupon 1000000000 1000000)
  many=$(fresh_coupon 1000000000 1000000)
  claim_and_finish "$many" "${FLAT_USERS:-1000000}"
  flat_row base --coupon "$few" --users 10000 --connections 64
  flat_row users --coupon "$many" --users "${FLAT_USERS:-1000000}" --connections 64
  flat_row connections --coupon "$few" --users 10000 --connections "${FLAT_CONNECTIONS:-5000}"
  flat_row coupons --coupons "${FLAT_COUPONS:-1000}" --user-limit 1000000 --users 10000 --connections 64
}
flat_of() { awk -F'\t' -v want="$1" '$1 == want { print $2 }' "$dir/flat.tsv"; }

# How soon a shut coupon opens, under 2,000 claims a second: from the begin time to the first entry, and from the restock's commit
# in PostgreSQL (Redis is told after it) to the first entry. Entries have Redis' time, all clocks are this machine's.
measure_gate() {
  local coming sold_out
  engine both
  consumer
  settle_what_is_left
  coming=$(fresh_coupon 1000000000 1 "$(date -u -d '+3 seconds' +%FT%T.%3NZ)")
  flashbench load --rate 2000 --seconds 5 --warmup 0 --coupon "$coming" --quiet --output json >"$dir/gate.json"
  sold_out=$(fresh_coupon 1000 1)
  flashbench load --rate 2000 --seconds 5 --warmup 0 --coupon "$sold_out" --first-user 100000 --quiet --output json >"$dir/gate.json" &
  sleep 3
  flashctl coupon update "$sold_out" --total 2000 --yes >>"$dir/up.log" 2>&1
  wait $!
  wait_rows "$sold_out" 2000
  stop_programs_but_peers
  opened_ms=$(psql -qXAt "$PG_URL" -c "SELECT round(extract(epoch FROM min(claimed_at) - min(issue_begin_time)) * 1000)
    FROM user_coupon JOIN coupon ON coupon.id = coupon_id WHERE coupon_id = $coming")
  reopened_ms=$(psql -qXAt "$PG_URL" -c "SELECT round(extract(epoch FROM min(claimed_at) - min(happened_at)) * 1000)
    FROM user_coupon JOIN coupon_event USING (coupon_id) WHERE coupon_id = $sold_out AND operation = 'update' AND claimed_at > happened_at")
  say "  opened $opened_ms ms after its begin, and again $reopened_ms ms after a restock"
}

# What the door costs a request, by the parts (CPU time); PARTS=0 leaves these rows out.
door_rows() {
  [ "${PARTS:-1}" != 0 ] || return 0
  local name what
  while read -r name what; do
    row "$what" "$(sed -n "/\"name\": \"${name//\//\\/}\"/,/cpu_time/s/.*\"cpu_time\": \([0-9.e+]*\),.*/\1/p" "$dir/parts.json" |
      awk '{ printf "%.0f", $1 }')" ns '' ''
  done <<'NAMES'
BM_AuthCredentials auth: headers looked at
BM_AuthGateway auth: gateway signature
BM_AuthToken/HS256 auth: HS256 token
BM_AuthToken/ES256 auth: ES256 token
BM_AuthToken/EdDSA auth: EdDSA token
BM_AuthToken/RS256 auth: RS256 token
BM_AuthBuckets/100000/threads:1 limit: one bucket of 100,000
NAMES
}
