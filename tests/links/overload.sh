#!/usr/bin/env bash
# The long form of overload, on a running stack (`make up`, `. .run/env`): measures the maximum, offers twice that open-loop, stops Redis for
# 10 s under load. The checker judges each run. SECONDS_EACH=30 CONNECTIONS=512.
set -euo pipefail
seconds=${SECONDS_EACH:-30}
connections=${CONNECTIONS:-512}
: "${HTTP_URL:?run '. .run/env' first}" "${REDIS_URL:?run '. .run/env' first}"
load() { flashbench load --seconds "$seconds" --connections "$connections" --settle --output json "$@"; }
rate_of() { sed -nE 's/.*"acceptedPerSecond": *"?([0-9]+).*/\1/p' | head -n 1; }

echo "1. the maximum, closed loop"
most=$(flashbench load --rate max --seconds 10 --connections "$connections" --settle --output json)
echo "$most"
maximum=$(rate_of <<<"$most")
[ -n "$maximum" ] || { echo "no rate in the report" >&2; exit 1; }
echo "2. twice that, open loop: $((2 * maximum)) claims/s"
load --rate $((2 * maximum)) --pipeline 32
echo "3. half of it, Redis stopped for 10 s in the middle"
redis=$(redis-cli -u "$REDIS_URL" info server | sed -nE 's/^process_id:([0-9]+).*/\1/p')
load --rate $((maximum / 2)) &
sleep $((seconds / 3))
kill -STOP "$redis"
trap 'kill -CONT "$redis"' EXIT
sleep 10
kill -CONT "$redis"
trap - EXIT
wait
