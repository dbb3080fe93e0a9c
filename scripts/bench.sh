#!/usr/bin/env bash
# Figures beside their bounds, on this machine; exits 1 on a miss.
#   bench.sh           every part
#   bench.sh PART ...  some parts: seek playable
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test
scripts/web.sh
cargo build --profile ci --locked --quiet -p vidstream -p vidstream-testkit
(cd players && npm ci --no-audit --no-fund --loglevel=error)

run_part() {
  case $1 in
    seek) (cd players && node bench/seek.mjs) ;;
    playable) (cd players && node bench/playable.mjs) ;;
    *) echo "bench.sh: no part '$1'; there are: seek playable" >&2; exit 64 ;;
  esac
}

missed=0
for part in "${@:-seek playable}"; do
  for name in $part; do run_part "$name" || missed=1; done
done
exit "$missed"
