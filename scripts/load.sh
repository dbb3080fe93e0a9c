#!/usr/bin/env bash
# Viewers, by the dozen: a short run of each scenario of loadtest/ against a server of its own; exits 1 when a bound is broken.
#   load.sh               all scenarios
#   load.sh SCENARIO ...  some: steady spike seek trick soak
# LOAD_URL= and LOAD_VIDEO= aim at another server or cluster; loadtest/README.md has the other variables.
set -euo pipefail
cd "$(dirname "$0")/.."

K6=$(scripts/go-tool.sh k6)
export K6
if [ -z "${LOAD_URL:-}" ]; then
  scripts/setup.sh run
  scripts/web.sh
  # The whole workspace is named, as in every run: with a part of it dependencies have other features and are compiled again.
  cargo build --profile ci --locked --quiet --workspace --all-targets
fi
exec node loadtest/run.mjs "$@"
