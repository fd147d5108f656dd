#!/usr/bin/env bash
# certificates.sh FOLDER NAME...: an authority (ca.pem, ca.key) and for each name a certificate that it signed (NAME.pem, NAME.key)
# for localhost and 127.0.0.1, made where missing, anew a day before they expire. Prints the names of those that were made.
set -euo pipefail
umask 077
[ $# -ge 2 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
shift
lasts() { openssl x509 -in "$1.pem" -noout -checkend 86400 >/dev/null 2>&1; }
key_and_request() { # name openssl-argument...
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=flashclaim $1" -keyout "$1.key.new" -config /dev/null "${@:2}" 2>/dev/null
}
put() { # the key first: a pair that is half written does not fit, and is made again
  mv "$1.key.new" "$1.key"
  mv "$1.pem.new" "$1.pem"
}
if ! lasts ca; then
  key_and_request ca -x509 -days 3650 -out ca.pem.new -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
  put ca
  rm -f -- "${@/%/.pem}"
fi
for name in "$@"; do
  ! lasts "$name" || ! openssl verify -CAfile ca.pem "$name.pem" >/dev/null 2>&1 || continue
  key_and_request "$name" -out "$name.csr"
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -days 365 -out "$name.pem.new" \
    -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n') 2>/dev/null
  rm "$name.csr"
  put "$name"
  echo "$name"
done
