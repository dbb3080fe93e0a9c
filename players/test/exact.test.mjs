// Segments in the browser: each fills exactly the time that the playlists give it, in every rung alike.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, pages } from "../lib/browser.mjs";
import { profile, program, run, temporary } from "../lib/vidstream.mjs";

// The browser and the playlist each round the ends of a segment to a microsecond.
const ROUNDED_S = 3e-6;
const WAIT_MS = 60_000;

let folder, browser, site, host, url;

before(async () => {
  folder = await temporary(null, "exact");
  host = createServer(async (request, response) => {
    const body = await readFile(join(folder, normalize(new URL(request.url, "http://x").pathname))).catch(() => null);
    response.writeHead(body ? 200 : 404, { "access-control-allow-origin": "*" }).end(body);
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

const generate = (path, fps, more = []) =>
  run(join(profile, "testkit"), ["generate", "--seconds", "13", "--size", "320x180", "--content", "plain", "--fps", fps, ...more, path]);

// Frames per second, seconds of the presentation, container, and how the file is made.
const films = [
  ["23.976 fps with B-frames in Matroska", 24_000 / 1001, 311 * 1001 / 24_000, "mkv", (path) => generate(path, "24000/1001", ["--bframes", "2", "--gop", "40"])],
  ["59.94 fps in MPEG-TS", 60_000 / 1001, 779 * 1001 / 60_000, "ts", (path) => generate(path, "60000/1001", ["--bframes", "2"])],
  ["12.5 fps in fragments", 12.5, 162 / 12.5, "mp4", (path) => generate(path, "25/2", ["--fragmented", "--gop", "10"])],
  ["a recording with a hole of five seconds", 30, 13, "mkv", async (path) => {
    const whole = path.replace("film", "whole");
    await generate(whole, "30");
    const filter = "select='lt(n,90)+gte(n,240)'";
    await run("ffmpeg", ["-v", "error", "-i", whole, "-vf", filter, "-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "copy", path]);
  }],
];

const inPlaylist = (text) => {
  const seconds = [...text.matchAll(/^#EXTINF:([\d.]+),/gm)].map((found) => Number(found[1]));
  let at = 0;
  return seconds.map((length) => [at, at += length]);
};

for (const [n, [name, fps, seconds, container, make]] of films.entries()) {
  test(`${name}: the browser buffers what the playlists say`, async () => {
    const file = join(folder, `film${n}.${container}`);
    await make(file);
    await run(program, ["package", file, "--out", join(folder, `tree${n}`), "--set", "ladder.heights=180,90"]);
    const master = await readFile(join(folder, `tree${n}/master.m3u8`), "utf8");
    const listed = [...master.matchAll(/^(1\/\w+)\/index\.m3u8$|URI="(1\/audio)\/index\.m3u8"/gm)].map((found) => found[1] ?? found[2]);
    const tracks = [...new Set(listed)];
    const codecs = /CODECS="([^"]+)"/.exec(master)[1].split(",");
    assert.equal(tracks.length, 3, `two rungs and the sound: ${tracks}`);
    const tab = await open(browser, site.url);
    const starts = new Map();
    for (const track of tracks) {
      const isSound = track.endsWith("audio");
      const text = await readFile(join(folder, `tree${n}`, track, "index.m3u8"), "utf8");
      const segments = inPlaylist(text);
      const codec = codecs.find((found) => found.startsWith("mp4a") === isSound);
      const type = `${isSound ? "audio" : "video"}/mp4; codecs="${codec}"`;
      const found = await tab.call("buffered", `${url}/tree${n}/${track}`, type, segments.length, WAIT_MS);
      for (const [at, ranges] of found.entries()) {
        assert.equal(ranges.length, 1, `${track} ${at + 1}: ${JSON.stringify(ranges)}`);
        const off = ranges[0].map((end, side) => Math.abs(end - segments[at][side]));
        assert.ok(Math.max(...off) <= ROUNDED_S, `${track} ${at + 1}: ${ranges[0]} is buffered, ${segments[at]} is listed`);
      }
      const end = found.at(-1)[0][1];
      const slack = isSound ? 1024 / 44_100 : 1 / fps;
      assert.ok(Math.abs(end - seconds) <= slack, `${track} ends at ${end}, the film at ${seconds}`);
      if (!isSound) starts.set(track, found.map(([range]) => range[0]));
    }
    const [first, second] = starts.values();
    assert.deepEqual(first, second, "segments of both rungs start at the same time");
    assert.deepEqual(await tab.errors(), []);
    assert.deepEqual(tab.failed, []);
    await tab.page.close();
  });
}
