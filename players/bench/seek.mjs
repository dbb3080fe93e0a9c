// From hls.js's seek to 80 % of a film, within a second of `playable`, to the right picture.
// Prints the median of five beside its bound, and ends with 1 when the bound is missed.
import { join } from "node:path";
import { launch, open, pages } from "../lib/browser.mjs";
import { figure, verdict } from "../lib/figures.mjs";
import { HLS_PATIENT } from "../lib/patient.mjs";
import { clip, serve, temporary } from "../lib/vidstream.mjs";

const RUNS = 5;
const BOUND_S = 5.0;
const SECONDS = 600;
const FPS = 30;
const REST_MS = 3000;
const PLAYABLE_MS = 30_000;
const SEEK_MS = 30_000;

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
  await tab.page.close();
  await fetch(`${server.url}/v1/videos/${id}`, { method: "DELETE" });
  return { delay: (begun - playable) / 1000, seconds: (ended - begun) / 1000, right: frame.counter === Math.floor(target * FPS) };
}

const runs = [];
try {
  for (let turn = 0; turn < RUNS; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    runs.push(await measure());
  }
} finally {
  await browser.close();
  await site.close();
  await server.stop();
}
const sorted = runs.map((one) => one.seconds).sort((a, b) => a - b);
const median = sorted[Math.floor(RUNS / 2)];
const delay = Math.max(...runs.map((one) => one.delay));
const right = runs.every((one) => one.right);
console.log(`seek to 80 % of 10 min at most ${delay.toFixed(2)} s after playable: ${sorted.map((s) => s.toFixed(2)).join(" ")} s, ${right ? "right" : "WRONG"} picture`);
figure("seek", { name: "hls.js, to 80 % of 10 min, just after playable", unit: "s", ours: median, bound: BOUND_S });
process.exit(right ? verdict() : 1);
