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
if ! ninja -C "$dir" -n "$@" 2>/dev/null | grep -q 'no work to do'; then
  echo "building in ${dir#"$top"/} ..."
  ninja -C "$dir" --quiet "$@"
fi
