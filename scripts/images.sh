#!/usr/bin/env bash
# What the images install and run, without a container engine: for each stage of each Dockerfile a fresh Debian root, in
# which its RUN lines pass, and then the executable in the root where it is to run. Needs root. Nothing of it stays.
#   images.sh        all images
#   images.sh NAME   one: origin packager
set -euo pipefail
cd "$(dirname "$0")/.."

readonly limit_s=2700 kill_after_s=20 user=10001:10001
fail() { echo "images.sh: $*" >&2; exit 69; }

if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || fail "a root of Debian is made by root alone"
  work=$(mktemp -d) child=
  # What runs is ended first: its mounts go with it, so that what is removed is the roots alone.
  finish() {
    [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
    [ -z "$child" ] || wait "$child" 2>/dev/null || true
    rm -rf --one-file-system "$work"
  }
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  status=0
  timeout --kill-after="$kill_after_s" "$limit_s" \
    unshare --mount --pid --fork --kill-child "$0" --inside "$work" "$@" &
  child=$!
  wait "$child" || status=$?
  child=
  [ "$status" != 124 ] || echo "images.sh: it took longer than $((limit_s / 60)) minutes" >&2
  exit "$status"
fi
readonly work=$2
shift 2
# The first process of its own world would pass over a signal.
trap 'exit 143' TERM
[ $# -gt 0 ] || set -- origin packager
chroot=$(command -v chroot)
network=()

# The plain RUN lines of a stage, counted from 1; those with mounts compile, which is not done here.
runs() {
  awk -v stage="$2" '/^FROM / { n++ }
    n == stage && /^RUN / && !/^RUN --/ { sub(/^RUN /, ""); on = 1 }
    on { print; if (!/\\$/) on = 0 }' "docker/$1.Dockerfile"
}

# Debian as the images have it, from where this machine has its packages.
base() {
  local release sources mirror
  release=$(sed -n 's/^FROM debian:\([a-z]*\)-slim$/\1/p' docker/origin.Dockerfile)
  # shellcheck disable=SC2016 # apt-get puts them in
  sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    awk -v release="$release" '$4 == "main" && ($3 == release || index($3, release "-") == 1)' | sort -u)
  mirror=$(awk -v release="$release" '$3 == release { print $2; exit }' <<<"$sources")
  [ -n "$mirror" ] || fail "apt of this machine has no source of Debian's $release"
  eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
  [ -z "${http_proxy:-}" ] || network=("http_proxy=$http_proxy")
  env "${network[@]}" debootstrap --variant=minbase "$release" "$work/base" "$mirror" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; fail "no root could be made"; }
  echo "$sources" >"$work/base/etc/apt/sources.list"
  cp -L /etc/resolv.conf "$work/base/etc/resolv.conf"
}

# A fresh root, in which a stage's RUN lines have passed.
stage() {
  local image=$1 number=$2 root=$work/$1-$2
  cp -a --reflink=auto "$work/base" "$root"
  mount -t proc proc "$root/proc"
  # Where the Dockerfiles put it; a build has Rust from its image, here from this machine.
  mkdir -p "$root/src/scripts" "$root/usr/local/lib/vidstream" "$root/opt/rust"
  cp scripts/setup.sh "$root/src/scripts/"
  cp scripts/setup.sh "$root/usr/local/lib/vidstream/"
  local path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  if [ "$number" = 1 ]; then
    mount --bind "$(rustc --print sysroot)" "$root/opt/rust"
    mount -o remount,bind,ro "$root/opt/rust"
    path=/opt/rust/bin:$path
  fi
  echo "== $image, stage $number"
  runs "$image" "$number" >"$root/src/runs"
  [ -s "$root/src/runs" ] || fail "docker/$image.Dockerfile has no RUN in stage $number"
  env -i PATH="$path" HOME=/root "${network[@]}" "$chroot" "$root" sh -ec 'cd /src && . ./runs'
}

# As the user of the image.
as_user() {
  local image=$1
  shift
  env -i PATH=/usr/local/bin:/usr/bin:/bin VIDSTREAM_DATA=/var/lib/vidstream \
    "$chroot" --userspec="$user" "$work/$image-2" "$@"
}

# The executable with everything: as it is shipped if that was built, else that of the tests.
with_packager() {
  local built
  for built in target/release/vidstream target/ci/vidstream; do
    if ldd "$built" 2>/dev/null | grep -q libgstreamer; then
      echo "$built"
      return
    fi
  done
  fail "no executable with the packager was built"
}

# Starts a server of an image, whose address is then in a file of its data folder, and asks whether it is ready.
# The first start of a packager looks through all elements.
serves() {
  local image=$1 file=$2
  shift 2
  # shellcheck disable=SC2016 # the shell inside puts them in
  as_user "$image" sh -ec '
    file=$1
    shift
    vidstream "$@" &
    tries=300
    until [ -s "$VIDSTREAM_DATA/$file" ]; do tries=$((tries - 1)); [ "$tries" -gt 0 ]; sleep 0.1; done
    curl --fail --silent --show-error "http://$(cat "$VIDSTREAM_DATA/$file")/readyz"
    kill "$!"
    wait "$!"' sh "$file" "$@"
}

packager() {
  install "$(with_packager)" "$work/packager-2/usr/local/bin/vidstream"
  as_user packager vidstream --version
  as_user packager vidstream plugins list | tee "$work/plugins"
  local plugin
  for plugin in x264 avenc-aac; do
    grep -q "^$plugin .*available" "$work/plugins" || fail "the image of the packager has no $plugin"
  done
  serves packager packager.addr packager
}

origin() {
  scripts/build.sh origin
  ! ldd target/release/vidstream | grep -q gstreamer || fail "the origin links GStreamer"
  install target/release/vidstream "$work/origin-2/usr/local/bin/vidstream"
  as_user origin vidstream --version
  serves origin admin.addr origin --listen 127.0.0.1:0
}

for image in "$@"; do
  case $image in origin | packager) ;; *) echo "images.sh: no image '$image'; there are: origin packager" >&2; exit 64 ;; esac
done
base
for image in "$@"; do
  stage "$image" 1
  stage "$image" 2
  "$image"
done
echo "images: all RUN lines passed, and what they install runs vidstream"
