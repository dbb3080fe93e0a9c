// Playing what is not made yet: a seek far ahead, and segments withheld for 20 seconds.
import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { after, before, test } from "node:test";
import { launch, open, pages } from "../lib/browser.mjs";
import { DASH_PATIENT, HLS_PATIENT, SHAKA_PATIENT } from "../lib/patient.mjs";
import { unbroken } from "../lib/pictures.mjs";
import { clip, serve, temporary } from "../lib/vidstream.mjs";

const FPS = 30;
const SECONDS = 20;
const WITHHELD = 4;
const WITHHELD_MS = 20_000;
const HOLD_MS = 8_000;
const WAIT_MS = 60_000;
// A film stands still until the segment may be had, and for the pause that a player makes between two requests.
const STALL_MAX_MS = 30_000;
// All of it, with the start of several players on two cores.
const END_MAX_MS = SECONDS * 1000 + STALL_MAX_MS + 40_000;
// Segments are two seconds long or longer: whoever jumps over one leaves out more than that.
const SKIP_S = 2;
let server, browser, site, folder, ready;

before(async () => {
  folder = await temporary(null, "waits");
  server = await serve(`${folder}/data`);
  const short = await clip(folder, "short.mp4", { seconds: SECONDS, fps: String(FPS), size: "640x360" });
  const { id } = await server.upload(short, "withheld");
  ready = await server.wait(id, "ready", 180_000, (seen) => seen.state === "ready");
  [browser, site] = await Promise.all([launch(), pages()]);
});

after(async () => {
  await browser?.close();
  await site?.close();
  await server?.stop();
});

// Passes everything on, but treats one segment of every track as the origin does one that cannot be made
// for so long: each request is held for 8 s and then refused.
async function withholding(number) {
  let asked = null;
  const proxy = createServer((incoming, outgoing) => {
    if (incoming.url.endsWith(`/${number}.m4s`) && !incoming.url.includes("/trick/")) {
      asked ??= Date.now();
      const left = asked + WITHHELD_MS - Date.now();
      if (left > HOLD_MS) {
        setTimeout(() => outgoing.writeHead(503, { "access-control-allow-origin": "*", "cache-control": "no-store", "retry-after": "1" }).end(), HOLD_MS);
        return;
      }
      if (left > 0) {
        setTimeout(() => pass(incoming, outgoing), left);
        return;
      }
    }
    pass(incoming, outgoing);
  });
  const pass = (incoming, outgoing) => {
    const onward = request(`${server.url}${incoming.url}`, { method: incoming.method, headers: { ...incoming.headers, host: new URL(server.url).host } }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  };
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${proxy.address().port}`, close: () => { proxy.closeAllConnections(); proxy.close(); } };
}

const isRefused = (line) => line.startsWith("503 ") && line.endsWith(`/${WITHHELD}.m4s`);
const others = (failed) => failed.filter((line) => !isRefused(line) && !line.startsWith("page: The play"));

async function resumes(t, openPlayer) {
  const proxy = await withholding(WITHHELD);
  t.after(proxy.close);
  const tab = await open(browser, site.url);
  t.after(() => tab.page.close());
  await openPlayer(tab, proxy.url);
  const end = await tab.call("watchToEnd", END_MAX_MS, STALL_MAX_MS);
  assert.ok(Math.abs(end.time - SECONDS) < 0.1, `ended at ${end.time}`);
  assert.ok(tab.failed.some(isRefused), "the segment was refused");
  unbroken(end.frames, { fps: FPS, from_s: 0, until_s: SECONDS, skip_s: SKIP_S }, "before and after the wait");
  assert.deepEqual(await tab.errors(), []);
  assert.deepEqual(others(tab.failed), []);
}

// They stand still for most of the time, so they do so beside one another.
const PLAYERS = {
  "hls.js with its defaults": (tab, base) => tab.call("openHls", base + ready.urls.hls, { vidstreamTolerant: true }),
  "hls.js with the documented settings": (tab, base) => tab.call("openHls", base + ready.urls.hls, { ...HLS_PATIENT, vidstreamTolerant: true }),
  "Shaka with the documented settings over HLS": (tab, base) => tab.call("openShaka", base + ready.urls.hls, SHAKA_PATIENT),
  "Shaka with the documented settings over DASH": (tab, base) => tab.call("openShaka", base + ready.urls.dash, SHAKA_PATIENT),
};

test("players resume after a segment was withheld for 20 s", { concurrency: true }, (t) =>
  Promise.all(Object.entries(PLAYERS).map(([name, openPlayer]) => t.test(name, (each) => resumes(each, openPlayer)))));

// It pauses once so much time has passed as was left to play, so it has the machine for itself.
test("dash.js with the documented settings resumes", (t) =>
  resumes(t, (tab, base) => tab.call("openDash", base + ready.urls.dash, DASH_PATIENT)));

test("hls.js seeks to 80 % as soon as a long film is playable and shows the right picture", async () => {
  const seconds = 120;
  const long = await clip(folder, "long.mp4", { seconds });
  const { id } = await server.upload(long, "seek ahead");
  const video = await server.wait(id, "playable", 30_000, (seen) => seen.playable);
  const tab = await open(browser, site.url);
  const { duration } = await tab.call("openHls", server.url + video.urls.hls, { ...HLS_PATIENT, vidstreamTolerant: true });
  assert.ok(Math.abs(duration - seconds) < 0.03, `the playlist is full-length from the first moment: ${duration}`);
  const target = seconds * 0.8 + 0.01;
  const frame = await tab.call("seek", target, 30_000);
  assert.equal(frame.counter, Math.floor(target * FPS));
  assert.ok((await server.api(`/v1/videos/${id}`)).state === "processing", "the film is still being made");
  // The chunk is made at once, beside those that run: the first request for it is answered within its hold.
  assert.deepEqual(tab.failed, []);
  assert.deepEqual(await tab.errors(), []);
  await tab.page.close();
  await fetch(`${server.url}/v1/videos/${id}`, { method: "DELETE" });
});
