#!/usr/bin/env bash
# Installs what the tests need and passes them all; prints the seconds of each stage.
#   test.sh          all stages in order; stops at the first that fails
#   test.sh STAGE    one stage: install npm web compile check rust page docker players
# DASH_XSD=file checks MPDs against the DASH schema.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stages.sh

readonly budget_s=$((45 * 60))
readonly all=(install npm web compile check rust page docker players)

run_stage() {
  case $1 in
    install) scripts/setup.sh test ;;
    npm | web | compile) set_up "$1" ;;
    check) scripts/check.sh ;;
    rust) cargo test --profile ci --locked --workspace --no-fail-fast ;;
    # The page's own tests, the browser's reader of the frame counter, and what a viewer of the load test does.
    page) node --test testkit/js && node --test loadtest/test && cd web && npm test --silent ;;
    docker) scripts/lint-docker.sh && node --test docker/test ;;
    # One file after another: each has a server, and most a browser, of its own.
    players) cd players && for file in test/*.test.mjs; do node --test "$file"; done ;;
    *) echo "test.sh: no stage '$1'; there are: ${all[*]}" >&2; exit 64 ;;
  esac
}

# As it calls itself.
if [ "${1:-}" = stage ]; then
  run_stage "$2"
  exit
fi
if [ $# -gt 0 ]; then
  run_stage "$1"
  exit
fi

begin_table
for stage in "${all[@]}"; do
  left_s=$((budget_s - SECONDS)) status=0
  time_stage "$stage" $((left_s > 0 ? left_s : 1)) || status=$?
  if [ "$status" = 124 ] || [ "$SECONDS" -ge "$budget_s" ]; then
    echo "the tests took longer than $((budget_s / 60)) minutes" >&2
    exit 1
  fi
  [ "$status" = 0 ] || exit "$status"
done
