// From hls.js's seek to 80 % of a film, within a second of `playable`, to the right picture.
// Prints the worst of five beside its bound and the median, and ends with 1 when the bound is missed, a seek began too
// late, showed another picture, or an answer was bad: 503 for a segment that is not made yet apart, none may be.
import { join } from "node:path";
import { launch, open, pages } from "../lib/browser.mjs";
import { figure, verdict } from "../lib/figures.mjs";
import { median, slowest } from "../lib/measure.mjs";
import { HLS_PATIENT } from "../lib/patient.mjs";
import { clip, runs, serve, temporary } from "../lib/vidstream.mjs";

const RUNS = runs(5);
const BOUND_S = 5.0;
// From `playable` to the seek.
const DELAY_MAX_S = 1.0;
const SECONDS = 600;
const FPS = 30;
const REST_MS = 3000;
const PLAYABLE_MS = 30_000;
const SEEK_MS = 30_000;
const PENDING = /^503 \S+\/v\/vid_\w+\/1\/\w+\/\d+\.m4s$/;

const folder = await temporary(null, "bench");
const film = await clip(folder, "film.mp4", { seconds: SECONDS });
const server = await serve(join(folder, "data"));
const [browser, site] = await Promise.all([launch(), pages()]);

async function measure() {
  // The page is open already, as a viewer's is who uploads there.
  const tab = await open(browser, site.url);
  const { id } = await server.upload(film, "seek ahead");
  const video = await server.wait(id, "playable", PLAYABLE_MS, (seen) => seen.playable);
  const playable = performance.now();
  await tab.call("openHls", server.url + video.urls.hls, { ...HLS_PATIENT, vidstreamTolerant: true });
  const target = SECONDS * 0.8 + 0.01;
  const begun = performance.now();
  const frame = await tab.call("seek", target, SEEK_MS);
  const ended = performance.now();
  const wrong = [...await tab.errors(), ...tab.failed.filter((line) => !PENDING.test(line))];
  await tab.page.close();
  await fetch(`${server.url}/v1/videos/${id}`, { method: "DELETE" });
  const delay = (begun - playable) / 1000;
  if (delay > DELAY_MAX_S) wrong.push(`the seek began ${delay.toFixed(2)} s after playable`);
  const counter = Math.floor(target * FPS);
  if (frame.counter !== counter) wrong.push(`it showed picture ${frame.counter} and not ${counter}`);
  return { delay, seconds: (ended - begun) / 1000, wrong };
}

const turns = [];
try {
  for (let turn = 0; turn < RUNS; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    turns.push(await measure());
  }
} finally {
  await browser.close();
  await site.close();
  await server.stop();
}
const seconds = turns.map((one) => one.seconds).sort((a, b) => a - b);
const wrong = turns.flatMap((one) => one.wrong);
console.log(`seek to 80 % of 10 min at most ${slowest(turns.map((one) => one.delay)).toFixed(2)} s after playable: ${seconds.map((s) => s.toFixed(2)).join(" ")} s, median ${median(seconds).toFixed(2)} s`);
for (const line of wrong) console.log(`WRONG: ${line}`);
figure("seek", { name: "hls.js, to 80 % of 10 min, just after playable, slowest of all", unit: "s", ours: slowest(seconds), bound: BOUND_S });
figure("seek", { name: "hls.js, to 80 % of 10 min, just after playable", unit: "s", ours: median(seconds) });
process.exit(wrong.length > 0 ? 1 : verdict());
