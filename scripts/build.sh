#!/usr/bin/env bash
# Builds the executable as it is shipped, into target/release.
#   build.sh packager   everything: origin and packager
#   build.sh origin     without the packager, hence without GStreamer
#   build.sh demo       everything, and the test kit that makes clips
#   build.sh cluster    the same, with the test kit's S3 server
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-packager} in
  packager) what=(-p vidstream) ;;
  origin) what=(-p vidstream --no-default-features) ;;
  demo) what=(-p vidstream -p vidstream-testkit) ;;
  cluster) what=(-p vidstream -p vidstream-testkit --features vidstream-testkit/s3) ;;
  *) echo "build.sh: no build '$1'; there are: packager origin demo cluster" >&2; exit 64 ;;
esac
scripts/web.sh
[ -e target/release/vidstream ] || echo "building (the first time takes some minutes)"
exec cargo build --release --locked --quiet "${what[@]}"
