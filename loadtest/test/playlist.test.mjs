// Playlists are read as they are written: the golden ones of the product, and rows of what other packagers write.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { resolve } from "../lib/address.js";
import { media, multivariant, segmentAt } from "../lib/playlist.js";

const golden = new URL("../../media/tests/documents/snapshots/documents__documents__golden__film_ready.snap", import.meta.url);
const BASE = "http://127.0.0.1:8080/v/vid_1/";

// A document of the golden film, by its path.
async function document(path) {
  const text = await readFile(golden, "utf8");
  const found = text.split(/^=== /m).find((part) => part.startsWith(`${path}\n`));
  return found.slice(path.length + 1);
}

test("addresses are resolved as browsers do", () => {
  const references = [
    "1.m4s", "1/720p/index.m3u8", "../init.mp4", "./a/../b/1.m4s", "/v/x.m3u8", "//cdn.example/a", "https://cdn.example/a?b=c",
    "a?token=/x/../y", "?token=1", "", "../../../../a", "..", ".",
  ];
  for (const base of [`${BASE}master.m3u8?session=/1/2`, "https://cdn.example", "http://a.example/b/c/"]) {
    for (const reference of references) {
      const wanted = reference === "" ? new URL(base.split("?")[0]) : new URL(reference, base);
      assert.equal(resolve(base, reference), wanted.href, `${reference} at ${base}`);
    }
  }
});

test("the multivariant playlist says what there is to play, hear, wind and preview", async () => {
  const title = multivariant(await document("master.m3u8"), `${BASE}master.m3u8`);
  assert.deepEqual(title.variants, [
    { url: `${BASE}1/240p/index.m3u8`, bandwidth_bps: 469696, height: 240, audio: "audio" },
    { url: `${BASE}1/480p/index.m3u8`, bandwidth_bps: 1329696, height: 480, audio: "audio" },
    { url: `${BASE}1/720p/index.m3u8`, bandwidth_bps: 2512198, height: 720, audio: "audio" },
  ]);
  assert.deepEqual(title.audio, { audio: `${BASE}1/audio/index.m3u8` });
  assert.deepEqual(title.iframes.map(({ url }) => url.slice(BASE.length)), ["1/trick", "1/240p", "1/480p", "1/720p"].map((track) => `${track}/iframes.m3u8`));
  assert.deepEqual(title.images, [{ url: `${BASE}1/thumbnails.m3u8`, bandwidth_bps: 33849, height: 90, audio: null }]);
});

test("a media playlist gives times, addresses and the initialisation segment", async () => {
  const { init, segments, duration_s, ended } = media(await document("1/720p/index.m3u8"), `${BASE}1/720p/index.m3u8`);
  assert.deepEqual(init, { url: `${BASE}1/720p/init.mp4`, range: null });
  assert.ok(Math.abs(duration_s - 21.27125) < 1e-9 && ended, `${duration_s}`);
  assert.equal(segments.length, 7);
  assert.deepEqual(segments[2], { url: `${BASE}1/720p/3.m4s`, start_s: 4.004, duration_s: 4.004, range: null });
  const at = [[0, 0], [2.0, 0], [2.002, 1], [4.1, 2], [21, 6], [99, 6]];
  for (const [at_s, index] of at) assert.equal(segmentAt(segments, at_s), index, `at ${at_s} s`);
});

test("byte ranges follow one another where no offset is given", () => {
  const lines = [
    "#EXTM3U", '#EXT-X-MAP:URI="a.mp4",BYTERANGE="700@0"', "#EXTINF:2,", "#EXT-X-BYTERANGE:100@700", "a.mp4", "#EXTINF:2,",
    "#EXT-X-BYTERANGE:50", "a.mp4", "#EXTINF:2,", "#EXT-X-BYTERANGE:10", "b.mp4",
  ];
  const { init, segments, ended } = media(lines.join("\r\n"), BASE);
  assert.deepEqual(init.range, { first: 0, last: 699 });
  assert.deepEqual(segments.map(({ range }) => range), [{ first: 700, last: 799 }, { first: 800, last: 849 }, { first: 0, last: 9 }]);
  assert.equal(ended, false);
});

test("what is no playlist is refused", () => {
  assert.throws(() => media("<html>", BASE), /does not begin with #EXTM3U/);
  assert.throws(() => media("#EXTM3U\n#EXT-X-ENDLIST\n", BASE), /lists no segment/);
  assert.throws(() => multivariant("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\naudio.m3u8\n", BASE), /no variant with pictures/);
});
