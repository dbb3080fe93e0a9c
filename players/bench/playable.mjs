// From the last body byte to the first segment of every track, each with all its pictures and its sound, and these right.
// Prints the median of five beside its bound, and ends with 1 when the bound is missed. No run has a file of another one.
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, open, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { figure, verdict } from "../lib/figures.mjs";
import { median } from "../lib/measure.mjs";
import { clip, run, runs, serve, temporary } from "../lib/vidstream.mjs";

const RUNS = runs(5);
const BOUND_S = 2.0;
const FPS = 30;
const SSIM_MIN = 0.9;
const SOUND_MIN = 0.9;
const RATE_HZ = 48_000;
const LAG_SAMPLES_MAX = 4_800;
// What is looked at to find out how far the source's sound is off.
const ALIGNED_SAMPLES = RATE_HZ / 2;
// The source is read a little further than the segment, so that the segment alone says where both end.
const BEYOND_S = 1;
const GIVE_UP_MS = 60_000;
const REST_MS = 1500;
// The signature of x264 in the first picture is a sentence with these words; it comes behind the index at the latest.
const SIGNATURE = ["Copyleft", "videolan"];
const SIGNATURE_BYTES_MAX = 16 << 20;

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

// Where the signature has a word of eight letters that is in one piece: packets of a TS may cut one, not both.
async function signature(path) {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SIGNATURE_BYTES_MAX), 0, SIGNATURE_BYTES_MAX, 0);
    const at = SIGNATURE.map((word) => buffer.subarray(0, bytesRead).indexOf(word)).find((found) => found >= 0);
    if (at === undefined) throw new Error(`${path} has no signature of x264`);
    return at;
  } finally {
    await file.close();
  }
}

// Makes it a file that nobody has seen: the same pictures, and other bytes in the first of them.
async function sign(path, at) {
  const file = await open(path, "r+");
  try {
    await file.write(randomBytes(4).toString("hex"), at);
  } finally {
    await file.close();
  }
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

// The first segment of a track as a file, and how long its playlist says that it is.
async function segment(base, track, bytes) {
  const list = track === "trick" ? "iframes" : "index";
  const [init, playlist] = await Promise.all([ok(`${base}/${track}/init.mp4`), ok(`${base}/${track}/${list}.m3u8`)]);
  const path = join(folder, `${track}.mp4`);
  await writeFile(path, Buffer.concat([init, bytes]));
  return { track, path, seconds: Number(/^#EXTINF:([\d.]+)/m.exec(playlist)[1]) };
}

// The mean SSIM of all pictures of a segment, each beside that of the source in its place; none may be missing.
async function ssim({ track, path, seconds }, file) {
  const pictures = track === "trick" ? 1 : Math.round(seconds * FPS);
  const place = `settb=1/${FPS},setpts=N`;
  const graph = `[1:v]${place}[t];[0:v]${place}[o];[t][o]scale2ref=flags=bilinear[s][m];[m][s]ssim=shortest=1:stats_file=-`;
  const { stdout } = await run("ffmpeg", ["-v", "error", "-xerror", "-i", path, "-t", String(seconds + BEYOND_S), "-i", file, "-lavfi", graph, "-an", "-f", "null", "-"]);
  const alike = [...stdout.matchAll(/ All:([\d.]+)/g)].map((match) => Number(match[1]));
  if (alike.length !== pictures) throw new Error(`the first segment of ${track} has ${alike.length} pictures and not ${pictures}`);
  return alike.reduce((sum, one) => sum + one, 0) / pictures;
}

// Mono samples of a file's first seconds.
async function samples(path, seconds) {
  const { stdout } = await run("ffmpeg", ["-v", "error", "-xerror", "-i", path, "-t", String(seconds), "-ac", "1", "-ar", String(RATE_HZ), "-f", "s16le", "-"], { encoding: "buffer", maxBuffer: 1 << 24 });
  return new Int16Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + (stdout.length & ~1)));
}

// How alike samples of a segment are to those of the source so much later: 1 is the same. Silence is around the source.
function correlation(ours, theirs, lag, from, to) {
  let [both, one, other] = [0, 0, 0];
  for (let at = from; at < to; at += 1) {
    const heard = theirs[at + lag] ?? 0;
    both += ours[at] * heard;
    one += ours[at] ** 2;
    other += heard ** 2;
  }
  return both / Math.sqrt(one * other);
}

// How alike the whole sound of a segment and of the source is, where they match best. Where the source's sound begins
// before its first picture, a decoder that reads it alone begins there too.
async function likeness({ track, path, seconds }, file) {
  const [ours, theirs] = await Promise.all([path, file].map((one) => samples(one, seconds + BEYOND_S)));
  const wanted = Math.round(seconds * RATE_HZ);
  if (ours.length !== wanted) throw new Error(`the first segment of ${track} has ${ours.length} samples and not ${wanted}`);
  let best = { alike: -1, lag: 0 };
  for (let lag = -LAG_SAMPLES_MAX; lag <= LAG_SAMPLES_MAX; lag += 1) {
    const alike = correlation(ours, theirs, lag, LAG_SAMPLES_MAX, LAG_SAMPLES_MAX + ALIGNED_SAMPLES);
    if (alike > best.alike) best = { alike, lag };
  }
  return correlation(ours, theirs, best.lag, 0, ours.length);
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
  const segments = await Promise.all(tracks.map((track, n) => segment(base, track, bodies[n])));
  // Nothing is encoded any more while they are looked at.
  await fetch(`${server.url}/v1/videos/${video.id}`, { method: "DELETE" });
  const pictures = await Promise.all(segments.filter(({ track }) => track !== "audio").map((one) => ssim(one, file)));
  const sound = await likeness(segments.find(({ track }) => track === "audio"), file);
  return { seconds, worst: Math.min(...pictures), sound, rungs: new Set(rungs).size };
}

const server = await serve(join(folder, "data"));
let wrong = false;
try {
  for (const [n, item] of cases.entries()) {
    const file = await source(item, n);
    const at = await signature(file);
    const seen = [];
    for (let turn = 0; turn < RUNS; turn += 1) {
      await sign(file, at);
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      seen.push(await measure(server, file));
    }
    const seconds = seen.map((one) => one.seconds);
    const worst = Math.min(...seen.map((one) => one.worst));
    const sound = Math.min(...seen.map((one) => one.sound));
    const bad = !(worst >= SSIM_MIN && sound >= SOUND_MIN);
    wrong ||= bad;
    console.log(`${item.name}: playable after ${seconds.sort((a, b) => a - b).map((s) => s.toFixed(2)).join(" ")} s, worst SSIM ${worst.toFixed(3)} over ${seen[0].rungs} rungs and trick, sound alike to ${sound.toFixed(3)}${bad ? "  WRONG" : ""}`);
    figure("playable", { name: item.name, unit: "s", ours: median(seconds), bound: item.bound });
  }
} finally {
  await server.stop();
}
process.exit(wrong ? 1 : verdict());
