#!/usr/bin/env bash
# Builds the page that the origin embeds, when it is older than its sources.
set -euo pipefail
cd "$(dirname "$0")/../web"
if [ -e dist/index.html ] && [ -z "$(find src build.mjs package-lock.json -newer dist/index.html -print -quit)" ]; then
  exit 0
fi
npm ci --no-audit --no-fund --loglevel=error
npm run --silent build
touch dist/index.html
