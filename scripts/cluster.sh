#!/usr/bin/env bash
# What docker/compose.yaml starts, as plain processes on loopback: two origins behind nginx, two packagers, PostgreSQL, Redis,
# an S3 server, and Prometheus; serves until Ctrl-C.
#   PORT=8080         where nginx listens; the others take free ports
#   DATA=folder       keeps what it stores; without it a temporary folder is used
#   TEST_S3=program   a versitygw instead of the test kit's server, such as "$(scripts/go-tool.sh versitygw)"
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test
scripts/build.sh cluster
exec node docker/cluster/main.mjs target/release
