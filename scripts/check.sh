#!/usr/bin/env bash
# What a reviewer should not have to look for: formatting, lints, documentation, house rules.
set -euo pipefail
cd "$(dirname "$0")/.."

clippy() { cargo clippy --profile ci --locked --quiet --workspace "$@"; }

scripts/web.sh
cargo fmt --all --check
# With examples, whose dependencies are those of tests: so both of these, and the documentation, share what they check of them.
clippy --lib --bins --examples -- -D warnings
# Helpers of tests may unwrap, index and print as tests do; clippy.toml reaches only the tests themselves.
clippy --all-targets -- -D warnings \
  -A clippy::unwrap_used -A clippy::expect_used -A clippy::indexing_slicing -A clippy::print_stdout -A clippy::print_stderr
# Fuzz targets are built by a nightly compiler elsewhere; here they must at least fit what they call.
# libFuzzer itself is not compiled for that: half a minute of C++.
for target in media/fuzz origin/fuzz; do
  CUSTOM_LIBFUZZER_PATH=$PWD/target/libFuzzer.a cargo check --manifest-path "$target/Cargo.toml" --target-dir target --profile ci --locked --quiet
done
RUSTDOCFLAGS="-D warnings" cargo doc --profile ci --locked --quiet --workspace --lib --bins --examples --no-deps --document-private-items
cargo run --profile ci --locked --quiet -p tidy
