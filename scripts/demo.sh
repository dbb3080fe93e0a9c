#!/usr/bin/env bash
# The main job on the embedded defaults: builds, serves, uploads a clip, prints where it plays, serves until Ctrl-C.
#   VIDEO=path   the clip; without it a generated one of 60 s
#   PORT=8080    DATA=./data
set -euo pipefail
cd "$(dirname "$0")/.."

readonly port=${PORT:-8080} data=$(realpath -m "${DATA:-./data}") server=http://127.0.0.1:${PORT:-8080}
readonly bin=$PWD/target/release ready_wait_s=30 stop_wait_s=4
clip=${VIDEO:-$data/clip.mp4}

fail() { echo "$2" >&2; exit "$1"; }

# === children: each leads a process group of its own (set -m), so that all it started ends with it
set -m
serve= step=

# Ends the groups given, at most `stop_wait_s` later.
end_groups() {
  local group tries=$((stop_wait_s * 10))
  for group in "$@"; do kill -TERM -- "-$group" 2>/dev/null || true; done
  for group in "$@"; do
    while [ "$tries" -gt 0 ] && kill -0 -- "-$group" 2>/dev/null; do
      sleep 0.1
      tries=$((tries - 1))
    done
    kill -KILL -- "-$group" 2>/dev/null || true
  done
}

finish() {
  local status=${1:-$?}
  # Signals may come twice: to the whole process group, and from make, which passes them on. The second must not end this halfway:
  # one that comes before the next two lines does all of it, and one after them nothing.
  trap - EXIT
  trap : INT TERM HUP
  remember
  # shellcheck disable=SC2086 # none, one or two ids
  end_groups $step $serve
  exit "$status"
}
trap finish EXIT
trap 'finish 0' INT TERM HUP

# Runs one step so that a signal is heard at once, not when the step is over.
run() {
  local status=0
  "$@" &
  step=$!
  wait "$step" || status=$?
  step=
  return "$status"
}

# === the id of an uploaded clip is kept, so that a second run does not upload it again
mark= said=$data/demo.add
# `add` says the id as soon as the last byte is there.
remember() {
  [ -n "$mark" ] && [ -e "$said" ] || return 0
  local id
  id=$(grep -oE -m 1 'vid_[0-9a-z]{26}' "$said" | head -n 1) || true
  [ -z "$id" ] || echo "$id" >"$mark"
  rm -f "$said"
}

upload() {
  "$bin/vidstream" add "$clip" --server "$server" | tee "$said"
}

# === the demo
if [ -n "${VIDEO:-}" ] && [ ! -f "$clip" ]; then fail 66 "there is no file $clip"; fi
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
  fail 69 "port $port is in use: stop what listens there, or choose another with PORT="
fi

run scripts/setup.sh run
run scripts/build.sh demo
mkdir -p "$data"

rm -f "$data/admin.addr"
"$bin/vidstream" serve --listen "127.0.0.1:$port" --data "$data" 2>"$data/serve.log" &
serve=$!
for ((tries = ready_wait_s * 10; ; tries--)); do
  if ! kill -0 "$serve" 2>/dev/null; then
    status=0
    wait "$serve" || status=$?
    serve=
    tail -n 1 "$data/serve.log" >&2
    exit "$status"
  fi
  admin=$(cat "$data/admin.addr" 2>/dev/null || true)
  [ -n "$admin" ] && curl -fsS --max-time 2 "http://$admin/readyz" >/dev/null 2>&1 && break
  [ "$tries" -gt 0 ] || fail 69 "vidstream is not ready after $ready_wait_s s; see $data/serve.log"
  sleep 0.1
done

if [ ! -e "$clip" ]; then
  echo "generating a clip of 60 s"
  run "$bin/testkit" generate --seconds 60 --size 1280x720 --fps 30 "$data/clip.new.mp4"
  mv "$data/clip.new.mp4" "$clip"
fi

digest=$(printf '%s %s' "$(realpath "$clip")" "$(stat -c '%s %Y' "$clip")" | sha256sum)
mark=$data/demo-${digest:0:16}.id
id=$(cat "$mark" 2>/dev/null || true)
if [ -n "$id" ] && curl -fsS --max-time 5 "$server/v1/videos/$id" >/dev/null 2>&1; then
  echo "this clip is here already, as $id"
else
  rm -f "$mark" "$said"
  run upload
  remember
  id=$(cat "$mark")
fi

cat <<END
HLS   $server/v/$id/master.m3u8
DASH  $server/v/$id/manifest.mpd
page  $server/#/$id
serving until Ctrl-C; the log is $data/serve.log
END
wait "$serve"
