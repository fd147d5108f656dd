#!/usr/bin/env bash
# The schema as all migrations together leave it, as SQL that can be read.
#   schema.sh                writes sql/schema.sql, by applying sql/NNNN_*.sql in a private PostgreSQL; `make schema`
#   schema.sh print PG_URL   prints the schema of a database, in the same form; changes nothing
# Tables come first, each with its constraints and indexes, then views, then functions by name, each with what PUBLIC lost.
# A line above each says which migration has its text, and its comments. Owners, grants, dates and versions are left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
pg_bin=/usr/lib/postgresql/15/bin
dir='' port=$((20000 + $$ % 10000)) # of the private server

print_schema() { # url
  "$pg_bin/pg_dump" --schema-only --no-owner --schema=public "$1" | awk '
    # First the migrations: where each object has its text, in the last one that creates it and those that alter it afterwards.
    !dump {
      if (!/^(CREATE|ALTER) /) next
      short = FILENAME
      sub(/.*\//, "", short)
      sub(/OR REPLACE /, "")
      split($0, words, /[ (;]/)
      if (words[1] == "CREATE") home[words[2], words[3]] = short
      else if (index(home[words[2], words[3]], short) == 0) home[words[2], words[3]] = home[words[2], words[3]] ", " short
      next
    }
    # Blocks of pg_dump are brought into an order of their own: by kind, by object, then as pg_dump has them.
    function begin_block(name, type,   rank, object) {
      object = name
      sub(/^(FUNCTION|TABLE|COLUMN) /, "", object)
      sub(/[ (].*/, "", object)
      if (type ~ /^(TABLE|CONSTRAINT|FK CONSTRAINT|INDEX|SEQUENCE)$/) rank = 1
      else if (type == "VIEW") rank = 2
      else if (type == "FUNCTION" || (type == "ACL" && name ~ /^FUNCTION /)) rank = 3
      else if (type == "ACL" || type == "SCHEMA" || name ~ /^SCHEMA /) rank = 0
      else { print "schema.sh does not know where to put " type " " name > "/dev/stderr"; bad = 1 }
      n++
      block_rank[n] = rank; block_object[n] = object; block_type[n] = type; text[n] = ""
    }
    /^-- Name: / {
      split($0, part, "; ")
      sub(/^-- Name: /, "", part[1]); sub(/^Type: /, "", part[2])
      begin_block(part[1], part[2])
      next
    }
    n == 0 || /^\\(un)?restrict / || /^(SET|SELECT pg_catalog\.set_config)/ && !inside { next }
    /^--/ && !inside { next } # the frame of a block; what a function says stays
    /\$\$|\$_\$/ { if (gsub(/\$_?\$/, "&") % 2) inside = !inside }
    { gsub(/public\./, ""); if (/^CREATE FUNCTION/) sub(/\) RETURNS /, ")\n    RETURNS "); text[n] = text[n] $0 "\n" }
    # An index and the sequence of a column stand with their table.
    block_type[n] == "INDEX" && match($0, / ON [a-z_]+/) { block_object[n] = substr($0, RSTART + 4, RLENGTH - 4) }
    block_type[n] == "SEQUENCE" && match($0, /^ALTER TABLE [a-z_]+/) { block_object[n] = substr($0, 13, RLENGTH - 12) }
    END {
      if (bad) exit 1
      print "-- The schema as all migrations together leave it. Written by `make schema`, compared by tests/sql; never applied, never edited."
      print "-- The comments above tables and functions, with their contracts, are in the migration that each names."
      for (rank = 1; rank <= 3; rank++) {
        last = ""
        for (;;) { # the next object by name: few enough to look through
          least = ""
          for (i = 1; i <= n; i++)
            if (block_rank[i] == rank && block_object[i] > last && (least == "" || block_object[i] < least)) least = block_object[i]
          if (least == "") break
          last = least
          kind = rank == 1 ? "TABLE" : rank == 2 ? "VIEW" : "FUNCTION"
          print "\n-- " least ": " home[kind, least]
          for (i = 1; i <= n; i++) if (block_rank[i] == rank && block_object[i] == least && block_type[i] != "ACL") show(text[i])
          for (i = 1; i <= n; i++) if (block_rank[i] == rank && block_object[i] == least && block_type[i] == "ACL") show_revoked(text[i])
        }
      }
    }
    function show(body) { gsub(/^\n+|\n+$/, "", body); print body }
    # The grants to roles are `flashctl access`: not of the schema.
    function show_revoked(body,   lines, count, i) {
      count = split(body, lines, "\n")
      for (i = 1; i <= count; i++) if (lines[i] ~ /^REVOKE .* FROM PUBLIC;/) print lines[i]
    }' "$top"/sql/[0-9]*.sql dump=1 -
}

clean_up() {
  [ -z "$dir" ] || { "$here/service.sh" kill postgres "$dir/postgres" "$port"; rm -rf "$dir"; }
}
write_schema() {
  local url migration
  "$here/install.sh" run
  trap clean_up EXIT
  dir=$(mktemp -d)
  POSTGRES_EXTRA='-c fsync=off' "$here/service.sh" start postgres "$dir/postgres" "$port"
  PGPASSWORD=$(cat "$dir/postgres/password")
  export PGPASSWORD
  url=postgresql://flashclaim@127.0.0.1:$port/postgres
  for migration in "$top"/sql/[0-9]*.sql; do
    "$pg_bin/psql" -qXAt -1 -v ON_ERROR_STOP=1 -f "$migration" "$url" >/dev/null
  done
  print_schema "$url" >"$dir/schema.sql"
  cat "$dir/schema.sql" >"$top/sql/schema.sql"
}

case ${1:-} in
  '') write_schema ;;
  print) print_schema "$2" ;;
  *) sed -n '2,4p' "$0" >&2; exit 2 ;;
esac
