#!/usr/bin/env bash
# certificates.sh FOLDER NAME...: an authority (ca.pem, ca.key) and for each name a certificate that it signed (NAME.pem, NAME.key)
# for localhost and 127.0.0.1, made where missing or damaged, anew a day before they expire. Prints the names of those that were made.
set -euo pipefail
umask 077
# shellcheck source=tests/stack/files.sh
. "$(dirname "${BASH_SOURCE[0]}")/files.sh"
[ $# -ge 2 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
shift
key_and_request() { # name openssl-argument...
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=flashclaim $1" -keyout "$1.key.new" -config /dev/null "${@:2}" 2>/dev/null
}
if ! pair_lasts ca; then
  key_and_request ca -x509 -days 3650 -out ca.pem.new -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
  put_pair ca
  rm -f -- "${@/%/.pem}"
fi
for name in "$@"; do
  ! pair_lasts "$name" || ! openssl verify -CAfile ca.pem "$name.pem" >/dev/null 2>&1 || continue
  key_and_request "$name" -out "$name.csr"
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -days 365 -out "$name.pem.new" \
    -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n') 2>/dev/null
  rm "$name.csr"
  put_pair "$name"
  echo "$name"
done
