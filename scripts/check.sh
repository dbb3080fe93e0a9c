#!/usr/bin/env bash
# What a reviewer should not have to look for: formatting, lints, documentation, house rules.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/web.sh
cargo fmt --all --check
# Helpers of tests may panic where their file says so; clippy.toml reaches only the tests themselves.
cargo clippy --profile ci --locked --quiet --workspace --all-targets -- -D warnings
# Fuzz targets are built by a nightly compiler elsewhere; here they must at least fit what they call.
# libFuzzer itself is not compiled for that: half a minute of C++.
for target in media/fuzz origin/fuzz packager/fuzz; do
  CUSTOM_LIBFUZZER_PATH=$PWD/target/libFuzzer.a cargo check --manifest-path "$target/Cargo.toml" --target-dir target --profile ci --locked --quiet
done
RUSTDOCFLAGS="-D warnings" cargo doc --profile ci --locked --quiet --workspace --lib --bins --examples --no-deps --document-private-items
cargo run --profile ci --locked --quiet -p tidy
