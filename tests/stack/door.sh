#!/usr/bin/env bash
# What the engine's door needs beside it: door.sh make FOLDER writes gateway.keys, engine.pem and engine.key where they are missing
# (the certificate also when it is damaged, and a day before it expires); door.sh sign FOLDER METHOD PATH USER [KEY] prints the headers of a gateway for
# one request, for `curl -H @-`; KEY is its Idempotency-Key. The secret never stands in an argument that others could see.
set -euo pipefail
umask 077

# shellcheck source=tests/stack/files.sh
. "$(dirname "${BASH_SOURCE[0]}")/files.sh"

make() {
  mkdir -p "$1"
  if [ -e "$1/gateway.keys" ] && ! grep -qE '^[^ ]+ [0-9a-fA-F]{64,}$' "$1/gateway.keys"; then
    echo "$1/gateway.keys holds no key (a power cut?): put back the line that your gateways have; or remove it for a new key, which each of them then needs" >&2
    exit 1
  fi
  [ -e "$1/gateway.keys" ] || put_file "$1/gateway.keys" "gateway-1 $(openssl rand -hex 32)"
  ! pair_lasts "$1/engine" || return 0
  [ ! -e "$1/engine.pem" ] || echo "$1/engine.pem is about to expire, or does not fit engine.key: both are made anew, and clients that trust it need the new one" >&2
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=flashclaim -keyout "$1/engine.key.new" \
    -out "$1/engine.pem.new" -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
  put_pair "$1/engine"
}

# Python's hmac and openssl's -macopt would do, but show the secret or need more packages: HMAC by its definition (RFC 2104), over pipes.
xored() { # hex byte
  local hex=$1 i
  for ((i = 0; i < 128; i += 2)); do printf '\\x%02x' $((16#${hex:i:2} ^ $2)); done
}
hmac() { # hex-secret of 32 to 64 bytes, text on stdin
  local padded=$1
  while [ ${#padded} -lt 128 ]; do padded=${padded}0; done
  # shellcheck disable=SC2059 # the format is the bytes
  { printf "$(xored "$padded" 0x5c)"; { printf "$(xored "$padded" 0x36)"; cat; } | openssl dgst -sha256 -binary; } |
    openssl dgst -sha256 -r | cut -d' ' -f1
}
sign() {
  local id secret now key=${5:-}
  read -r id secret <"$1/gateway.keys"
  now=$(date +%s)
  printf 'X-User-Id: %s\nX-Auth-Time: %s\nX-Auth-Key: %s\nX-Auth-Signature: %s\n' "$4" "$now" "$id" \
    "$({ printf '%s\n%s\n%s\n%s' "$2" "$3" "$4" "$now"; [ -z "$key" ] || printf '\nidempotency-key:%s' "$key"; } | hmac "$secret")"
  [ -z "$key" ] || printf 'Idempotency-Key: %s\n' "$key"
}

case "${1:-} $#" in
  'make 2') make "$2" ;;
  'sign 5' | 'sign 6') sign "${@:2}" ;;
  *) sed -n '2,4p' "$0" >&2; exit 2 ;;
esac
