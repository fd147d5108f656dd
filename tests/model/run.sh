#!/usr/bin/env bash
# Explores the protocol exhaustively for small numbers, and finds each violation again when a guard is taken out; `make model`.
#   tests/model/run.sh [FILTER]     prints a line per configuration; exit 1 if one is not as expected
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
filter=${1:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 held=0 found=0 number=0 all_states=0
configurations=$(grep -c '^explore ' "$0")
for tool in spin gcc; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: tests/stack/install.sh build test" >&2; exit 1; }
done

# explore holds|broken MODEL FLAGS...: `holds` needs an exhaustive search without error, `broken` needs an assertion to fail.
explore() {
  local expected=$1 model=$2 name verdict states
  shift 2
  name="$model ${*#-D}"
  number=$((number + 1))
  [[ $name == *"$filter"* ]] || return 0
  [ ! -t 2 ] || printf '%d of %d, %d s: %s\r' "$number" "$configurations" "$SECONDS" "${name:0:80}" >&2
  rm -rf "$work/run"; mkdir "$work/run"
  if ! (cd "$work/run" && spin -a "$@" "$here/$model.pml" >spin.log 2>&1 &&
    gcc -O2 -w -DCOLLAPSE -DSAFETY -DVECTORSZ=4096 -DMEMLIM=6000 -o pan pan.c && timeout 900 ./pan -E -m1000000 >out.txt 2>&1); then
    verdict="did not run: $(tail -n 1 "$work/run"/{spin.log,out.txt} 2>/dev/null | tr '\n' ' ')"
  elif grep -q 'Search not completed\|max search depth too small' "$work/run/out.txt" && ! grep -q 'assertion violated' "$work/run/out.txt"; then
    verdict="not exhaustive"
  elif grep -q 'errors: 0' "$work/run/out.txt"; then verdict=holds
  elif grep -q 'assertion violated' "$work/run/out.txt"; then verdict=broken
  else verdict="unclear"; fi
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/run/out.txt" 2>/dev/null)
  [ ! -t 2 ] || printf '\033[K' >&2
  all_states=$(awk -v a="$all_states" -v b="${states:-0}" 'BEGIN { printf "%d", a + b }')
  if [ "$verdict" = "$expected" ]; then
    if [ "$verdict" = holds ]; then held=$((held + 1)); else found=$((found + 1)); fi
    passed=$((passed + 1)); printf 'ok      %-7s %9s states  %s\n' "$verdict" "$states" "$name"
  else
    failed=$((failed + 1)); printf 'FAILED  %s, expected %s  %s\n' "$verdict" "$expected" "$name"
  fi
}

# The protocol as it is.
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DCRASHES=2 -DDUPS=2 -DSPURIOUS=1
explore holds flashclaim -DCLAIMS=3 -DTOTAL=3 -DUSERS=2 -DLIMIT=2 -DCRASHES=1 -DDUPS=1
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DCRASHES=1 -DBROKERLOSS -DDUPS=1
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DCRASHES=1 -DLOSE_ONE -DOVERTAKEN
explore holds flashclaim -DCLAIMS=3 -DTOTAL=3 -DBROKERLOSS -DOVERTAKEN -DDUPS=1
explore holds flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DOVERTAKEN -DDUPS=1 -DSPURIOUS=1
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DCRASHES=1 -DDEAD=1 -DDUPS=1
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DDEAD=2 -DSPURIOUS=1
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DRAISE -DCUT -DCRASHES=1
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DRAISE -DPAUSE -DDUPS=1
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DCUT -DPAUSE
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DRECONCILE=2 -DDRIFT=1 -DHEALS -DCRASHES=1
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DRECONCILE=1 -DRAISE -DDRIFT=1 -DHEALS
explore holds flashclaim -DCLAIMS=3 -DTOTAL=2 -DLOSS -DDUPS=1
explore holds flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DCRASHES=1 -DDUPS=1 -DRECONCILE=1
explore holds flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DID_REUSE -DDUPS=1 -DCRASHES=1
explore holds flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DDEAD=1 -DRAISE
explore holds flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DPAUSE -DDUPS=1
explore holds flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DREPAIR_DEATHS=1 -DDUPS=1
explore holds flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DREPAIR_DEATHS=1 -DID_REUSE
explore holds flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DREPAIR_DEATHS=1 -DRAISE
explore holds flashclaim -DCLAIMS=2 -DTOTAL=2 -DRECONCILE=2 -DDRIFT=1 -DHEALS -DREPAIR_DEATHS=2
explore holds flashclaim -DACK_BEFORE_SETTLE -DCRASHES=2 -DCLAIMS=3 -DTOTAL=3
explore holds settle
explore holds walk -DENTRIES=4
explore holds walk -DENTRIES=3 -DFIXERS=2
explore holds walk -DENTRIES=3 -DDRIFT=0
explore holds walk -DENTRIES=4 -DLOG_MAX=1
explore holds walk -DCOUNTS -DENTRIES=4
explore holds operators
explore holds operators -DCRASHES=2

# One guard taken out: the violation must be found.
explore broken flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DNO_EPOCH -DDUPS=1
explore broken flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DID_REUSE -DNO_EPOCH_IN_ID -DDUPS=1
explore broken flashclaim -DCLAIMS=2 -DCRASHES=2 -DDUPS=1 -DDRIFT=1 -DNO_TOKEN
explore broken flashclaim -DCLAIMS=2 -DTOTAL=2 -DRAISE -DPAUSE -DNO_VERSION
explore broken flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DRAISE -DNO_ONE_STATE
explore broken flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DREPAIR_DEATHS=1 -DNO_RESET
explore broken flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DREPAIR_DEATHS=1 -DNO_EPOCH -DDUPS=1
explore broken flashclaim -DCLAIMS=3 -DTOTAL=2 -DRECONCILE=2 -DDRIFT=1 -DHEALS -DNO_CAS
explore broken flashclaim -DCLAIMS=3 -DTOTAL=2 -DRECONCILE=1 -DHEALS -DOVERLAP
explore broken flashclaim -DCLAIMS=3 -DTOTAL=2 -DRECONCILE=1 -DRAISE -DHEALS -DTOTAL_FROM_DATABASE
explore broken flashclaim -DCRASHES=1 -DDELETE_BEFORE_CONFIRM
explore broken flashclaim -DCRASHES=1 -DACK_BEFORE_SETTLE -DNO_REPLAY
explore broken flashclaim -DBROKERLOSS -DNO_REPLAY
explore broken flashclaim -DCLAIMS=3 -DTOTAL=2 -DLOSE_ONE -DNO_REPLAY
explore broken flashclaim -DCLAIMS=3 -DTOTAL=2 -DLOSE_ONE -DOVERTAKEN -DNO_EMPTY_QUEUE
explore broken flashclaim -DCLAIMS=2 -DTOTAL=2 -DLOSS -DABSENT_IS_FINISHED
explore broken flashclaim -DDRIFT=1 -DHEALS
explore broken settle -DONE_STATEMENT
explore broken walk -DNO_LOG
explore broken walk -DLOG_MET
explore broken walk -DLOG_ABOVE
explore broken walk -DENTRIES=4 -DLOG_MAX=1 -DLOG_SHORT
explore broken walk -DLATE_STOCK
explore broken walk -DOVERLAP
explore broken walk -DFIXERS=2 -DNO_CAS
explore broken walk -DALWAYS_KNOWN
explore broken walk -DCOUNTS -DNO_PRESENCE
explore broken walk -DCOUNTS -DNO_TAIL
explore broken operators -DNO_CAS
explore broken operators -DNO_CAS_BACK
explore broken operators -DNO_CAS_COMPLETE

echo "model: $held configurations hold INV-1 to INV-4, $found violations found again with a guard taken out, $failed not as expected"
echo "       $all_states states explored in $SECONDS s"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
