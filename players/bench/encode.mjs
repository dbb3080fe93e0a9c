// A whole ladder by our chunk jobs against one ffmpeg command with the same settings; then the trick track and the
// tile sheets on top. Medians of runs side by side.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { figure, verdict } from "../lib/figures.mjs";
import { film, ladder } from "../lib/film.mjs";
import { measured, median } from "../lib/measure.mjs";
import { chunks, runs, temporary } from "../lib/vidstream.mjs";

const RUNS = runs(5);
const SECONDS = 60;
const BOUND = 1.0;
const EXTRAS_BOUND = 1.05;

const folder = await temporary(null, "bench");
const source = await film({ seconds: SECONDS });
const taken = { bare: [], whole: [], ffmpeg: [] };
for (let turn = 0; turn < RUNS; turn += 1) {
  const bare = await chunks(source, join(folder, "bare"), { bare: true });
  const theirs = join(folder, "ffmpeg");
  await mkdir(theirs);
  taken.bare.push(bare);
  taken.ffmpeg.push(await measured("ffmpeg", ladder(source, bare.plan, theirs)));
  taken.whole.push(await chunks(source, join(folder, "whole")));
  await Promise.all(["bare", "whole", "ffmpeg"].map((name) => rm(join(folder, name), { recursive: true })));
}
const of = (who, what) => median(taken[who].map((one) => one[what]));
for (const [what, label] of [["wall_s", "wall"], ["cpu_s", "CPU"]]) {
  const name = `${label} of a ladder of ${SECONDS} s of 720p`;
  figure("encode", { name, unit: "s", ours: of("bare", what), theirs: of("ffmpeg", what), rival: "ffmpeg", bound: BOUND });
}
for (const [what, label] of [["wall_s", "wall"], ["cpu_s", "CPU"]]) {
  const name = `${label} with trick track and tile sheets`;
  figure("encode", { name, unit: "s", ours: of("whole", what), theirs: of("bare", what), rival: "without", bound: EXTRAS_BOUND });
}
process.exit(verdict());
