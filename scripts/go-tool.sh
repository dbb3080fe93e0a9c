#!/usr/bin/env bash
# A tool in .cache that is built once from its official Go module; Go's checksum database says that it is the
# published one. Prints the path of the executable; K6=path or VERSITYGW=path takes another one.
#   go-tool.sh k6          the load generator
#   go-tool.sh versitygw   an S3-compatible server
set -euo pipefail
cd "$(dirname "$0")/.."

readonly tool=${1:-} go_min=1.25
case $tool in
  k6) package=go.k6.io/k6 version=v1.8.1 variable=K6 ;;
  versitygw) package=github.com/versity/versitygw/cmd/versitygw version=v1.8.0 variable=VERSITYGW ;;
  *) echo "go-tool.sh: no tool '$tool'; there are: k6 versitygw" >&2; exit 64 ;;
esac
readonly folder=$PWD/.cache/$tool/$version given=${!variable:-}

fail() { echo "$*" >&2; exit 69; }

if [ -n "$given" ]; then
  [ -x "$given" ] || fail "$variable names $given, and that cannot be run"
  echo "$given"
  exit
fi
if [ ! -x "$folder/$tool" ]; then
  advice="or name a $tool with $variable=, and run this again."
  command -v go >/dev/null || fail "$tool is built with Go $go_min or newer, and go is not on the PATH: install it from https://go.dev/dl, $advice"
  go=$(go env GOVERSION)
  [ "$(printf '%s\n%s\n' "$go_min" "${go#go}" | sort -V | head -n 1)" = "$go_min" ] ||
    fail "$tool is built with Go $go_min or newer, and this is ${go#go}: update it, $advice"
  echo "building $tool $version (once; it takes some minutes)" >&2
  mkdir -p "$folder"
  work=$(mktemp -d "$folder/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  GOBIN=$work CGO_ENABLED=0 go install -trimpath -ldflags='-s -w' "$package@$version" >&2
  mv "$work/$tool" "$folder/$tool"
fi
echo "$folder/$tool"
