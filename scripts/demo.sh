#!/usr/bin/env bash
# The main job on the embedded defaults: builds, serves, uploads a clip, prints where it plays.
#   VIDEO=path   the clip; without it a generated one of 60 s
#   PORT=8080    DATA=./data
set -euo pipefail
cd "$(dirname "$0")/.."

port=${PORT:-8080}
data=$(realpath -m "${DATA:-./data}")
server=http://127.0.0.1:$port
ready_wait_s=30

scripts/setup.sh run
scripts/web.sh
cargo build --release --locked --quiet -p vidstream -p vidstream-testkit
bin=$(realpath target/release)
mkdir -p "$data"

serve=
finish() {
  trap - EXIT INT TERM
  if [ -n "$serve" ] && kill -TERM "$serve" 2>/dev/null; then
    wait "$serve" || true
  fi
}
trap finish EXIT
trap 'finish; exit 0' INT TERM

rm -f "$data/admin.addr"
"$bin/vidstream" serve --listen "127.0.0.1:$port" --data "$data" 2>"$data/serve.log" &
serve=$!

for ((tries = ready_wait_s * 10; ; tries--)); do
  if ! kill -0 "$serve" 2>/dev/null; then
    status=0
    wait "$serve" || status=$?
    serve=
    tail -n 3 "$data/serve.log" >&2
    exit "$status"
  fi
  admin=$(cat "$data/admin.addr" 2>/dev/null || true)
  [ -n "$admin" ] && curl -fsS "http://$admin/readyz" >/dev/null 2>&1 && break
  [ "$tries" -gt 0 ] || { echo "vidstream is not ready after $ready_wait_s s; see $data/serve.log" >&2; exit 69; }
  sleep 0.1
done

clip=${VIDEO:-$data/clip.mp4}
if [ -z "${VIDEO:-}" ] && [ ! -e "$clip" ]; then
  echo "generating a clip of 60 s"
  "$bin/testkit" generate --seconds 60 --size 1280x720 --fps 30 "$data/clip.new.mp4"
  mv "$data/clip.new.mp4" "$clip"
fi

# The same clip is not uploaded twice: its id is kept beside it.
[ -e "$clip" ] || { echo "there is no file $clip" >&2; exit 66; }
mark=$data/demo-$(printf '%s %s' "$(realpath "$clip")" "$(stat -c '%s %Y' "$clip")" | sha256sum | cut -c1-16).id
id=$(cat "$mark" 2>/dev/null || true)
if [ -z "$id" ] || ! curl -fsS "$server/v1/videos/$id" >/dev/null 2>&1; then
  "$bin/vidstream" add "$clip" --server "$server" &
  add=$!
  status=0
  wait "$add" || status=$?
  [ "$status" = 0 ] || exit "$status"
  id=$(curl -fsS "$server/v1/videos?limit=1" | sed -n 's/.*"id":"\(vid_[0-9a-z]*\)".*/\1/p')
  echo "$id" >"$mark"
else
  echo "this clip is here already, as $id"
fi

cat <<END
HLS   $server/v/$id/master.m3u8
DASH  $server/v/$id/manifest.mpd
page  $server/#/$id
serving until Ctrl-C; log in $data/serve.log
END
wait "$serve" || true
serve=
