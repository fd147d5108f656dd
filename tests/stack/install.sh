#!/usr/bin/env bash
# Installs what is missing of sections of packages.txt, from Debian: install.sh SECTION...
# Nothing is asked and nothing is touched when all is there. No service is left running, or enabled at boot, that was not before.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
policy=/usr/sbin/policy-rc.d
saved=$policy.before-flashclaim
no_cluster=/etc/postgresql-common/createcluster.d/flashclaim.conf

section() { awk -v want="[$1]" '/^\[/ { on = ($0 == want) } on && /^[a-z0-9]/ { print $1 }' "$here/packages.txt"; }
installed() {
  case $1 in # of NodeSource, a nodejs has an npm that conflicts with Debian's
    nodejs) command -v node >/dev/null && return ;;
    npm) command -v npm >/dev/null && return ;;
  esac
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# What tests/browser needs of npm, in the build; nothing of it runs at the installation.
npm_packages() {
  local from=$here/../browser to=$here/../../build/browser
  ! cmp -s "$from/package-lock.json" "$to/installed" || return 0
  mkdir -p "$to"
  cp "$from/package.json" "$from/package-lock.json" "$to/"
  echo 'installing from npm: what tests/browser/package.json names'
  (cd "$to" && npm ci --silent --no-audit --no-fund --ignore-scripts) || { echo 'npm ci failed (see above)' >&2; return 1; }
  cp "$from/package-lock.json" "$to/installed"
}

restore() {
  rm -f "$no_cluster"
  if [ -e "$saved" ]; then mv -f "$saved" "$policy"; elif grep -qs 'by Flashclaim' "$policy"; then rm -f "$policy"; fi
}

# While packages are set up, Debian asks policy-rc.d whether a service may be started: the answer is no.
forbid_services() {
  restore # a run that was killed may have left its own
  if [ -e "$policy" ]; then mv "$policy" "$saved"; fi
  printf '#!/bin/sh\n# Written by Flashclaim for the time of an installation.\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

# The packages of the servers would be started at the next boot.
disable_new_services() {
  command -v systemctl >/dev/null || return 0
  local package
  for package in "$@"; do
    case $package in
      redis-server | rabbitmq-server | nginx | haproxy | webdis) systemctl disable --quiet "$package.service" ;;
      postgresql-15) systemctl disable --quiet postgresql.service ;;
      erlang-base) systemctl disable --quiet epmd.service epmd.socket ;;
    esac >/dev/null 2>&1 || true
  done
}

install_as_root() {
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 --no-install-recommends)
  trap restore EXIT
  forbid_services
  "${apt[@]}" update
  case " $* " in # PostgreSQL makes a cluster of its own and starts it, unless it is told not to
    *' postgresql-15 '*)
      "${apt[@]}" install postgresql-common
      mkdir -p "${no_cluster%/*}"
      echo 'create_main_cluster = false' >"$no_cluster" ;;
  esac
  "${apt[@]}" install "$@"
  disable_new_services "$@"
}

if [ "${1:-}" = --as-root ]; then
  shift
  install_as_root "$@"
  exit
fi

missing=()
for name in "$@"; do
  for package in $(section "$name"); do installed "$package" || missing+=("$package"); done
done
finish() { case " $* " in *' test '*) npm_packages ;; esac; }
[ ${#missing[@]} -gt 0 ] || { finish "$@"; exit; }
command -v apt-get >/dev/null || { echo "this is not Debian (no apt-get); install by hand: ${missing[*]}" >&2; exit 1; }
echo "installing from Debian: ${missing[*]}"
failed() {
  echo "the packages could not be installed (see above). As root: apt-get install ${missing[*]}" >&2
  exit 1
}
if [ "$(id -u)" = 0 ]; then
  bash "$0" --as-root "${missing[@]}" </dev/null || failed
elif command -v sudo >/dev/null; then
  sudo bash "$0" --as-root "${missing[@]}" || failed
else
  echo "these packages are missing, and there is no sudo to install them. As root: apt-get install ${missing[*]}" >&2
  exit 1
fi
finish "$@"
