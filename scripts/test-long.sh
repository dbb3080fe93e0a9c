#!/usr/bin/env bash
# The long rows of the tests: more of the same, at full size.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test
scripts/web.sh
export PROPTEST_CASES=${PROPTEST_CASES:-5000}
cargo test --profile ci --locked -p vidstream-media -p vidstream-catalog -p vidstream-origin
TEST_KILLS=20 TEST_KILL_FILM_S=180 cargo test --profile ci --locked -p vidstream recovery -- --nocapture
