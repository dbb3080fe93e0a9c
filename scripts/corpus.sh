#!/usr/bin/env bash
# Makes the media entries of the corpora in media/fuzz and packager/fuzz anew, with ffmpeg and vidstream; what was
# written by hand stays.
set -euo pipefail
cd "$(dirname "$0")/.."
vidstream=${VIDSTREAM:-target/ci/vidstream}
corpus=media/fuzz/corpus
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Tiny pictures and little sound: what matters are the tables.
make() {
  local name=$1 seconds=$2
  shift 2
  ffmpeg -nostdin -loglevel error -y -f lavfi -i "testsrc2=size=32x32:rate=10:duration=$seconds" \
    -f lavfi -i "sine=frequency=440:sample_rate=16000:duration=$seconds" \
    -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -map_metadata -1 "$@" "$corpus/$name"
}
h264=(-map 0:v -map 1:a -c:v libx264 -preset veryslow -bf 2 -g 5 -crf 51 -threads 1 -c:a aac -b:a 16k)
make file/plain.mp4 1 "${h264[@]}" -movflags +faststart
make file/index-last.mp4 1 "${h264[@]}"
make file/fragments.mp4 1 "${h264[@]}" -movflags +frag_keyframe+empty_moov+default_base_moof
make file/fragments-based.mp4 1 "${h264[@]}" -movflags +frag_keyframe+empty_moov
make file/negative-offsets.mp4 1 "${h264[@]}" -movflags +faststart+negative_cts_offsets
make file/late.mp4 1 -output_ts_offset 0.5 "${h264[@]}" -movflags +faststart
make file/quicktime.mov 0.3 -map 0:v -map 1:a -c:v mjpeg -q:v 31 -c:a pcm_s16le -ar 8000
make file/sound.m4a 0.5 -map 1:a -c:a aac -b:a 16k
make file/opus.mp4 0.5 -map 1:a -c:a libopus -b:a 8k
make file/vp9.mp4 0.3 -map 0:v -c:v libvpx-vp9 -b:v 10k -threads 1
for extension in flv ts m2ts; do
  # A muxer's usual 700 ms before the first picture are of no use here.
  make "clock/plain.$extension" 0.5 "${h264[@]}" -muxdelay 0
done
make file/hevc.mp4 0.3 -map 0:v -c:v libx265 -x265-params log-level=none:pools=1 -crf 51 -tag:v hvc1

# A letter for the codec, as packager/src/scan/fuzz.rs has it, and pictures between delimiters.
units() {
  local path=packager/fuzz/corpus/units/$1 letter=$2
  shift 2
  { printf %s "$letter" && ffmpeg -nostdin -loglevel error -f lavfi -i "testsrc2=size=32x32:rate=10:duration=2" \
    -fflags +bitexact -flags:v +bitexact "$@" -; } >"$path"
}
# Groups that are open, so that most of them begin without parameter sets.
units h264 a -c:v libx264 -preset veryslow -bf 2 -g 5 -crf 51 -threads 1 -x264-params open-gop=1:aud=1 -f h264
units interlaced a -c:v libx264 -preset veryslow -bf 2 -g 5 -crf 51 -threads 1 -flags +ilme+ildct -x264-params open-gop=1:aud=1 -f h264
units h265 h -c:v libx265 -x265-params log-level=none:pools=1:open-gop=1:aud=1:keyint=5 -crf 51 -f hevc
units mpeg2 2 -c:v mpeg2video -bf 2 -g 5 -q:v 31 -r 25 -f mpeg2video
units mpeg4 4 -c:v mpeg4 -bf 2 -g 5 -q:v 31 -f m4v

"$vidstream" package "$corpus/file/plain.mp4" --out "$work/out" >/dev/null
find "$work/out" \( -name 'init.mp4' -o -name '*.m4s' \) -size -8k | while read -r path; do
  name=${path#"$work"/out/}
  cp "$path" "$corpus/cmaf/${name//\//-}"
done
ls -l "$corpus"/{file,cmaf,clock} packager/fuzz/corpus/units
