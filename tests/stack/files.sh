# shellcheck shell=bash
# Sourced by the scripts here: files that a start needs, and secrets.
# What of our environment is a secret: what is started from here on does not inherit it.
forget_secrets() {
  local name
  for name in $(compgen -e); do
    case $name in *_URL | *_URL_FILE | *AUTH* | *PASS* | *SECRET* | *TOKEN* | *_KEY*) unset "$name" ;; esac
  done
}
# Whole and on the disk, with its name, or not at all: a power cut leaves the old file or the new one.
put_file() { # file text
  rm -f "$1.new"
  (umask 077 && printf '%s\n' "$2" >"$1.new") && sync "$1.new" && put_in_place "$1.new" "$1"
}
# Gives a file that is written and synced, or a folder, its name.
put_in_place() { # from to
  mv -T "$1" "$2" && sync "$(dirname "$2")"
}
random_hex() { od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'; } # bytes
copy_file() { # from to
  cmp -s "$1" "$2" && return
  cp "$1" "$2.new" && sync "$2.new" && put_in_place "$2.new" "$2"
}
# NAME.pem is good for more than a day, and NAME.key is its key.
pair_lasts() { # path without the ending
  openssl x509 -in "$1.pem" -noout -checkend 86400 >/dev/null 2>&1 &&
    [ "$(openssl x509 -in "$1.pem" -noout -pubkey 2>/dev/null)" = "$(openssl pkey -in "$1.key" -pubout 2>/dev/null)" ]
}
put_pair() { # path: of its two files that end in .new. The key first: a pair that is half written does not fit, and is made again
  sync "$1.key.new" "$1.pem.new"
  put_in_place "$1.key.new" "$1.key"
  put_in_place "$1.pem.new" "$1.pem"
}
