# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by service.sh: PostgreSQL. It refuses root: as root it runs as the user postgres, without any capability.
#
# The data folder is that user's. The folder around it is ours, and that user may only pass through it: root writes nothing in a folder
# of another user, where a link could lead it elsewhere. The data folder is opened by us and named by its descriptor: so it may
# lie below folders that nobody but root may enter, such as /root.
postgres_pid_file=$dir/data/postmaster.pid
pg_bin=/usr/lib/postgresql/15/bin
opened=/proc/self/fd/9
as_root() { [ "$(id -u)" = 0 ]; }
postgres_run() { # folder program argument...: the program finds the folder as $opened
  (
    exec 9<"$1"
    cd /
    shift
    ! as_root || exec setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=-all --no-new-privs -- "$@"
    exec "$@"
  )
}
postgres_fails() { echo "PostgreSQL: $*" >&2; exit 1; }

# As root: the folder is ours, with everything beside the data. An earlier version had given it to the user postgres.
postgres_own_folder() {
  as_root || return 0
  chown root:postgres "$dir"
  chmod 710 "$dir"
  if [ -f "$dir/password" ] && [ ! -L "$dir/password" ] && [ "$(stat -c %h "$dir/password")" = 1 ]; then chown root "$dir/password"; fi
  local foreign
  foreign=$(find "$dir" -mindepth 1 \( -path "$dir/data" -o -path "$dir/data.*" \) -type d -prune -o \
    \( ! -uid 0 -o -type f -links +1 \) -print -quit)
  [ -z "$foreign" ] || postgres_fails "$foreign is not root's alone: somebody else may have put it there. Look at it, then move it away."
  [ -d "$dir/tls" ] || return 0
  chgrp postgres "$dir/tls" "$dir"/tls/*
  chmod 750 "$dir/tls"
  chmod 640 "$dir"/tls/*
}

holds_database() { [ -e "$1/global/pg_control" ]; }
# A database is built beside its place, synced, and then named: whatever has the name `data` is whole, and is never removed.
postgres_init() {
  if holds_database "$dir/data.new"; then
    mv -T "$dir/data.new" "$dir/data.unfinished.$(date +%s)"
    echo "PostgreSQL: an earlier start was cut short; what it left is in $dir/data.unfinished.*, and can be removed" >&2
  fi
  rm -rf "$dir/data.new"
  mkdir "$dir/data.new"
  ! as_root || chown postgres: "$dir/data.new"
  [ -s "$dir/password" ] || put_file "$dir/password" "$(random_hex 24)"
  # shellcheck disable=SC2016 # a pipe that is made by the user postgres is one that it may open
  postgres_run "$dir/data.new" bash -c 'exec "$0" "$@" --pwfile=<(cat <&8)' "$pg_bin/initdb" -D "$opened" -U flashclaim \
    -A scram-sha-256 -E UTF8 --locale=C.UTF-8 8<"$dir/password" >"$dir/initdb.log" 2>&1 ||
    { echo "initdb failed:" >&2; tail -n 5 "$dir/initdb.log" >&2; exit 1; }
  sync "$dir/data.new" "$dir"
  put_in_place "$dir/data.new" "$dir/data"
}
# Says what is wrong with a folder that a power cut, or a person, has damaged, and touches nothing.
postgres_need_database() {
  if [ ! -e "$dir/data" ] || rmdir "$dir/data" 2>/dev/null; then postgres_init; fi
  holds_database "$dir/data" ||
    postgres_fails "$dir/data is not empty, and holds no database (there is no global/pg_control). Nothing was removed." \
      "Restore it from a backup; or begin with an empty database: mv '$dir/data' '$dir/data.damaged'"
  [ -s "$dir/data/PG_VERSION" ] ||
    postgres_fails "$dir/data/PG_VERSION is missing or empty (a power cut?). Nothing was removed." \
      "It held the number 15: echo 15 | tee '$dir/data/PG_VERSION'; or restore the folder from a backup"
  if [ -e "$dir/initdb.unfinished" ]; then # of an earlier version, whose removal may never have reached the disk
    echo "PostgreSQL: $dir/data holds a database: it is used, though the file initdb.unfinished lay beside it" >&2
    rm -f "$dir/initdb.unfinished"
  fi
  [ -s "$dir/password" ] ||
    postgres_fails "$dir/password, the superuser's, is missing or empty (a power cut?). Put it back; or give the server" \
      "another, no data is touched: '${BASH_SOURCE[0]%/*}/service.sh' password postgres '$dir' $port"
}

# After a kill -9, backends live on for a moment, and PostgreSQL takes a process that is dead but not reaped for a running
# server. Nothing works in the data folder any more: only then the old pid file, its guard, may go.
postgres_await_orphans() {
  local cwd orphan
  for _ in $(seq 300); do
    orphan=''
    for cwd in /proc/[0-9]*/cwd; do [ "$cwd" -ef "$dir/data" ] && orphan=$cwd; done
    [ -n "$orphan" ] || { postgres_run "$dir/data" rm -f "$opened/postmaster.pid"; return 0; }
    sleep 0.1
  done
}
# With TLS, its own list of who may come: the first one of initdb lets everybody in who knows a password, plainly too.
postgres_tls_options() {
  [ -d "$dir/tls" ] || return 0
  # shellcheck disable=SC2016
  echo 'hostssl all all 127.0.0.1/32 scram-sha-256' | postgres_run "$dir/data" sh -c 'cat >"$0"' "$opened/pg_hba_tls.conf"
  printf ' -c %s' ssl=on ssl_min_protocol_version=TLSv1.2 ssl_cert_file=../tls/server.pem ssl_key_file=../tls/server.key \
    "hba_file=$opened/pg_hba_tls.conf"
}
# A certificate that was made anew is shown from the next connection on; those that are open stay.
postgres_reload_certificate() {
  [ ! -d "$dir/tls" ] || postgres_run "$dir/data" "$pg_bin/pg_ctl" -D "$opened" reload >/dev/null
}
postgres_start() {
  home=$dir/data
  postgres_own_folder
  postgres_need_database
  if running_pid "$postgres_pid_file" >/dev/null; then
    ! "$pg_bin/pg_isready" -q -h 127.0.0.1 -p "$port" || { postgres_reload_certificate; return 0; }
  else
    refuse_taken_port "$port"
    postgres_await_orphans
  fi
  # TCP only: the path of a Unix socket is bounded at 107 bytes and ours may be longer.
  postgres_run "$dir/data" "$pg_bin/pg_ctl" -D "$opened" -l "$opened/server.log" -w -t 600 -o \
    "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=100 -c shared_buffers=256MB \
     -c max_wal_size=2GB -c checkpoint_completion_target=0.9 -c fsync=on -c synchronous_commit=on$(postgres_tls_options) ${POSTGRES_EXTRA:-}" start \
    </dev/null >"$dir/start.log" 2>&1 && return 0
  postgres_run "$dir/data" tail -n 8 "$opened/server.log" >>"$dir/start.log" 2>&1 || true
  failed_start PostgreSQL "$dir/start.log"
}
postgres_stop() {
  home=$dir/data
  running_pid "$postgres_pid_file" >/dev/null || return 0
  postgres_run "$dir/data" "$pg_bin/pg_ctl" -D "$opened" -m fast -w -t 60 stop >/dev/null 2>&1 ||
    postgres_run "$dir/data" "$pg_bin/pg_ctl" -D "$opened" -m immediate -w stop >/dev/null 2>&1 || true
}
postgres_kill() { home=$dir/data; kill_pid_file "$postgres_pid_file"; }
# A new password of the superuser for a server that does not run: its own is lost.
postgres_password() {
  home=$dir/data
  postgres_own_folder
  holds_database "$dir/data" || postgres_fails "$dir/data holds no database"
  ! running_pid "$postgres_pid_file" >/dev/null || postgres_fails 'it runs: stop it first (make down)'
  postgres_await_orphans
  local password
  password=$(random_hex 24)
  postgres_run "$dir/data" "$pg_bin/postgres" --single -D "$opened" postgres >"$dir/start.log" 2>&1 \
    <<<"ALTER ROLE flashclaim PASSWORD '$password'" || failed_start PostgreSQL "$dir/start.log"
  ! grep -q ERROR "$dir/start.log" || failed_start PostgreSQL "$dir/start.log"
  put_file "$dir/password" "$password"
  echo "the superuser has a new password: $dir/password"
}
