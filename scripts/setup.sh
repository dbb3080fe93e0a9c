#!/usr/bin/env bash
# Installs the Debian packages that are missing, and nothing when all are there.
#   setup.sh run    what building and running vidstream needs
#   setup.sh test   what its tests need on top
set -euo pipefail

purpose=${1:-run}
rust_min=1.95

fail() { echo "$*" >&2; exit 69; }

command -v cargo >/dev/null || fail "vidstream is built with Rust $rust_min or newer, and cargo is not on the PATH: install it from https://rustup.rs and run this again."
rust=$(rustc --version | cut -d' ' -f2)
[ "$(printf '%s\n%s\n' "$rust_min" "$rust" | sort -V | head -n 1)" = "$rust_min" ] ||
  fail "vidstream is built with Rust $rust_min or newer, and this is $rust: run 'rustup update stable' and try again."

packages=(
  build-essential pkg-config ca-certificates curl
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
  ffmpeg
)
[ "$purpose" = test ] && packages+=(gstreamer1.0-tools chromium libxml2-utils)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

[ "$(id -u)" = 0 ] || fail "these Debian packages are missing; install them as root and run this again: ${missing[*]}"
echo "installing: ${missing[*]}"
log=$(mktemp)
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  fail "apt-get could not install them; its whole output is in $log"
fi
rm -f "$log"
