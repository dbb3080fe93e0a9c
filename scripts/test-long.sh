#!/usr/bin/env bash
# The long rows of the tests: more of the same, at full size.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh long
scripts/web.sh
export PROPTEST_CASES=${PROPTEST_CASES:-1000}
# The whole workspace is named, as in every run: with a part of it dependencies have other features and are compiled again.
run() { cargo test --profile ci --locked --workspace "$@"; }
run --lib --test contract --test documents --test origin
# Every film of the table, those of two hours among them.
TEST_FILMS=all TEST_JOINS=long run --test exact -- --nocapture
# Every lie that an encoder can tell, two of a promise among them.
TEST_LIES=all run --test it lies_about -- --nocapture
# 10 GiB through the server, whose memory must not grow with them.
TEST_UPLOAD_BYTES=$((10 << 30)) run --test it an_upload_takes_no_more_memory -- --nocapture
# Another S3-compatible server, of another hand, that is killed and started again.
TEST_S3=$(scripts/go-tool.sh versitygw)
export TEST_S3
run --test contract on_s3 -- --nocapture
run --test it bucket -- --nocapture
unset TEST_S3
# What the images install and run, in fresh systems.
scripts/images.sh
TEST_KILLS=20 TEST_KILL_FILM_S=180 run --test it recovery -- --nocapture
# Every fault of every part of a cluster.
cargo build --profile ci --locked --quiet --workspace --all-targets
(cd players && npm ci --no-audit --no-fund --loglevel=error && TEST_FAULTS=all node --test test/cluster.test.mjs)
