# shellcheck shell=bash
# Sourced by the scripts here: files that a start needs, and that nobody else may read.
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
