#!/usr/bin/env bash
# Builds and runs the test suites, three parts at a time, on private services; `make test`. SANITIZE=address|undefined|thread builds apart.
# SUITE=name takes one suite, FILTER is GoogleTest's. Ends with the ten slowest tests and the line `N passed, N failed`; what this machine did
# not let a test try (a line `UNTRIED: why` in its log) is named and counted before it, and is not among the passed.
# The suites that mostly wait are cut into parts (GoogleTest's shards), each with services of its own: two cores then have something to do.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
case ${SANITIZE:-} in '' | address | undefined | thread) ;; *) echo "SANITIZE must be address, undefined or thread" >&2; exit 2 ;; esac
cd "$top"
# A suite is a folder with GoogleTest sources, or with a run.sh that prints a line `ok ...` or `FAILED ...` for each of its tests.
suites=()
for folder in tests/*/; do
  name=$(basename "$folder")
  case $name in harness | stack) continue ;; esac
  if compgen -G "$folder*.cpp" >/dev/null || [ -x "$folder/run.sh" ]; then suites+=("$name"); fi
done
build=$top/build${SANITIZE:+-$SANITIZE}
logs=$build/test-logs
started=$(date +%s)
ends=$((started + 2400)) # with the build
if [ -n "${SUITE:-}" ]; then
  case " ${suites[*]} " in
    *" $SUITE "*) suites=("$SUITE") ;;
    *) echo "there is no suite '$SUITE'; SUITE is one of: ${suites[*]}" >&2; exit 2 ;;
  esac
fi
export GTEST_FILTER=${FILTER:-*} GTEST_COLOR=no
export LSAN_OPTIONS=suppressions=$here/leaks.supp:print_suppressions=0
# What a sanitizer has to say of a program that a test starts would be lost with its log: every report is a file, and a failure.
reports=$logs/report
export ASAN_OPTIONS=detect_stack_use_after_return=1:log_path=$reports UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports \
  TSAN_OPTIONS=suppressions=$here/races.supp:report_thread_leaks=0:log_path=$reports # a second signal ends a program at once, threads and all

"$here/install.sh" build run test
# Only what the suites need: their tests (CMakeLists.txt says which of them run programs), and where a test asks for it the programs once
# more, with the crash points and the guards that a test may take out. A run.sh builds for itself.
targets=() points=
for suite in "${suites[@]}"; do
  [ -x "tests/$suite/run.sh" ] || targets+=("test_$suite")
  ! grep -qs points_bin_dir "tests/$suite"/*.cpp || points=yes
done
[ -z "${targets[*]}" ] || "$here/build.sh" "$build" "${targets[@]}"
[ -z "$points" ] || TEST_POINTS=ON "$here/build.sh" "$build-points" flashclaim-engine flashclaim-consumer flashctl
rm -rf "$logs"
mkdir -p "$logs"

# The names of the parts, `suite` or `suite.shard-of-shards`; the longest suites first.
parts_of() {
  local suite shards shard
  for suite in "$@"; do
    case $suite in integration) shards=4 ;; chaos | links | drills) shards=2 ;; *) shards=1 ;; esac
    for ((shard = 0; shard < shards; shard++)); do
      echo "$((9 - shards)) $suite$([ $shards = 1 ] || echo ".$shard-of-$shards")"
    done
  done | sort -n -s -k1,1 | cut -d ' ' -f 2
}

run_part() {
  local part=$1 suite=${1%%.*} status=0
  local log=$logs/$part.log program=$build/bin/test_$suite
  [ ! -x "tests/$suite/run.sh" ] || program=tests/$suite/run.sh
  if [ "$part" != "$suite" ]; then
    local shard=${part#*.}
    export GTEST_SHARD_INDEX=${shard%%-*} GTEST_TOTAL_SHARDS=${shard##*-}
  fi
  timeout -k 10 $((ends - $(date +%s))) "$program" </dev/null >"$log" 2>&1 || status=$?
  if [ $status = 0 ]; then echo "  ok      $part"; else
    echo "  FAILED  $part (exit $status): the end of $log"
    grep -E '^FAILED|^\[  FAILED  \]|Failure$|ERROR: |WARNING: ThreadSanitizer|runtime error' "$log" | sort -u | head -n 40 || true
    tail -n 40 "$log"
  fi
  echo "exit $status" >>"$log"
}
export -f run_part
export build logs ends
mapfile -t parts < <(parts_of "${suites[@]}")
printf '%s\n' "${parts[@]}" | xargs -P 3 -I '{}' bash -c 'run_part {}'

: >"$logs/times" # a suite of a run.sh has none
: >"$logs/untried"
# Counted from the logs: a test that began and never ended (a crash, the deadline) has failed.
awk -v suites="${parts[*]}" '
  FNR == 1 { close_file(); n = split(FILENAME, parts, "/"); suite = parts[n]; sub(/\.log$/, "", suite); seen[suite] = 1 }
  /^\[ RUN      \] / { open = $4 }
  /^UNTRIED: / && open != "" { why = substr($0, 10) }
  /^\[       OK \] / { if (why == "") passed++; else print suite " " $4 ": " why > untried; open = why = ""; time_of($4) }
  /^\[  FAILED  \] .* \([0-9]+ ms\)$/ { failed++; failures[suite]++; open = why = ""; time_of($4); print "failed: " suite " " $4 }
  /^ok  / { passed++ }
  /^FAILED  / { failed++; failures[suite]++; print "failed: " suite " " $0 }
  /^exit / { if ($2 != 0 && open == "" && !bad[suite]++) exits[suite] = $2; ended[suite] = 1 }
  function time_of(name) { match($0, /\([0-9]+ ms\)$/); ms = substr($0, RSTART + 1) + 0; print ms " " suite " " name > slow }
  function close_file() { if (open != "") { failed++; failures[suite]++; print "did not end: " suite " " open; open = why = "" } }
  BEGIN { slow = ENVIRON["logs"] "/times"; untried = ENVIRON["logs"] "/untried" }
  END {
    close_file()
    n = split(suites, want, " ")
    for (i = 1; i <= n; i++) if (!ended[want[i]]) { failed++; print "suite did not end: " want[i] }
    for (s in exits) if (!failures[s]) { failed++; print "suite " s " ended with exit " exits[s] " and no failed test" }
    close(slow)
    print passed + 0, failed + 0 > ENVIRON["logs"] "/counts"
  }' "$logs"/*.log
echo "the ten slowest tests:"
sort -rn "$logs/times" | awk 'NR <= 10 { printf "  %8.1f s  %s %s\n", $1 / 1000, $2, $3 }' # head would end sort with SIGPIPE
echo "$(($(date +%s) - started)) s"
read -r passed failed <"$logs/counts"
for report in "$reports".*; do
  [ -e "$report" ] || continue
  failed=$((failed + 1))
  echo "a sanitizer's report, $report:"
  head -n 40 "$report"
done
if [ -s "$logs/untried" ]; then
  echo "$(wc -l <"$logs/untried") untried, neither passed nor failed:"
  sed 's/^/  /' "$logs/untried"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && { [ "$passed" -gt 0 ] || [ -s "$logs/untried" ]; }
