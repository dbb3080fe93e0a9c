#!/usr/bin/env bash
# The long rows of the tests: more of the same, at full size.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test
scripts/web.sh
export PROPTEST_CASES=${PROPTEST_CASES:-5000}
cargo test --profile ci --locked -p vidstream-media -p vidstream-catalog -p vidstream-origin
# Every film of the table, those of two hours among them.
TEST_FILMS=all cargo test --profile ci --locked -p vidstream-packager --test exact -- --nocapture
TEST_KILLS=20 TEST_KILL_FILM_S=180 cargo test --profile ci --locked -p vidstream recovery -- --nocapture
