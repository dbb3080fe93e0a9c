#!/usr/bin/env bash
# Figures beside their bounds, on this machine; exits 1 on a miss.
#   bench.sh           every part, and writes docs/BENCHMARKS.md
#   bench.sh PART ...  some parts: encode package memory delivery seek playable catalog workers live views
# BENCH_RUNS=1 makes each measurement once: for a quick look.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly all=(encode package memory delivery seek playable catalog workers live views)
parts=("${@:-${all[@]}}")
for part in "${parts[@]}"; do
  [[ " ${all[*]} " == *" $part "* ]] || { echo "bench.sh: no part '$part'; there are: ${all[*]}" >&2; exit 64; }
done

scripts/setup.sh bench
# What is measured is the program that users run, as make demo builds it.
scripts/build.sh demo
export BENCH_PROGRAM=$PWD/target/release/vidstream
# All targets of the whole workspace, as in every run: with a part of it dependencies have other features and are compiled again.
cargo build --profile ci --locked --quiet --workspace --all-targets
(cd players && npm ci --no-audit --no-fund --loglevel=error)

figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
missed=0
for part in "${parts[@]}"; do
  (cd players && BENCH_FIGURES=$figures node "bench/$part.mjs") || missed=1
done
[ $# -gt 0 ] || (cd players && node bench/report.mjs "$figures" "${parts[@]}")
exit "$missed"
