#!/usr/bin/env bash
# Figures beside their bounds, on this machine; exits 1 on a miss.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test
scripts/web.sh
cargo build --profile ci --locked --quiet -p vidstream -p vidstream-testkit
(cd players && npm ci --no-audit --no-fund --loglevel=error && node bench/playable.mjs "$@")
