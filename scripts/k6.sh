#!/usr/bin/env bash
# k6, the load generator, in .cache/k6; prints the path of its executable. K6=path takes another one.
# It is built once from its official module; Go's checksum database says that it is the published one.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly module=go.k6.io/k6 version=v1.8.1 go_min=1.25
readonly folder=$PWD/.cache/k6/$version

fail() { echo "$*" >&2; exit 69; }

if [ -n "${K6:-}" ]; then
  [ -x "$K6" ] || fail "K6 names $K6, and that cannot be run"
  echo "$K6"
  exit
fi
if [ ! -x "$folder/k6" ]; then
  command -v go >/dev/null || fail "k6 is built with Go $go_min or newer, and go is not on the PATH: install it from https://go.dev/dl, or name a k6 with K6=, and run this again."
  go=$(go env GOVERSION)
  [ "$(printf '%s\n%s\n' "$go_min" "${go#go}" | sort -V | head -n 1)" = "$go_min" ] ||
    fail "k6 is built with Go $go_min or newer, and this is ${go#go}: update it, or name a k6 with K6=, and run this again."
  echo "building k6 $version (once; it takes some minutes)" >&2
  mkdir -p "$folder"
  work=$(mktemp -d "$folder/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  GOBIN=$work CGO_ENABLED=0 go install -trimpath -ldflags='-s -w' "$module@$version" >&2
  mv "$work/k6" "$folder/k6"
fi
echo "$folder/k6"
