#!/usr/bin/env bash
# Installs what the tests need and passes them all; prints seconds per stage.
set -euo pipefail
cd "$(dirname "$0")/.."

budget_min=45
export CARGO_TERM_COLOR=never CARGO_PROFILE=ci
stages=()
started=$SECONDS

report() {
  echo
  printf '%-22s %6s\n' stage seconds
  for line in "${stages[@]}"; do printf '%-22s %6s\n' "${line% *}" "${line##* }"; done
  printf '%-22s %6s\n' total $((SECONDS - started))
}
trap report EXIT

stage() {
  local name=$1 begin=$SECONDS
  shift
  echo "== $name"
  "$@"
  stages+=("$name $((SECONDS - begin))")
}

players() { (cd players && npm ci --no-audit --no-fund --loglevel=error); }
page() { (cd web && node --test); }
players_test() { (cd players && VIDSTREAM_BIN_DIR=$PWD/../target/ci node --test --test-concurrency=1 test/); }
lint() {
  cargo fmt --all --check
  # Tests may unwrap and index: a failed expectation is what they are for.
  cargo clippy --profile ci --locked --workspace --lib --bins -- -D warnings
  cargo clippy --profile ci --locked --workspace --tests -- -D warnings -A clippy::unwrap_used -A clippy::expect_used -A clippy::indexing_slicing -A clippy::print_stdout
  cargo run --profile ci --locked --quiet -p tidy
}

if [ -z "${DASH_XSD:-}" ]; then
  echo "DASH_XSD is not set: MPDs are checked by their structure, not against the schema"
fi
stage install scripts/setup.sh test
stage "install (npm)" players
stage "web build" scripts/web.sh
stage compile cargo build --profile ci --locked --workspace --all-targets
stage lint lint
stage "rust tests" cargo test --profile ci --locked --workspace --no-fail-fast
stage "page" page
stage "media and players" players_test

if [ $((SECONDS - started)) -gt $((budget_min * 60)) ]; then
  echo "the tests took longer than $budget_min minutes" >&2
  exit 1
fi
