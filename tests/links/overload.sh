#!/usr/bin/env bash
# The long form of overload, on a running stack (`make up`, `. .run/env`): the maximum in a closed loop; twice that, open loop; STALL_PERCENT
# of it while Redis is stopped for STALL_SECONDS. After each: the engine's memory, the share of 503 and whether each said Retry-After, from
# when on all was normal again (a second without a refusal, and no claim in it that waited NORMAL_MS). The checker judges each run; exit 1
# when one of them did not hold. MAXIMUM=n: taken as given instead of measured. A generator that cannot send what it should shows in `sent` and
# `lag`: more THREADS.
# SECONDS_EACH=30 CONNECTIONS=512 PIPELINE=32 THREADS=1 STALL_SECONDS=10 STALL_PERCENT=50 NORMAL_MS=1000 ENGINE_PID=(.run/engine.pid)
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${SECONDS_EACH:-30} connections=${CONNECTIONS:-512} stall=${STALL_SECONDS:-10}
: "${HTTP_URL:?run '. .run/env' first}" "${REDIS_URL:?run '. .run/env' first}"
engine=${ENGINE_PID:-$(cat "${FLASHCLAIM_RUN:-$top/.run}/engine.pid")}
report=$(mktemp)
failed=0 resumed_ms=0
trap 'rm -f "$report"' EXIT

load() { # argument of flashbench load...
  flashbench load --connections "$connections" --threads "${THREADS:-1}" --settle --timeline --output json "$@" >"$report"
}
field() { # the first number of that name in the report
  local value
  value=$(grep -oE "\"$1\":\"?[0-9.]+" "$report" | head -n 1 | tr -d '"')
  printf '%s\n' "${value#*:}"
}
duration() { # histogram field: in milliseconds
  grep -oE "\\{\"name\":\"$1\"[^}]*\\}" "$report" | grep -oE "\"$2\":[0-9]+" | awk -F: '{ printf "%.1f\n", $2 / 1000 }'
}
refusals() { # code
  grep -oE "\"code\":\"$1\",\"claims\":[0-9]+" "$report" | grep -oE '[0-9]+$' || echo 0
}
timeline() { # one second a line: number, sent, accepted, refused, other, slowest in us
  grep -oE '\{"second":[^}]*\}' "$report" | tr -d '{}"a-zA-Z:' | tr , ' '
}
sent_a_second() { # within the plan
  timeline | awk -v last="$(field plannedSeconds)" '$1 <= last && (!n++ || $2 < least) { least = $2 } $1 <= last && $2 > most { most = $2 }
    END { print least, "to", most }'
}
memory() { awk -v line="$1:" '$1 == line { printf "%.1f MiB\n", $2 / 1024 }' "/proc/$engine/status"; }
begin() { # title
  echo "$1"
  echo 5 >"/proc/$engine/clear_refs" # its peak is counted from here
  before=$(memory VmRSS)
}
print_run() {
  local accepted unknown busy not_ready
  accepted=$(field accepted) unknown=$(field outcomeUnknown) busy=$(refusals BUSY) not_ready=$(refusals NOT_READY)
  echo "   sent $(sent_a_second) claims a second for $(field plannedSeconds) s, unsent $(field unsent) of $(field due);" \
    "accepted $accepted ($(field acceptedPerSecond)/s)"
  echo "   503: BUSY $busy, NOT_READY $not_ready, OUTCOME_UNKNOWN $unknown: $(awk -v n=$((busy + not_ready + unknown)) -v all="$(field due)" \
    'BEGIN { printf "%.1f %%", all ? 100 * n / all : 0 }'); without Retry-After $(field withoutRetryAfter)"
  echo "   service ms: p50 $(duration service p50Us) p99 $(duration service p99Us) max $(duration service maxUs);" \
    "accepted, from when due: p99 $(duration accepted p99Us) max $(duration accepted maxUs); lag p99 $(duration lag p99Us)"
  echo "   engine: $before before, $(memory VmHWM) at most, $(memory VmRSS) after; settled $(field settled) in $(field drainSeconds) s"
}
# The first second from which on every second of the plan was normal, counted from SIGCONT.
print_normal_again() {
  timeline | awk -v started="$(field startedAtMs)" -v resumed="$resumed_ms" \
    -v last="$1" -v slow="${NORMAL_MS:-1000}" '
    $1 <= last && ($4 > 0 || $5 > 0 || $6 > slow * 1000) { bad = $1 }
    $1 <= last { printf "   second %d: sent %d, accepted %d, refused %d, other %d, slowest %.0f ms\n", $1, $2, $3, $4, $5, $6 / 1000 }
    END {
      if (bad >= last) { print "   NOT normal again when the run ended"; exit 1 }
      printf "   normal again at most %.1f s after Redis went on\n", (started + (bad + 1) * 1000 - resumed) / 1000
    }' || failed=1
}

if [ -z "${MAXIMUM:-}" ]; then
  begin '1. the maximum, closed loop'
  load --rate max --seconds 10 || failed=1
  print_run
  MAXIMUM=$(field acceptedPerSecond)
fi
begin "2. twice that, open loop: $((2 * MAXIMUM)) claims/s"
load --rate $((2 * MAXIMUM)) --seconds "$seconds" --pipeline "${PIPELINE:-32}" --drain 60 || failed=1
print_run
rate=$((MAXIMUM * ${STALL_PERCENT:-50} / 100))
begin "3. $rate claims/s, Redis stopped for $stall s"
redis=$(redis-cli -u "$REDIS_URL" --no-auth-warning info server | sed -nE 's/^process_id:([0-9]+).*/\1/p')
length=$((5 + stall + 15))
load --rate "$rate" --seconds "$length" --pipeline "${PIPELINE:-32}" --drain 60 &
loading=$!
sleep 5
kill -STOP "$redis"
trap 'kill -CONT "$redis"; rm -f "$report"' EXIT
sleep "$stall"
kill -CONT "$redis"
resumed_ms=$(date +%s%3N)
trap 'rm -f "$report"' EXIT
wait "$loading" || failed=1
print_run
print_normal_again "$length"
exit $failed
