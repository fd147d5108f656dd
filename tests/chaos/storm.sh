#!/usr/bin/env bash
# `make chaos`: builds what is needed and runs a storm. SECONDS_OF_FAULTS, SEED, RATE, GAP_MS and OUTPUT come as arguments, empty = default.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
tests/stack/install.sh build run test
tests/stack/build.sh "$PWD/build" flashclaim-engine flashclaim-consumer flashctl test_chaos >&2
words=(--commit "$(git describe --always --dirty 2>/dev/null || echo unnamed)")
names=(--seconds --seed --rate --gap-ms --output)
for i in "${!names[@]}"; do
  value=${*:i+1:1}
  [ -z "$value" ] || words+=("${names[i]}" "$value")
done
exec build/bin/test_chaos storm "${words[@]}"
