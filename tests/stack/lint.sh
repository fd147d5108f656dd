#!/usr/bin/env bash
# `make lint`: formats, names, rooms, scripts. What the compiler warns of (-Wall -Wextra -Werror) the build holds.
# lint.sh [STEP...]: those steps only, of `steps` below; `quick` is all that take seconds. Each looks at the whole project.
# shellcheck disable=SC2317,SC2016 # the checks are called through step
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
steps=(format shell rooms arrows shape lessons prose lua tidy)
[ $# -gt 0 ] || set -- "${steps[@]}"
[ "$*" != quick ] || set -- "${steps[@]:0:8}"
for step in "$@"; do
  case " ${steps[*]} " in
    *" $step "*) ;;
    *) echo "there is no step '$step'; STEP is one of: ${steps[*]} quick" >&2; exit 2 ;;
  esac
done
"$here/install.sh" build test
sources() { git ls-files --cached --others --exclude-standard -- "$@"; }

format() { sources '*.h' '*.cpp' | xargs -r -d '\n' clang-format --dry-run -Werror; }
shell() { { sources '*.sh'; echo .ci/run; } | xargs -r -d '\n' shellcheck; }

# A third-party header appears in its room only; tests and bench go through the rooms.
rooms() {
  local found
  found=$(
    outside() { # header-regex allowed-path-regex
      sources 'engine/*' 'consumer/*' 'bench/*' 'tests/*' | grep -E '\.(h|cpp)$' | grep -vE "$2" |
        xargs -r -d '\n' grep -lE "#include *<$1" | sed "s#^#  <$1> in #" || true
    }
    outside 'hiredis/' '^engine/redis/'
    outside '(amqp[a-z_]*\.h|rabbitmq-c/)' '^engine/amqp/'
    outside 'pqxx/' '^(consumer|engine/postgres)/'
    outside 'event2/' '^engine/(loop|http)/'
    outside 'llhttp' '^engine/http/'
    outside 'openssl/' '^(engine/(access|base|auth|http|net)|tests/harness)'
  )
  [ -z "$found" ] || { printf 'third-party headers outside their room:\n%s\n' "$found"; return 1; }
  found=$(sources 'engine/*.cpp' 'consumer/*.cpp' 'bench/*.cpp' | grep -vx engine/base/environment.cpp |
    xargs -r -d '\n' grep -n 'getenv' || true)
  [ -z "$found" ] || { printf 'the environment is read by engine/base/environment.h only:\n%s\n' "$found"; return 1; }
}

# CMakeLists.txt says with room() which room may include which, and a room stands below those that it may include:
# an arrow that is not declared there, or that runs up, fails.
arrows() {
  local found files
  mapfile -t files < <(sources 'engine/*.h' 'engine/*.cpp' 'consumer/*.h' 'consumer/*.cpp' 'bench/*.h' 'bench/*.cpp' |
    grep -v '^bench/parts/')
  found=$(
    awk '
      FNR == NR {
        if (!/^room\(/) next
        gsub(/^room\(|\).*/, "")
        name = $1
        room_of[$2] = name
        for (i = 3; i <= NF; ++i) if ($i ~ /^fc_/ && $i != "fc_assets") {
          to = substr($i, 4)
          if (!(to in known)) print "  CMakeLists.txt: " name " stands above " to
          may[name, to] = 1
        }
        known[name] = 1
        next
      }
      FNR == 1 { dir = FILENAME; sub(/\/[^\/]*$/, "", dir); here = room_of[dir] }
      /^#include "/ {
        split($0, part, "\"")
        to = part[2]
        sub(/\/[^\/]*$/, "", to)
        if (to in room_of && room_of[to] != here && !((here, room_of[to]) in may))
          print "  " FILENAME ":" FNR ": " here " may not include " room_of[to]
      }' CMakeLists.txt "${files[@]}"
  )
  [ -z "$found" ] || { printf 'includes that CMakeLists.txt does not declare:\n%s\n' "$found"; return 1; }
}

# What the shape of the project promises.
shape() {
  local found
  found=$(sources | cut -d/ -f1 | sort -u | grep -vxE '\..*|CMakeLists\.txt|Makefile|README\.md|lua|engine|consumer|sql|bench|tests' || true)
  [ -z "$found" ] || { printf 'at the top level, outside the shape:\n%s\n' "$found"; return 1; }
  found=$(sources lua engine consumer sql bench tests | xargs -r -d '\n' grep -nE 'GTEST_SKI[P]|DISABLE[D]_|\b(TOD[O]|FIXM[E]|XX[X])\b' || true)
  [ -z "$found" ] || { printf 'skipped or unfinished:\n%s\n' "$found"; return 1; }
  found=$(sources | grep -E '\.(cpp|h|lua|sql|sh|js)$' | grep -vx sql/schema.sql | xargs -r -d '\n' wc -l | awk '$1 > 450 && $2 != "total"')
  [ -z "$found" ] || { printf 'files over 450 lines:\n%s\n' "$found"; return 1; }
}

# The tests that tests/README.md names for the lessons exist.
lessons() {
  local unknown
  unknown=$(comm -23 <(grep -oE '[`][A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]*[`]' tests/README.md | tr -d '\140' | sort -u) \
    <(sources 'tests/*.cpp' | xargs -d '\n' sed -nE 's/^TEST(_F|_P)?\(([A-Za-z0-9]+), *([A-Za-z0-9]+)\).*/\2.\3/p' | sort -u))
  [ -z "$unknown" ] || { printf 'tests/README.md names tests that do not exist:\n%s\n' "$unknown"; return 1; }
}

# Markdown has lines of at most 120 characters (bytes, to be simple), tables aside; a commit's subject 72.
prose() {
  local found
  found=$(sources '*.md' | LC_ALL=C xargs -r -d '\n' awk '!/^\|/ && length($0) > 120 { print "  " FILENAME ":" FNR }')
  [ -z "$found" ] || { printf 'Markdown lines over 120 characters:\n%s\n' "$found"; return 1; }
  found=$(git log -15 --no-merges --format='  %h %s' 2>/dev/null | awk 'length($0) > 72 + index(substr($0, 3), " ") + 2' || true)
  [ -z "$found" ] || { printf 'commit subjects over 72 characters:\n%s\n' "$found"; return 1; }
}

# The commands of every file by itself, for clang-tidy, and the Lua library as it ships. Nothing is compiled.
configure() {
  mkdir -p build/lint
  cmake -G Ninja -S . -B build/lint -DPLAIN=ON -DSANITIZE= -DTEST_POINTS=OFF >build/lint/last.log 2>&1 || { cat build/lint/last.log >&2; return 1; }
}

lua() { configure && luacheck --quiet --no-color build/lint/flashclaim.lua; }

# clang-tidy over every source of ours, in parallel. It reads each as it stands: an include that is missing fails here.
tidy() { configure && sources '*.cpp' | xargs -r -d '\n' -P "$(nproc)" -n 1 clang-tidy -p build/lint --quiet 2>/dev/null; }

bad=0
for step in "$@"; do
  if "$step"; then echo "  ok      $step"; else echo "  FAILED  $step"; bad=1; fi
done
exit $bad
