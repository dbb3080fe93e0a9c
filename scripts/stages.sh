# shellcheck shell=bash
# What test.sh and test-long.sh share: each sources it at the root of the tree, calls itself with the word `stage` and a
# name, and runs that stage then, without a limit or a table of its own.

readonly kill_after_s=20
export CARGO_TERM_COLOR=never TESTKIT=$PWD/target/ci/testkit

# Tests run in other folders than this one.
if [ -n "${DASH_XSD:-}" ]; then
  DASH_XSD=$(realpath -e "$DASH_XSD")
  export DASH_XSD
fi

# What all other stages need, beside what is installed.
set_up() {
  case $1 in
    npm) cd players && npm ci --no-audit --no-fund --loglevel=error ;;
    web) scripts/web.sh ;;
    compile) cargo build --profile ci --locked --workspace --all-targets ;;
  esac
}

rows=() failed=() child=

# However it ends: what runs is ended, and what was measured is printed.
finish() {
  local status=${1:-$?}
  # Signals may come twice: to the whole process group, and from make, which passes them on. The second must not end this halfway:
  # one that comes before these lines does all of it, and one after them nothing.
  trap - EXIT
  trap : INT TERM HUP
  trap '' INT TERM HUP
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
  [ -z "$child" ] || wait "$child" 2>/dev/null || true
  printf '\n%-10s %8s\n' stage seconds
  printf '%s\n' "${rows[@]}"
  printf '%-10s %8s\n' total "$SECONDS"
  if [ "$status" -ne 0 ]; then echo "FAILED${failed[*]:+: ${failed[*]}}"; fi
  exit "$status"
}

# From here on the script ends with the table.
begin_table() {
  if [ -z "${DASH_XSD:-}" ]; then
    echo "DASH_XSD is not set: MPDs are checked by their structure, not against the schema"
  fi
  trap finish EXIT
  trap 'finish 130' INT
  trap 'finish 143' TERM
}

# A stage, which is ended after so many seconds: a row of the table, and its status.
#   time_stage STAGE LIMIT_S
time_stage() {
  local begin=$SECONDS status=0
  echo "== $1"
  # `timeout` leads a process group of its own, so a stage that hangs is ended with all it started.
  timeout --kill-after="$kill_after_s" "$2" "scripts/${0##*/}" stage "$1" &
  child=$!
  wait "$child" || status=$?
  child=
  [ "$status" = 0 ] || failed+=("$1")
  rows+=("$(printf '%-10s %8s' "$1" $((SECONDS - begin)))$([ "$status" = 0 ] || echo '  failed')")
  return "$status"
}
