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
echo "building in ${dir#"$top"/} ..."
if [ -t 1 ]; then ninja -C "$dir" "$@"; else ninja -C "$dir" --quiet "$@" | sed '/^ninja: no work to do\.$/d'; fi
