// Films of real pictures (animation, and live action with grain), and the ffmpeg command that makes a plan's ladder of one.
import { mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./vidstream.mjs";

const cache = new URL("../../.cache/bench", import.meta.url).pathname;
// Counts up when the recipe below changes.
const RECIPE = 1;
// Pictures of both clips.
const PICTURES = 132 + 250;
const OUTPUT_MAX = { maxBuffer: 1 << 24 };
const ffmpeg = (...args) => run("ffmpeg", ["-hide_banner", "-nostdin", "-v", "error", "-y", ...args], OUTPUT_MAX);

// A film of `seconds`, made once: one pass over both clips, coded as cameras and studios do, then repeated.
export async function film({ seconds, width = 1280, height = 720, fps = 25 }) {
  const path = join(cache, `film-${RECIPE}-${height}p${fps}-${seconds}s.mp4`);
  if (await stat(path).catch(() => null)) return path;
  const clips = (await run(new URL("../../scripts/clips.sh", import.meta.url).pathname)).stdout.trim();
  await mkdir(cache, { recursive: true });
  const fit = `scale=${width}:${height}:force_original_aspect_ratio=increase,crop=${width}:${height},setpts=PTS*25/${fps},fps=${fps},setsar=1`;
  const graph = `[0:v]${fit}[a];[1:v]${fit},noise=alls=5:allf=t[b];[a][b]concat[v];[0:a]aloop=loop=-1:size=480000[s]`;
  const once = join(cache, `once-${process.pid}.mp4`);
  await ffmpeg("-i", join(clips, "bigbuckbunny.mp4"), "-i", join(clips, "bikes.mp4"), "-filter_complex", graph, "-map", "[v]", "-map", "[s]", "-t", String(PICTURES / fps), "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-ar", "48000", "-b:a", "192k", once);
  const made = join(cache, `making-${process.pid}.mp4`);
  await ffmpeg("-stream_loop", "-1", "-i", once, "-t", String(seconds), "-c", "copy", made);
  await rename(made, path);
  return path;
}

// One ffmpeg command for the rungs and the sound of a plan: the same sizes, preset, quality, caps, buffers and GOPs, as HLS.
export function ladder(source, plan, folder) {
  const { rungs, audio, timeline } = plan;
  const names = rungs.map((_, n) => `[r${n}]`);
  const scaled = rungs.map(({ width, height }, n) => `[i${n}]scale=${width}:${height}:flags=bilinear${names[n]}`);
  const graph = [`[0:v]split=${rungs.length}${rungs.map((_, n) => `[i${n}]`).join("")}`, ...scaled].join(";");
  const video = rungs.flatMap(({ cap_bps, buffer_ms, encoder }, n) => [
    "-map", names[n], `-preset:v:${n}`, encoder.settings["speed-preset"], `-crf:v:${n}`, encoder.settings.quantizer,
    `-maxrate:v:${n}`, String(cap_bps), `-bufsize:v:${n}`, String(Math.round(cap_bps * buffer_ms / 1000)),
    `-bf:v:${n}`, encoder.settings.bframes,
  ]);
  const gop = timeline.gop_frames;
  const streams = [...rungs.map((_, n) => `v:${n},agroup:a`), "a:0,agroup:a"].join(" ");
  return [
    "-hide_banner", "-nostdin", "-v", "error", "-y", "-i", source, "-filter_complex", graph, ...video,
    "-c:v", "libx264", "-g", String(gop), "-keyint_min", String(gop), "-sc_threshold", "0", "-flags", "+cgop",
    "-map", "0:a", "-c:a", "aac", "-b:a", String(audio.bitrate_bps), "-ac", String(audio.channels), "-ar", String(audio.grid.sample_rate),
    "-f", "hls", "-hls_time", String(gop * timeline.segment_gops * timeline.fps.den / timeline.fps.num), "-hls_playlist_type", "vod",
    "-hls_segment_type", "fmp4", "-var_stream_map", streams, "-master_pl_name", "master.m3u8", join(folder, "%v.m3u8"),
  ];
}
