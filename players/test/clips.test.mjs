// Real clips, and odd files made of them: each becomes what it can be, with the frames that its own times promise.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { run, serve, temporary } from "../lib/vidstream.mjs";

const WAIT_MS = 120_000;
const MEDIA = /\.(mp4|mkv|ts|webm|flv|avi)$/;
// What cannot be played, and the code that says why.
const FAILS = { "bunny_missing_index.mp4": "missing_index" };
// What is played and has a warning, by its code.
const WARNS = { "bunny_truncated.mp4": "truncated" };
// Frames of the others, within the tolerance of what their containers round.
const FRAMES = { bikes: 250, bigbuckbunny: 132, bunny: 132, carphone: 120 };
// Cut on purpose: fewer frames than their clip.
const SHORTER = new Set(["bunny_truncated.mp4", "bunny_edit_list.mp4"]);
const FRAMES_OFF_MAX = 1;

let server, folder;

before(async () => {
  const { stdout } = await run(new URL("../../scripts/clips.sh", import.meta.url).pathname);
  folder = stdout.trim();
  server = await serve(join(await temporary(null, "clips"), "data"));
});

after(() => server?.stop());

async function decoded(url) {
  const args = ["-v", "error", "-i", url, "-map", "0:v:0", "-f", "framemd5", "-"];
  const { stdout, stderr } = await run("ffmpeg", args, { maxBuffer: 1 << 26 });
  assert.equal(stderr, "", "decoded without a complaint");
  return stdout.split("\n").filter((line) => line && !line.startsWith("#")).length;
}

async function streams(input) {
  const { stdout } = await run("ffprobe", ["-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", input]);
  return stdout.split(/\s+/).map((kind) => kind.replace(",", ""));
}

test("every clip is ready with its frames, or failed with a reason", async (context) => {
  const files = (await readdir(folder)).filter((name) => MEDIA.test(name)).sort();
  assert.ok(files.length >= 20, `${files.length} clips`);
  const videos = [];
  for (const name of files) videos.push({ name, id: (await server.upload(join(folder, name), name)).id });
  for (const { name, id } of videos) {
    await context.test(name, async () => {
      if (name in FAILS) {
        await assert.rejects(server.wait(id, "end", WAIT_MS, ({ state }) => state === "ready"), /the video failed/);
        const { error } = await server.api(`/v1/videos/${id}`);
        assert.equal(error.code, FAILS[name], error.detail);
        assert.match(error.detail, /has no index .* upload the complete file\.$/);
        return;
      }
      const video = await server.wait(id, "ready", WAIT_MS, ({ state }) => state === "ready");
      const codes = video.warnings.map(({ code }) => code);
      if (name in WARNS) assert.ok(codes.includes(WARNS[name]), `${name}: ${JSON.stringify(video.warnings)}`);
      const frames = await decoded(server.url + video.urls.hls);
      const whole = FRAMES[name.split(/[_.]/)[0]];
      if (SHORTER.has(name)) {
        assert.ok(frames > 0 && frames < whole, `${frames} of ${whole} frames`);
        return;
      }
      assert.ok(Math.abs(frames - whole) <= FRAMES_OFF_MAX, `${frames} of ${whole} frames: ${JSON.stringify(video.warnings)}`);
      const sound = (await streams(join(folder, name))).includes("audio");
      assert.equal((await streams(server.url + video.urls.hls)).includes("audio"), sound, "sound where the source has it");
    });
  }
});
