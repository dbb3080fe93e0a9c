// From the last body byte to the first segment of every track, each with the right picture.
// Prints the median of five beside its bound, and ends with 1 when the bound is missed.
import { createReadStream } from "node:fs";
import { copyFile, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { figure, verdict } from "../lib/figures.mjs";
import { clip, run, serve, temporary } from "../lib/vidstream.mjs";

const RUNS = 5;
const BOUND_S = 2.0;
const SSIM_MIN = 0.9;
const SOUND_MIN = 0.9;
const AUDIO_S = 1.5;
const RATE_HZ = 48_000;
const LAG_SAMPLES_MAX = 4_800;
const COMPARED_S = 1;
const GIVE_UP_MS = 60_000;
const REST_MS = 1500;

const folder = await temporary(null, "bench");
const cases = [
  { name: "720p30 MP4, 10 min, moov last", seconds: 600, bound: BOUND_S },
  { name: "720p30 MP4, 10 min, moov first", seconds: 600, remux: ["-movflags", "+faststart"], bound: BOUND_S },
  { name: "720p30 MKV, 10 min", seconds: 600, remux: [], extension: "mkv" },
  { name: "720p30 TS, 10 min", seconds: 600, remux: [], extension: "ts" },
  { name: "1080p30 MP4, 2 min", seconds: 120, size: "1920x1080" },
  { name: "720p30 MP4, 60 min, moov last", seconds: 3600, loop: 6, remux: [], bound: BOUND_S },
  { name: "720p30 MP4, 60 min, moov first", seconds: 3600, loop: 6, remux: ["-movflags", "+faststart"], bound: BOUND_S },
].filter(({ name }) => !process.argv[2] || new RegExp(process.argv[2]).test(name));

const originals = new Map();
async function source({ seconds, size = "1280x720", remux, extension = "mp4", loop = 1 }, n) {
  const key = `${seconds / loop} ${size}`;
  if (!originals.has(key)) originals.set(key, await clip(folder, `original-${originals.size}.mp4`, { seconds: seconds / loop, size }));
  const file = join(folder, `case-${n}.${extension}`);
  if (!remux) {
    await copyFile(originals.get(key), file);
  } else {
    await run("ffmpeg", ["-v", "error", "-y", "-stream_loop", String(loop - 1), "-i", originals.get(key), "-c", "copy", ...remux, file]);
  }
  return file;
}

// Sends the file and resolves when the last byte is with the kernel, and with the answer.
function upload(url, file, length) {
  let sent;
  const lastByte = new Promise((resolve) => { sent = resolve; });
  const answer = new Promise((resolve, reject) => {
    const outgoing = request(`${url}/v1/videos?title=bench`, { method: "PUT", headers: { "content-length": length } }, (incoming) => {
      let text = "";
      incoming.on("data", (piece) => { text += piece; });
      incoming.on("end", () => resolve(JSON.parse(text)));
    });
    outgoing.on("error", reject);
    outgoing.on("finish", () => sent(performance.now()));
    createReadStream(file, { highWaterMark: 1 << 20 }).pipe(outgoing);
  });
  return { lastByte, answer };
}

async function ok(url) {
  const started = performance.now();
  for (;;) {
    const response = await fetch(url);
    if (response.status === 200) return Buffer.from(await response.arrayBuffer());
    await response.arrayBuffer();
    if (performance.now() - started > GIVE_UP_MS) throw new Error(`${url} answers ${response.status}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function ssim(base, track, bytes, file) {
  const init = await ok(`${base}/${track}/init.mp4`);
  const path = join(folder, `${track}.mp4`);
  await writeFile(path, Buffer.concat([init, bytes]));
  const { stderr } = await run("ffmpeg", ["-v", "info", "-t", String(COMPARED_S), "-i", path, "-t", String(COMPARED_S), "-i", file, "-lavfi", "[1:v]setpts=PTS-STARTPTS[t];[0:v]setpts=PTS-STARTPTS[o];[t][o]scale2ref=flags=bilinear[s][m];[m][s]ssim=shortest=1", "-frames:v", "30", "-f", "null", "-"]);
  return Number(/All:([\d.]+)/.exec(stderr)[1]);
}

// Mono samples of a file's first seconds.
async function samples(path, seconds) {
  const { stdout } = await run("ffmpeg", ["-v", "error", "-xerror", "-i", path, "-t", String(seconds), "-ac", "1", "-ar", String(RATE_HZ), "-f", "s16le", "-"], { encoding: "buffer", maxBuffer: 1 << 24 });
  return new Int16Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + (stdout.length & ~1)));
}

// How alike the sound of a segment and of the source is, where they match best: 1 is the same. Where the
// source's sound begins before its first picture, a decoder that reads it alone begins there too.
async function likeness(base, bytes, file) {
  const path = join(folder, "audio.mp4");
  await writeFile(path, Buffer.concat([await ok(`${base}/audio/init.mp4`), bytes]));
  const [ours, theirs] = await Promise.all([samples(path, AUDIO_S), samples(file, AUDIO_S)]);
  if (ours.length < AUDIO_S * RATE_HZ) return 0;
  let best = 0;
  for (let lag = -LAG_SAMPLES_MAX; lag <= LAG_SAMPLES_MAX; lag += 1) {
    let [both, one, other] = [0, 0, 0];
    for (let at = LAG_SAMPLES_MAX; at < LAG_SAMPLES_MAX + RATE_HZ / 2; at += 1) {
      both += ours[at] * theirs[at + lag];
      one += ours[at] ** 2;
      other += theirs[at + lag] ** 2;
    }
    best = Math.max(best, both / Math.sqrt(one * other));
  }
  return best;
}

async function measure(server, file) {
  const { size } = await stat(file);
  const { lastByte, answer } = upload(server.url, file, size);
  const [zero, video] = await Promise.all([lastByte, answer]);
  const base = `${server.url}/v/${video.id}/1`;
  const master = (await ok(`${server.url}/v/${video.id}/master.m3u8`)).toString();
  const rungs = [...master.matchAll(/^1\/(\d+p)\/index\.m3u8/gm)].map((match) => match[1]);
  const tracks = [...new Set([...rungs, "audio", "trick"])];
  const bodies = await Promise.all(tracks.map((track) => ok(`${base}/${track}/1.m4s`)));
  const seconds = (performance.now() - zero) / 1000;
  const body = (track) => bodies[tracks.indexOf(track)];
  const pictures = await Promise.all([...rungs, "trick"].map((track) => ssim(base, track, body(track), file)));
  const worst = Math.min(...pictures);
  const sound = await likeness(base, body("audio"), file);
  await fetch(`${server.url}/v1/videos/${video.id}`, { method: "DELETE" });
  return { seconds, worst, sound, rungs: rungs.length };
}

const server = await serve(join(folder, "data"));
let wrong = false;
try {
  for (const [n, item] of cases.entries()) {
    const file = await source(item, n);
    const runs = [];
    for (let turn = 0; turn < RUNS; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      runs.push(await measure(server, file));
    }
    const sorted = runs.map((one) => one.seconds).sort((a, b) => a - b);
    const median = sorted[Math.floor(RUNS / 2)];
    const worst = Math.min(...runs.map((one) => one.worst));
    const sound = Math.min(...runs.map((one) => one.sound));
    const bad = worst < SSIM_MIN || sound < SOUND_MIN;
    wrong ||= bad;
    console.log(`${item.name}: playable after ${sorted.map((s) => s.toFixed(2)).join(" ")} s, worst SSIM ${worst.toFixed(3)} over ${runs[0].rungs} rungs and trick, sound alike to ${sound.toFixed(3)}${bad ? "  WRONG" : ""}`);
    figure("playable", { name: item.name, unit: "s", ours: median, bound: item.bound });
  }
} finally {
  await server.stop();
}
process.exit(wrong ? 1 : verdict());
