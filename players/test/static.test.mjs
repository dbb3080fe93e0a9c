// A packaged folder on a web server that knows nothing of us: it plays in every player.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, pages } from "../lib/browser.mjs";
import { frameAt, unbroken } from "../lib/pictures.mjs";
import { clip, program, run, temporary } from "../lib/vidstream.mjs";

const SECONDS = 10;
const FPS = 30;
const WAIT_MS = 30_000;
// What a busy machine may leave out.
const SKIP_S = 1;
const types = { ".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml", ".mp4": "video/mp4", ".m4s": "video/mp4" };

let browser, site, host, url;

before(async () => {
  const folder = await temporary(null, "static");
  const file = await clip(folder, "clip.mp4", { seconds: SECONDS, size: "640x360", fps: String(FPS) });
  const root = join(folder, "tree");
  await run(program, ["package", file, "--out", root]);
  host = createServer(async (request, response) => {
    const path = join(root, normalize(new URL(request.url, "http://x").pathname));
    const found = await stat(path).catch(() => null);
    if (!found?.isFile()) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream", "content-length": found.size, "access-control-allow-origin": "*" });
    return createReadStream(path).pipe(response);
  });
  await new Promise((resolve) => host.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${host.address().port}`;
  [browser, site] = await Promise.all([launch(), pages()]);
});

after(async () => {
  await browser?.close();
  await site?.close();
  host?.closeAllConnections();
  host?.close();
});

for (const [player, call, document] of [
  ["hls.js", "openHls", "master.m3u8"],
  ["Shaka (HLS)", "openShaka", "master.m3u8"],
  ["Shaka (DASH)", "openShaka", "manifest.mpd"],
  ["dash.js", "openDash", "manifest.mpd"],
]) {
  test(`${player} plays a packaged folder from a plain web server`, async () => {
    const tab = await open(browser, site.url);
    await tab.call(call, `${url}/${document}`);
    unbroken(await tab.call("play", 2000, WAIT_MS), { fps: FPS, from_s: 0, until_s: 2, skip_s: SKIP_S }, "playing");
    const from_s = SECONDS * 0.6;
    const frame = await tab.call("seek", from_s + 0.01, WAIT_MS);
    assert.equal(frame.counter, frameAt(from_s + 0.01, FPS));
    const end = await tab.call("watchToEnd", WAIT_MS);
    assert.ok(Math.abs(end.duration - SECONDS) < 0.03 && Math.abs(end.time - end.duration) < 0.1, `ended at ${end.time} of ${end.duration} s`);
    unbroken(end.frames, { fps: FPS, from_s, until_s: SECONDS, skip_s: SKIP_S }, "to the end");
    assert.deepEqual(await tab.errors(), []);
    assert.deepEqual(tab.failed, []);
    await tab.page.close();
  });
}
