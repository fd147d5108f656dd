#!/usr/bin/env bash
# Configures and builds: build.sh BUILD_DIR TARGET... (all when no target is given). SANITIZE and TEST_POINTS as in CMakeLists.txt.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
dir=$1
shift
mkdir -p "$dir"
quietly() {
  "$@" >"$dir/last.log" 2>&1 || { cat "$dir/last.log" >&2; echo "the build failed: $*" >&2; exit 1; }
}
quietly cmake -G Ninja -S "$top" -B "$dir" -DSANITIZE="${SANITIZE:-}" -DTEST_POINTS="${TEST_POINTS:-OFF}"
# Where there is no terminal, a line now and then: what is done of what there is to do.
progress() {
  local last=$SECONDS line
  while IFS= read -r line; do
    case $line in
      '['[0-9]*) ((SECONDS < last + 15)) || { echo "  ${line%%]*}] after $SECONDS s"; last=$SECONDS; } ;;
      'ninja: Entering directory'* | 'ninja: no work to do.') ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
}
echo "building in ${dir#"$top"/} ..."
if [ -t 1 ]; then ninja -C "$dir" "$@"; else NINJA_STATUS='[%f of %t] ' ninja -C "$dir" "$@" | progress; fi
