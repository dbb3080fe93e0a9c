#!/usr/bin/env bash
# Installs what the tests need and passes them all; prints the seconds of each stage.
#   test.sh          all stages in order; stops at the first that fails
#   test.sh STAGE    one stage: install npm web compile check rust page docker players
# DASH_XSD=file checks MPDs against the DASH schema.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly budget_s=$((45 * 60)) kill_after_s=20
readonly all=(install npm web compile check rust page docker players)
export CARGO_TERM_COLOR=never TESTKIT=$PWD/target/ci/testkit

run_stage() {
  case $1 in
    install) scripts/setup.sh test ;;
    npm) cd players && npm ci --no-audit --no-fund --loglevel=error ;;
    web) scripts/web.sh ;;
    compile) cargo build --profile ci --locked --workspace --all-targets ;;
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

if [ $# -gt 0 ]; then
  run_stage "$1"
  exit
fi

rows=()
child=
# However it ends: what runs is ended, and what was measured is printed.
finish() {
  local status=$?
  # Signals may come twice: to the whole process group, and from make, which passes them on. The second must not end this halfway.
  trap '' EXIT INT TERM HUP
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
  [ -z "$child" ] || wait "$child" 2>/dev/null || true
  printf '\n%-10s %8s\n' stage seconds
  printf '%s\n' "${rows[@]}"
  printf '%-10s %8s\n' total "$SECONDS"
  if [ "$status" -ne 0 ]; then echo "FAILED"; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -z "${DASH_XSD:-}" ]; then
  echo "DASH_XSD is not set: MPDs are checked by their structure, not against the schema"
fi
for stage in "${all[@]}"; do
  begin=$SECONDS left_s=$((budget_s - SECONDS)) status=0
  echo "== $stage"
  # `timeout` leads a process group of its own, so a stage that hangs is ended with all it started.
  timeout --kill-after="$kill_after_s" "$((left_s > 0 ? left_s : 1))" "$0" "$stage" &
  child=$!
  wait "$child" || status=$?
  child=
  rows+=("$(printf '%-10s %8s' "$stage" $((SECONDS - begin)))$([ "$status" = 0 ] || echo '  failed')")
  if [ "$status" = 124 ] || [ "$SECONDS" -ge "$budget_s" ]; then
    echo "the tests took longer than $((budget_s / 60)) minutes" >&2
    exit 1
  fi
  [ "$status" = 0 ] || exit "$status"
done
