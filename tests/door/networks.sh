#!/usr/bin/env bash
# In a network of its own (unshare -n): starts a proxy and opens 30 connections from each of four IPv6 addresses, to a backend that
# never answers.   networks.sh PORT ADDRESS... -- PROGRAM ARGUMENT...    prints how many of them were refused
set -euo pipefail
port=$1
shift
addresses=()
while [ "$1" != -- ]; do addresses+=("$1"); shift; done
shift
ip link set lo up
for address in "${addresses[@]}"; do ip -6 address add "$address/128" dev lo nodad; done
"$@" </dev/null >&2 &
proxy=$!
trap 'kill $proxy; wait' EXIT
for _ in $(seq 100); do
  ! (exec 3<>"/dev/tcp/::1/$port") 2>/dev/null || break
  sleep 0.1
done
# What the proxy admits waits until curl gives it up (28); what it refuses ends before.
for address in "${addresses[@]}"; do
  curl -sk --no-progress-meter -Z --parallel-immediate --parallel-max 30 --max-time 10 --interface "$address" -o /dev/null -w '%{exitcode}\n' \
    "https://[::1]:$port/coupons/[1-30]" &
  curls+=("$!")
done | { grep -vcx 28 || true; }
