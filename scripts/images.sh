#!/usr/bin/env bash
# What the images install and run, without a container engine: for each stage of each Dockerfile a fresh Debian root, in
# which its RUN lines pass, and then the executable in the root where it is to run: as compose.yaml has it, as the image's
# user, without capabilities, with a root that is read-only but for what compose.yaml names, and a network of its own.
# And what `make demo` does in another such root, where nothing is installed yet: its set-up, then the demo with what was
# built here, until its own clip is ready.
# Needs root. Nothing of it stays.
#   images.sh        all images, and the demo
#   images.sh NAME   one: origin packager demo
set -euo pipefail
cd "$(dirname "$0")/.."

readonly limit_s=3600 kill_after_s=20 user=10001:10001
readonly system_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
readonly rust_path=/opt/rust/bin:$system_path
fail() { echo "images.sh: $*" >&2; exit 69; }

if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || fail "a root of Debian is made by root alone"
  work=$(mktemp -d) child=
  # What runs is ended first: its mounts go with it, so that what is removed is the roots alone.
  finish() {
    local status=${1:-$?}
    # A second signal must not end this halfway: before these lines it does all of it, and after them nothing.
    trap - EXIT
    trap : INT TERM
    trap '' INT TERM
    [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
    [ -z "$child" ] || wait "$child" 2>/dev/null || true
    rm -rf --one-file-system "$work"
    exit "$status"
  }
  trap finish EXIT
  trap 'finish 130' INT
  trap 'finish 143' TERM
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
[ $# -gt 0 ] || set -- origin packager demo
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

# A root in which nothing is installed yet.
fresh() {
  local root=$work/$1
  cp -a --reflink=auto "$work/base" "$root"
  mount -t proc proc "$root/proc"
  mkdir -p "$root/src/scripts"
  cp scripts/setup.sh "$root/src/scripts/"
}

# Rust of this machine in a root, where `rust_path` has it.
lend_rust() {
  mkdir -p "$work/$1/opt/rust"
  mount --bind "$(rustc --print sysroot)" "$work/$1/opt/rust"
  mount -o remount,bind,ro "$work/$1/opt/rust"
}

# A fresh root, in which a stage's RUN lines have passed.
stage() {
  local image=$1 number=$2 root=$work/$1-$2 path=$system_path
  fresh "$image-$number"
  # Where the Dockerfiles put it; a build has Rust from its image.
  mkdir -p "$root/usr/local/lib/vidstream"
  cp scripts/setup.sh "$root/usr/local/lib/vidstream/"
  if [ "$number" = 1 ]; then
    lend_rust "$image-$number"
    path=$rust_path
  fi
  echo "== $image, stage $number"
  runs "$image" "$number" >"$root/src/runs"
  [ -s "$root/src/runs" ] || fail "docker/$image.Dockerfile has no RUN in stage $number"
  env -i PATH="$path" HOME=/root "${network[@]}" "$chroot" "$root" sh -ec 'cd /src && . ./runs'
}

# The words of a line of a Dockerfile: of the command that starts the image, or, indented, of its health check.
words() { sed -n "s/^$2 \[\(.*\)\]\$/\1/p" "docker/$1.Dockerfile" | tr -d '",'; }

# What an image has in its environment.
environment() {
  awk '/^ENV / { on = 1; sub(/^ENV /, "") } on { goes_on = sub(/ *\\$/, ""); sub(/^ */, ""); print; on = goes_on }' "docker/$1.Dockerfile"
}

# The second root of an image as a container has it: nothing in it can be written to but its data and, of a packager, /tmp.
seal() {
  local image=$1 root=$work/$1 data=/var/lib/vidstream options
  mkdir -p "$root" "$root-2/run/secrets" "$root-2/srv"
  od -An -N16 -tx1 /dev/urandom | tr -d ' ' >"$root-2/run/secrets/write_token"
  mount --bind "$root-2" "$root"
  mount -o remount,bind,ro "$root"
  mount -t proc proc "$root/proc"
  if [ "$image" = origin ]; then
    options=$(sed -n "s|^ *tmpfs: \\[\"$data:\\(.*\\)\"\\]\$|\\1|p" docker/compose.yaml)
    [ -n "$options" ] || fail "compose.yaml does not say where an origin writes to"
    mount -t tmpfs -o "$options" data "$root$data"
  else
    # A volume begins as the folder in the image.
    cp -a "$root-2$data" "$root-data"
    mount --bind "$root-data" "$root$data"
    mount -t tmpfs -o mode=1777 tmp "$root/tmp"
  fi
  ! touch "$root/srv/new" 2>/dev/null || fail "the root of the $image is not read-only"
}

# With nothing but loopback around.
apart() {
  # shellcheck disable=SC2016 # the shell inside puts them in
  unshare --net sh -ec 'ip link set lo up; exec "$@"' sh "$@"
}

# As the user of the image, with nothing but loopback around.
as_user() {
  local image=$1 settings
  shift
  mapfile -t settings < <(environment "$image")
  apart env -i PATH="$system_path" HOME=/var/lib/vidstream "${settings[@]}" \
    "$chroot" "$work/$image" setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups \
    --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
}

# That these are the rights of a container; each may be missing without anything else noticing.
is_bound() {
  # shellcheck disable=SC2016 # the shell inside puts them in
  as_user "$1" sh -ec '
    [ "$(id -u):$(id -g):$(id -G)" = "$1" ]
    for line in CapPrm:0000000000000000 CapEff:0000000000000000 CapBnd:0000000000000000 NoNewPrivs:1; do
      tr -d "\t" </proc/self/status | grep -qxF "$line"
    done' sh "$user:${user#*:}" || fail "what runs in the image of the $1 has more rights than a container"
}

# An executable, as it is shipped if that was built, else that of the tests, of which a command says that it will do.
#   built NAME COMMAND…
built() {
  local name=$1 file
  shift
  for file in target/{release,ci}/"$name"; do
    if "$@" "$file"; then
      echo "$file"
      return
    fi
  done
  fail "no $name was built that will do"
}

has_packager() { ldd "$1" 2>/dev/null | grep -q libgstreamer; }

# Starts a server of an image, waits until the image's own check says that it is well, uses it as `use` says, and asks it
# to end. The first start of a packager looks through all elements.
serves() {
  local image=$1 use=$2 check
  shift 2
  check=$(words "$image" ' \+CMD')
  [ -n "$check" ] || fail "docker/$image.Dockerfile has no health check"
  # shellcheck disable=SC2016 # the shell inside puts them in
  as_user "$image" sh -ec '
    check=$1 use=$2
    shift 2
    "$@" &
    tries=300
    until $check; do tries=$((tries - 1)); [ "$tries" -gt 0 ]; sleep 0.1; done
    eval "$use"
    kill "$!"
    wait "$!"' sh "$check" "$use" "$@"
}

# The command that starts an image.
command_of() {
  local start
  start=$(words "$1" ENTRYPOINT)
  echo "$start $(words "$1" CMD)"
}

packager() {
  local plugin command token=/run/secrets/write_token server=http://127.0.0.1:8080
  install "$(built vidstream has_packager)" "$work/packager-2/usr/local/bin/vidstream"
  seal packager
  is_bound packager
  as_user packager vidstream --version
  as_user packager vidstream plugins list | tee "$work/plugins"
  for plugin in x264 avenc-aac; do
    grep -q "^$plugin .*available" "$work/plugins" || fail "the image of the packager has no $plugin"
  done
  read -ra command <<<"$(command_of packager)"
  serves packager true "${command[@]}"
  # One container for all, as docker/README.md starts it: a film is uploaded, made and judged.
  "$(built testkit test -x)" generate --seconds 9 --size 426x240 "$work/packager-2/srv/film.mp4"
  # shellcheck disable=SC2016 # the shell inside puts them in
  serves packager '
    vidstream add /srv/film.mp4 --server '"$server"' --token-file '"$token"' >/tmp/said
    id=$(grep -o "vid_[0-9a-z]*" /tmp/said | head -n 1)
    vidstream check "'"$server"'/v/$id"' \
    vidstream serve --listen 0.0.0.0:8080 --set "auth.token_file=$token"
}

origin() {
  local command
  scripts/build.sh origin
  ! ldd target/release/vidstream | grep -q gstreamer || fail "the origin links GStreamer"
  install target/release/vidstream "$work/origin-2/usr/local/bin/vidstream"
  seal origin
  is_bound origin
  as_user origin vidstream --version
  read -ra command <<<"$(command_of origin)"
  serves origin 'curl --fail --silent --show-error http://127.0.0.1:8080/ http://127.0.0.1:8080/v1/videos >/dev/null' \
    "${command[@]}" --set auth.token_file=/run/secrets/write_token
}

# Its set-up installs, as root and with a network; the demo comes without one, and finds that nothing is missing.
demo() {
  local root=$work/demo
  fresh demo
  lend_rust demo
  cp scripts/demo.sh "$root/src/scripts/"
  # Compiling is not done here.
  printf '#!/bin/sh\n' >"$root/src/scripts/build.sh"
  chmod +x "$root/src/scripts/build.sh"
  install -D "$(built vidstream has_packager)" "$root/src/target/release/vidstream"
  install -D "$(built testkit test -x)" "$root/src/target/release/testkit"
  echo "== demo, set-up"
  env -i PATH="$rust_path" HOME=/root "${network[@]}" "$chroot" "$root" /src/scripts/setup.sh run
  echo "== demo"
  # It says that the film is ready, and then that it serves until it is told to end.
  # shellcheck disable=SC2016 # the shell inside puts them in
  apart env -i PATH="$rust_path" HOME=/root "$chroot" "$root" sh -ec '
    mkfifo /tmp/said
    /src/scripts/demo.sh >/tmp/said 2>&1 &
    ready=
    while read -r line; do
      echo "$line"
      case $line in
        ready) ready=1 ;;
        "serving until"*) kill "$!" ;;
      esac
    done </tmp/said
    wait "$!"
    [ -n "$ready" ]' || fail "the demo does not make its film ready in a fresh Debian"
}

for name in "$@"; do
  case $name in origin | packager | demo) ;; *) echo "images.sh: there is no '$name'; there are: origin packager demo" >&2; exit 64 ;; esac
done
base
for name in "$@"; do
  if [ "$name" != demo ]; then
    stage "$name" 1
    stage "$name" 2
  fi
  "$name"
done
echo "images: what they install runs vidstream with the rights of a container, and the demo's set-up is all that the demo needs ($*)"
