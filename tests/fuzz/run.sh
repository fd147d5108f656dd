#!/usr/bin/env bash
# Builds the fuzz targets with clang (address and undefined sanitizers) and runs each on its corpus; `make fuzz`, and a suite of
# `make test`.   tests/fuzz/run.sh [SECONDS in total, 60] [TARGET]     prints `ok  NAME …` or `FAILED  NAME …` for each
# What a run finds new is kept in build-fuzz/corpus; a failing input in build-fuzz/findings. MERGE=1 then adds to the corpus of the
# repository what covers more.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
seconds=${1:-60}
build=$top/build-fuzz
"$top/tests/stack/install.sh" build test
mkdir -p "$build/findings"
targets=()
for source in "$here"/*.cpp; do
  name=$(basename "$source" .cpp)
  [ -z "${2:-}" ] || [ "$name" = "$2" ] || continue
  targets+=("$name")
done
[ -e "$build/build.ninja" ] || cmake -G Ninja -S "$top" -B "$build" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DFUZZ=ON >"$build/cmake.log"
ninja -C "$build" "${targets[@]/#/fuzz_}" >"$build/build.log" 2>&1 || { tail -n 30 "$build/build.log"; echo "FAILED  the build of the fuzz targets"; exit 1; }
# hiredis and llhttp are C: their memory is watched, their arithmetic is theirs.
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
each=$((seconds / ${#targets[@]}))
[ "$each" -gt 0 ] || each=1
failed=0
all=0
for name in "${targets[@]}"; do
  known=$here/corpus/$name
  found=$build/corpus/$name
  mkdir -p "$known" "$found"
  log=$build/$name.log
  case $name in text) longest=128 ;; config | http_*) longest=2048 ;; *) longest=1024 ;; esac # as long as it takes, or it is only slow
  status=0
  "$build/bin/fuzz_$name" -max_total_time="$each" -timeout=60 -rss_limit_mb=4096 -max_len=$longest -print_final_stats=1 \
    -artifact_prefix="$build/findings/$name-" "$found" "$known" >"$log" 2>&1 </dev/null || status=$?
  inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  all=$((all + ${inputs:-0}))
  if [ $status = 0 ]; then echo "ok  fuzz_$name $inputs inputs in $each s"; else
    failed=$((failed + 1))
    echo "FAILED  fuzz_$name: $log"
    grep -E 'ERROR: |SUMMARY: |runtime error|Test unit written|depend on' "$log" | head -n 10 || true
  fi
  if [ -n "${MERGE:-}" ]; then "$build/bin/fuzz_$name" -merge=1 -use_counters=0 -max_len="$longest" "$known" "$found" >"$log.merge" 2>&1 || true; fi
done
echo "fuzz: $all inputs, $failed of ${#targets[@]} targets failed"
[ "$failed" = 0 ]
