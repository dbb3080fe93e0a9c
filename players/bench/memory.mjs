// The largest resident size of an encode child: against ffmpeg for the same ladder, and of 1080p60.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { figure, verdict } from "../lib/figures.mjs";
import { film, ladder } from "../lib/film.mjs";
import { measured, median } from "../lib/measure.mjs";
import { chunks, runs, temporary } from "../lib/vidstream.mjs";

const RUNS = runs(3);
const BOUND = 1.2;
const LARGE_BOUND_MB = 1000;
const MB = 1e6;

const folder = await temporary(null, "bench");
const [small, large] = await Promise.all([film({ seconds: 24 }), film({ seconds: 12, width: 1920, height: 1080, fps: 60 })]);
const [ours, theirs, ours1080] = [[], [], []];
for (let turn = 0; turn < RUNS; turn += 1) {
  const made = await chunks(small, join(folder, `720-${turn}`), { memory: true });
  const place = join(folder, `ffmpeg-${turn}`);
  await mkdir(place);
  ours.push(made.peak / MB);
  theirs.push((await measured("ffmpeg", ladder(small, made.plan, place), { memory: true })).peak / MB);
  ours1080.push((await chunks(large, join(folder, `1080-${turn}`), { memory: true })).peak / MB);
}
figure("memory", { name: "peak of a child, 720p ladder", unit: "MB", ours: median(ours), theirs: median(theirs), rival: "ffmpeg", bound: BOUND });
figure("memory", { name: "peak of a child, 1080p60 ladder", unit: "MB", ours: median(ours1080), bound: LARGE_BOUND_MB });
process.exit(verdict());
