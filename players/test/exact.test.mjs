// Segments in the browser: each fills exactly the time that the playlists give it, in every rung alike, whatever the film.
import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, pages } from "../lib/browser.mjs";
import { profile, program, run, temporary } from "../lib/vidstream.mjs";

// The browser and the playlist each round the ends of a segment to a microsecond.
const ROUNDED_S = 3e-6;
const SOUND_FRAME_SAMPLES = 1024;
const WAIT_MS = 60_000;
// Of longer films, which are those of two hours, so many segments at the head, in the middle and at the tail are buffered.
const PART_SEGMENTS = 8;
// Lines of the test kit's table of films (testkit/src/films/films.txt) that have between them each family of containers, an
// edit list, open and closed GOPs, whole and broken rates, a recording with twelve seconds without a picture, every number of
// channels, sound that is late, short, long or not there, both sample rates, and half a second. TEST_FILMS chooses others.
const USUAL = [
  "mp4-edits open some 59.94 stereo 44100 late 3",
  "mp4-fragments closed some 23.976 none - - 10",
  "mov closed none 60 5.1 48000 short 3",
  "mkv-live closed some 12.5 stereo 44100 whole 10",
  "webm closed none 30 none - - 0.5",
  "ts closed some 59.94 mono 44100 long 10",
  "flv closed some hole stereo 44100 long 40",
  "avi open some 25 mono 44100 long 3",
];

const testkit = (...args) => run(join(profile, "testkit"), args).then(({ stdout }) => stdout.trim());

const wanted = process.env.TEST_FILMS;
const films = (await testkit("films", wanted ?? USUAL.join(","))).split("\n").filter(Boolean);
assert.ok(films.length > 0, `no film of the table has ${wanted}`);
if (wanted === undefined) assert.deepEqual([...films].sort(), [...USUAL].sort(), "the table has these films");

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
  if (folder) await rm(folder, { recursive: true, force: true });
});

const inPlaylist = (text) => {
  const seconds = [...text.matchAll(/^#EXTINF:([\d.]+),/gm)].map((found) => Number(found[1]));
  let at = 0;
  return seconds.map((length) => [at, at += length]);
};

// The segments that are buffered, from 1.
function looked(count) {
  const all = Array.from({ length: count }, (_, n) => n + 1);
  if (count <= 3 * PART_SEGMENTS) return all;
  const middle = Math.floor((count - PART_SEGMENTS) / 2);
  return [...all.slice(0, PART_SEGMENTS), ...all.slice(middle, middle + PART_SEGMENTS), ...all.slice(-PART_SEGMENTS)];
}

// How long sound goes on after the last picture: its last frame is a whole one, however little of it the film needs. Sound has
// the rate of its source, which is the sixth word of a line.
function roundedUp(line, pictures) {
  const frame = SOUND_FRAME_SAMPLES / Number(line.split(" ")[5]);
  // A film of whole frames of sound needs no more for a rounding error.
  return Math.ceil(pictures / frame - 1e-6) * frame - pictures;
}

// Makes the film of a line and its tree, in a folder below the host's: what is known of the film, its tracks and their codecs.
async function packaged(line, name) {
  const film = JSON.parse(await testkit("film", line, join(folder, name)));
  const tree = join(folder, name, "tree");
  await run(program, ["package", film.path, "--out", tree, "--set", "ladder.heights=108,90"], { maxBuffer: 1 << 24 });
  const master = await readFile(join(tree, "master.m3u8"), "utf8");
  const listed = [...master.matchAll(/^(1\/\w+)\/index\.m3u8$|URI="(1\/audio)\/index\.m3u8"/gm)].map((found) => found[1] ?? found[2]);
  return { film, tree, tracks: [...new Set(listed)], codecs: /CODECS="([^"]+)"/.exec(master)[1].split(",") };
}

for (const [n, line] of films.entries()) {
  test(`${line}: the browser buffers what the playlists say`, async (t) => {
    t.after(() => rm(join(folder, String(n)), { recursive: true, force: true }));
    const { film, tree, tracks, codecs } = await packaged(line, String(n));
    const [seconds, frameSeconds] = [film.length_ns / 1e9, film.fps[1] / film.fps[0]];
    assert.equal(tracks.length, film.has_sound ? 3 : 2, `two rungs, and the sound if there is any: ${tracks}`);
    const tab = await open(browser, site.url);
    t.after(() => tab.page.close());
    const starts = [];
    for (const track of tracks) {
      const isSound = track.endsWith("audio");
      const segments = inPlaylist(await readFile(join(tree, track, "index.m3u8"), "utf8"));
      const codec = codecs.find((found) => found.startsWith("mp4a") === isSound);
      const type = `${isSound ? "audio" : "video"}/mp4; codecs="${codec}"`;
      const numbers = looked(segments.length);
      const found = await tab.call("buffered", `${url}/${n}/tree/${track}`, type, numbers, WAIT_MS);
      assert.equal(found.length, numbers.length);
      for (const [at, ranges] of found.entries()) {
        const listed = segments[numbers[at] - 1];
        assert.equal(ranges.length, 1, `${track} ${numbers[at]}: ${JSON.stringify(ranges)}`);
        const off = ranges[0].map((end, side) => Math.abs(end - listed[side]));
        assert.ok(Math.max(...off) <= ROUNDED_S, `${track} ${numbers[at]}: ${ranges[0]} is buffered, ${listed} is listed`);
      }
      const end = found.at(-1)[0][1];
      const wanted = seconds + (isSound ? roundedUp(line, Math.round(seconds / frameSeconds) * frameSeconds) : 0);
      assert.ok(Math.abs(end - wanted) <= frameSeconds, `${track} ends at ${end}, not at ${wanted}`);
      if (!isSound) starts.push(found.map(([range]) => range[0]));
    }
    assert.deepEqual(starts[0], starts[1], "segments of both rungs start at the same time");
    assert.deepEqual(await tab.errors(), []);
    assert.deepEqual(tab.failed, []);
  });
}
