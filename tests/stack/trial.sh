# shellcheck shell=bash
# shellcheck disable=SC2154 # here, run, door, base, http_port, ca are those of stack.sh
# Sourced by stack.sh: the stack is tried once after its start, and its logs are looked through.
ask() { # method path user: one request, as a client sends it
  if [ "$door" = off ]; then
    curl -sS --max-time 40 -X "$1" -H "X-User-Id: $3" "http://127.0.0.1:$http_port$2"
  else
    "$here/door.sh" sign "$run/door" "$1" "${2%%\?*}" "$3" |
      curl -sS --max-time 40 -X "$1" -H @- --cacert "$run/door/engine.pem" "https://127.0.0.1:$http_port$2"
  fi
}
# The whole path once, by HTTP: what a client is told of his claim.
follow_a_claim() {
  local answer claim user
  user=$(date +%s%3N)
  answer=$(ask POST /coupons/1/receive "$user") || fail 'the engine does not answer: see .run/log/engine.log'
  claim=$(sed -n 's/.*"claimId":"\([^"]*\)".*/\1/p' <<<"$answer")
  case $answer in
    *'"status":"pending"'*) ;;
    *'"SOLD_OUT"'* | *'"PAUSED"'* | *'"ENDED"'*) say "no claim was followed: nobody can claim the demo coupon now ($answer)"; return 0 ;;
    *) fail "a claim of the demo coupon was not accepted: $answer" ;;
  esac
  answer=$(ask GET "/claims/$claim?wait=30s" "$user") || true
  case $answer in
    *'"status":"settled"'*) say "one claim was followed through HTTP until it was settled: $claim" ;;
    *) fail "the claim $claim was accepted and did not settle: $answer (see .run/log/engine.log, .run/log/consumer.log); make down stops the stack" ;;
  esac
}
# --- witnesses: since the start nobody was denied a right, and no program said that a person must act
redis_as_admin() {
  local secured=()
  [ "$door" = off ] || secured=(--tls --cacert "$ca")
  REDISCLI_AUTH=$(key redis-admin) redis-cli -p $((base + 2)) "${secured[@]}" --user admin "$@"
}
witnesses=() # the logs, and how long each was at the start
witness_begin() {
  local log
  redis_as_admin ACL LOG RESET >/dev/null
  for log in "$run"/log/{engine,consumer}.log "$run/rabbitmq/log/flashclaim@localhost.log" "$run/postgres/data/server.log"; do
    witnesses+=("$(stat -c %s "$log" 2>/dev/null || echo 0) $log")
  done
}
witness_end() {
  local entry found
  found=$(
    redis_as_admin ACL LOG | sed '/^$/d; s/^/redis ACL LOG: /'
    for entry in "${witnesses[@]}"; do
      tail -c "+$((${entry%% *} + 1))" "${entry#* }" | grep -aE ' level=error |permission denied|access_refused' | sed "s#^#${entry#* }: #" || true
    done
  )
  [ -z "$found" ] || fail "something went wrong that no answer showed; make down stops the stack:
$(head -n 20 <<<"$found")"
}
