// A ready video in the real players: plays, seeks, switches, ends; the right picture at the right time.
import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, pages } from "../lib/browser.mjs";
import { frameAt, right, unbroken } from "../lib/pictures.mjs";
import { clip, profile, run, serve, temporary } from "../lib/vidstream.mjs";
import { read } from "../../testkit/js/counter.mjs";

const SECONDS = 24;
const FPS = 30;
const FRAMES = SECONDS * FPS;
const HEIGHTS = [240, 360, 480, 720];
const TRICK_HEIGHT = 180;
// Shaka plays what it has of the normal track first: this much ahead of where trick play begins, and the segments that it is
// about to have by then, four seconds long at most.
const AHEAD_S = 6;
const TRICK = { rate: 4, from_s: 2, trick_s: 2 + AHEAD_S + 5, until_s: SECONDS - 1 };
// I-frames are two seconds apart at most; a busy machine may leave one out.
const TRICK_SKIP_S = 4;
// As much may a busy machine leave out of what is played at play speed.
const SKIP_S = 1;
// How the decoders' pictures and sound are kept: RGBA of this size, and samples of two bytes on one channel.
const KEPT = { width: 160, height: 90 };
const SOUND_RATE = 48_000;
const SAMPLE_BYTES = 2;
// Two frames of AAC.
const SAMPLES_OFF_MAX = 2 * 1024;
const WAIT_MS = 20_000;
const MAKE_WAIT_MS = 180_000;

let server, browser, site, video, folder;

before(async () => {
  folder = await temporary(null, "plays");
  server = await serve(`${folder}/data`);
  const file = await clip(folder, "clip.mp4", { seconds: SECONDS, fps: String(FPS) });
  ({ id: video } = await server.upload(file, "plays"));
  video = await server.wait(video, "ready", MAKE_WAIT_MS, (seen) => seen.state === "ready");
  [browser, site] = await Promise.all([launch(), pages()]);
});

after(async () => {
  await browser?.close();
  await site?.close();
  await server?.stop();
});

const hls = () => server.url + video.urls.hls;
const dash = () => server.url + video.urls.dash;

async function quiet(tab) {
  assert.deepEqual(await tab.errors(), []);
  assert.deepEqual(tab.failed, []);
  await tab.page.close();
}

// What every player must do; `level` switches to a height and plays there.
async function plays(tab, level) {
  unbroken(await tab.call("play", 2500, WAIT_MS), { fps: FPS, from_s: 0, until_s: 2.5, skip_s: SKIP_S }, "playing");
  for (const time of [SECONDS * 0.8 + 0.01, 3.015, 11.99]) {
    const frame = await tab.call("seek", time, WAIT_MS);
    assert.equal(frame.counter, frameAt(time, FPS), `after a seek to ${time} s`);
  }
  for (const [n, height] of [...HEIGHTS, ...HEIGHTS.toReversed()].entries()) {
    const frame = await level(height, 2 + n * 2.3);
    assert.equal(frame.height, height);
    right(frame, FPS, `at ${height}p`);
  }
  await tab.call("rests", WAIT_MS);
  await tab.call("seek", SECONDS - 3 + 0.01, WAIT_MS);
  const end = await tab.call("watchToEnd", WAIT_MS);
  assert.ok(Math.abs(end.duration - SECONDS) < 0.03 && Math.abs(end.time - end.duration) < 0.1, `ended at ${end.time} of ${end.duration} s`);
  unbroken(end.frames, { fps: FPS, from_s: SECONDS - 3, until_s: SECONDS, skip_s: SKIP_S }, "to the end");
}

test("hls.js plays, seeks, switches every rung and ends", async () => {
  const tab = await open(browser, site.url);
  const { duration, levels } = await tab.call("openHls", hls());
  assert.ok(Math.abs(duration - SECONDS) < 0.03, `duration ${duration}`);
  assert.deepEqual([...levels].sort((a, b) => a - b), HEIGHTS);
  await plays(tab, (height, from) => tab.call("hlsLevel", height, from, WAIT_MS));
  await quiet(tab);
});

test("hls.js's I-frame player shows the right pictures", async () => {
  const tab = await open(browser, site.url);
  await tab.call("openHls", hls());
  for (const time of [5, 17, 9, 22]) {
    const frame = await tab.call("hlsIFrame", time + 0.01, WAIT_MS);
    assert.equal(frame.counter % FPS, 0, `I-frames lie on whole seconds, not at ${frame.counter}`);
    // The player may take the I-frames of any variant: they are two seconds apart at most.
    assert.ok(frame.counter <= time * FPS && frame.counter > (time - 2) * FPS, `at ${time} s the picture is ${frame.counter}`);
  }
  await quiet(tab);
});

for (const [name, url] of [["HLS", hls], ["DASH", dash]]) {
  test(`Shaka plays ${name}, seeks, switches every rung and ends`, async () => {
    const tab = await open(browser, site.url);
    const { duration, levels } = await tab.call("openShaka", url());
    assert.ok(Math.abs(duration - SECONDS) < 0.03, `duration ${duration}`);
    assert.deepEqual([...new Set(levels)].sort((a, b) => a - b), HEIGHTS);
    await plays(tab, (height, from) => tab.call("shakaLevel", height, from, WAIT_MS));
    await quiet(tab);
  });

  test(`Shaka shows the thumbnails of ${name}`, async () => {
    const tab = await open(browser, site.url);
    await tab.call("openShaka", url());
    for (const time of [0.5, 7.5, 19.5]) {
      const tile = await tab.call("shakaThumbnail", time);
      assert.equal(tile.counter, Math.floor(time) * FPS, `the tile at ${time} s`);
      assert.ok(tile.width / tile.height > 1.7 && tile.width / tile.height < 1.85);
    }
    await quiet(tab);
  });

  test(`Shaka trick-plays ${name} at x${TRICK.rate} with I-frames alone and without a gap`, async () => {
    const tab = await open(browser, site.url);
    // In HLS it takes the I-frames of the rung that it plays, which are ranges; in DASH, the trick track.
    const asked = new Set();
    tab.page.on("request", (request) => {
      const { range } = request.headers();
      if (request.url().endsWith(".m4s") && (request.url().includes("/trick/") || range)) asked.add(`${request.url()} ${range}`);
    });
    await tab.call("openShaka", url(), { streaming: { bufferingGoal: AHEAD_S } });
    // It goes to the start of the film by itself, and takes a seek back that comes before that.
    await tab.page.waitForFunction(() => document.querySelector("video").readyState >= 2, null, { timeout: WAIT_MS });
    await tab.call("seek", TRICK.from_s + 0.01, WAIT_MS);
    assert.deepEqual([...asked], [], "nothing of it before trick play");
    const { frames, gaps, buffered } = await tab.call("shakaTrick", TRICK.rate, TRICK.until_s, WAIT_MS);
    unbroken(frames, { fps: FPS, from_s: TRICK.from_s, until_s: TRICK.until_s, skip_s: TRICK_SKIP_S }, `at x${TRICK.rate}`);
    const tricks = frames.filter(({ time }) => time >= TRICK.trick_s);
    for (const { time, counter, height } of tricks) {
      assert.equal(counter % FPS, 0, `I-frames lie on whole seconds, not at ${time}`);
      if (name === "DASH") assert.equal(height, TRICK_HEIGHT);
    }
    const shown = new Set(tricks.map(({ counter }) => counter));
    assert.ok(asked.size >= shown.size && shown.size > 1, `${shown.size} I-frames of ${[...asked].join(", ")}`);
    assert.equal(gaps, 0, "gaps");
    const [first, last] = [frames[0].time, frames.at(-1).time];
    assert.ok(buffered.some(([start, end]) => start <= first && end > last), `buffered ${JSON.stringify(buffered)}`);
    await quiet(tab);
  });
}

// A sheet has sixty tiles, of a second each.
test("Shaka shows the thumbnails of a second sheet", async () => {
  const [seconds, fps] = [75, 10];
  const file = await clip(folder, "sheets.mp4", { seconds, size: "320x180", fps: String(fps), gop: 2 * fps });
  const { id } = await server.upload(file, "sheets");
  const { urls } = await server.wait(id, "sheets", MAKE_WAIT_MS, (seen) => seen.state === "ready" && seen.artifacts.storyboard.state === "ready");
  for (const name of ["hls", "dash"]) {
    const tab = await open(browser, site.url);
    await tab.call("openShaka", server.url + urls[name]);
    const sheets = new Set();
    for (const time of [0.5, 59.5, 60.5, seconds - 0.5]) {
      const tile = await tab.call("shakaThumbnail", time);
      assert.equal(tile.counter, Math.floor(time) * fps, `${name}: the tile at ${time} s`);
      sheets.add(tile.sheet);
    }
    assert.equal(sheets.size, 2, `${name}: sheets ${[...sheets].join(", ")}`);
    await quiet(tab);
  }
});

test("dash.js plays, seeks, switches every rung and ends", async () => {
  const tab = await open(browser, site.url);
  const { duration, levels } = await tab.call("openDash", dash());
  assert.ok(Math.abs(duration - SECONDS) < 0.03, `duration ${duration}`);
  assert.deepEqual([...levels].sort((a, b) => a - b), HEIGHTS);
  await plays(tab, (height, from) => tab.call("dashLevel", height, from, WAIT_MS));
  await quiet(tab);
});

const every = (step) => Array.from({ length: FRAMES / step }, (_, n) => n * step);

function isWhole(soundBytes) {
  const samples = soundBytes / SAMPLE_BYTES;
  assert.ok(Math.abs(samples - SECONDS * SOUND_RATE) <= SAMPLES_OFF_MAX, `${samples} samples in ${SECONDS} s`);
}

// Time and counter of each picture of a video stream, as ffmpeg decodes it.
async function decoded(url, stream) {
  const { stdout } = await run(join(profile, "testkit"), ["counters", "--stream", String(stream), url]);
  return stdout.trim().split("\n").map((line) => line.split(" ").slice(0, 2).map(Number));
}

for (const [name, url, heights] of [["HLS", hls, HEIGHTS], ["DASH", dash, [TRICK_HEIGHT, ...HEIGHTS]]]) {
  test(`ffmpeg reads ${name} to the end: every picture of every stream, and all of the sound`, async () => {
    const { stdout: known } = await run("ffprobe", ["-v", "error", "-of", "json", "-show_streams", "-select_streams", "v", url()]);
    const streams = JSON.parse(known).streams.map(({ height }) => height);
    assert.deepEqual([...streams].sort((a, b) => a - b), heights);
    for (const [stream, height] of streams.entries()) {
      const pictures = await decoded(url(), stream);
      assert.deepEqual(pictures.map(([, counter]) => counter), every(height === TRICK_HEIGHT ? FPS : 1), `${height}p`);
      for (const [time, counter] of pictures) assert.ok(Math.abs(time - pictures[0][0] - counter / FPS) < 0.5 / FPS, `${height}p: picture ${counter} at ${time} s`);
    }
    const sound = ["-map", "0:a:0", "-ac", "1", "-ar", String(SOUND_RATE), "-f", "s16le", "pipe:1"];
    const { stdout, stderr } = await run("ffmpeg", ["-v", "error", "-i", url(), ...sound, "-map", "0:v:0", "-f", "null", "-"], { encoding: "buffer", maxBuffer: 1 << 26 });
    assert.equal(String(stderr), "");
    isWhole(stdout.length);
  });

  test(`GStreamer's playbin3 reads ${name} to the end: every picture, and all of the sound`, async (t) => {
    const kept = await temporary(t, "playbin3");
    const [pictures, sound] = [join(kept, "pictures"), join(kept, "sound")];
    const script = [
      "-q", "playbin3", `uri=${url()}`,
      `video-sink=videoconvert ! videoscale ! video/x-raw,format=RGBA,width=${KEPT.width},height=${KEPT.height} ! filesink location=${pictures}`,
      `audio-sink=audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=${SOUND_RATE},channels=1 ! filesink location=${sound}`,
    ];
    await run("gst-launch-1.0", script, { timeout: 60_000 });
    const [pixels, bytes] = [await readFile(pictures), KEPT.width * KEPT.height * 4];
    const counters = Array.from({ length: pixels.length / bytes }, (_, n) => read({ data: pixels.subarray(n * bytes, (n + 1) * bytes), ...KEPT }));
    assert.deepEqual(counters, every(1));
    isWhole((await stat(sound)).size);
  });
}
