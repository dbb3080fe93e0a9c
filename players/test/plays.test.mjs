// A ready video in the real players: plays, seeks, switches, ends; the right picture at the right time.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, pages } from "../lib/browser.mjs";
import { clip, run, serve, temporary } from "../lib/vidstream.mjs";

const SECONDS = 24;
const FPS = 30;
const FRAMES = SECONDS * FPS;
const HEIGHTS = [240, 360, 480, 720];
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
// Timestamps are whole microseconds: a thousandth of a frame early is not the frame before.
const frameAt = (time) => Math.min(FRAMES - 1, Math.floor(time * FPS + 1e-3));

function right(frame, note) {
  assert.equal(frame.counter, frameAt(frame.time), `${note}: at ${frame.time} s the picture is ${frame.counter}`);
}

async function quiet(tab) {
  assert.deepEqual(await tab.errors(), []);
  assert.deepEqual(tab.failed, []);
  await tab.page.close();
}

// What every player must do; `level` switches to a height and plays there.
async function plays(tab, level) {
  for (const frame of await tab.call("play", 2500, WAIT_MS)) right(frame, "playing");
  for (const time of [SECONDS * 0.8 + 0.01, 3.015, 11.99]) {
    const frame = await tab.call("seek", time, WAIT_MS);
    assert.equal(frame.counter, frameAt(time), `after a seek to ${time} s`);
  }
  for (const [n, height] of [...HEIGHTS, ...HEIGHTS.toReversed()].entries()) {
    const frame = await level(height, 2 + n * 2.3);
    assert.equal(frame.height, height);
    right(frame, `at ${height}p`);
  }
  await tab.call("seek", SECONDS - 3, WAIT_MS);
  const end = await tab.call("playToEnd", WAIT_MS);
  assert.ok(Math.abs(end.duration - SECONDS) < 0.03, `duration ${end.duration}`);
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

  test(`Shaka shows the thumbnails of ${name} and trick-plays at x4 without a gap`, async () => {
    const tab = await open(browser, site.url);
    await tab.call("openShaka", url());
    for (const time of [0.5, 7.5, 19.5]) {
      const tile = await tab.call("shakaThumbnail", time);
      assert.equal(tile.counter, Math.floor(time) * FPS, `the tile at ${time} s`);
      assert.ok(tile.width / tile.height > 1.7 && tile.width / tile.height < 1.85);
    }
    await tab.call("seek", 2, WAIT_MS);
    const frames = await tab.call("shakaTrick", 4, SECONDS - 2, WAIT_MS);
    const pictures = [...new Set(frames.map((frame) => frame.counter))];
    assert.ok(pictures.every((counter) => counter !== null), `unread pictures: ${JSON.stringify(frames)}`);
    const steps = pictures.slice(1).map((counter, n) => counter - pictures[n]);
    assert.ok(pictures.length >= 12 && steps.every((step) => step > 0 && step <= 3 * FPS), `pictures ${pictures}`);
    await quiet(tab);
  });
}

test("dash.js plays, seeks, switches every rung and ends", async () => {
  const tab = await open(browser, site.url);
  const { duration, levels } = await tab.call("openDash", dash());
  assert.ok(Math.abs(duration - SECONDS) < 0.03, `duration ${duration}`);
  assert.deepEqual([...levels].sort((a, b) => a - b), HEIGHTS);
  await plays(tab, (height, from) => tab.call("dashLevel", height, from, WAIT_MS));
  await quiet(tab);
});

for (const [name, url] of [["HLS", hls], ["DASH", dash]]) {
  test(`ffmpeg reads ${name} to the end with the exact frame count`, async () => {
    const { stdout, stderr } = await run("ffmpeg", ["-v", "error", "-i", url(), "-map", "0:v:0", "-f", "framemd5", "-"], { maxBuffer: 1 << 26 });
    assert.equal(stderr, "");
    assert.equal(stdout.split("\n").filter((line) => line && !line.startsWith("#")).length, FRAMES);
  });

  test(`GStreamer's playbin3 reads ${name} to the end with the exact frame count`, async () => {
    const script = ["playbin3", `uri=${url()}`, "video-sink=fakesink name=v silent=false sync=false", "audio-sink=fakesink sync=false", "-v"];
    const { stdout } = await run("gst-launch-1.0", script, { maxBuffer: 1 << 27, timeout: 60_000 });
    const shown = stdout.split("\n").filter((line) => line.includes("last-message = chain") && line.includes("(v:sink)")).length;
    assert.equal(shown, FRAMES);
  });
}
