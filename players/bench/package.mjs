// `vidstream package` from the first byte to the finished tree, against one ffmpeg command that makes the same ladder
// as HLS alone. Ours has DASH, the trick track, tile sheets, a poster and its checks on top. Medians of runs side by side.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { figure, verdict } from "../lib/figures.mjs";
import { film, ladder } from "../lib/film.mjs";
import { measured, median } from "../lib/measure.mjs";
import { chunks, program, runs, temporary } from "../lib/vidstream.mjs";

const RUNS = runs(5);
const SECONDS = 60;
const BOUND = 1.0;

const folder = await temporary(null, "bench");
const source = await film({ seconds: SECONDS });
// A short one has the same ladder.
const { plan } = await chunks(await film({ seconds: 4 }), join(folder, "plan"), { bare: true });
const [ours, theirs] = [[], []];
for (let turn = 0; turn < RUNS; turn += 1) {
  const [tree, other] = [join(folder, "vidstream"), join(folder, "ffmpeg")];
  await mkdir(other);
  ours.push(await measured(program, ["package", source, "--out", tree]));
  theirs.push(await measured("ffmpeg", ladder(source, plan, other)));
  await Promise.all([tree, other].map((place) => rm(place, { recursive: true })));
}
for (const [what, label] of [["wall_s", "wall"], ["cpu_s", "CPU"]]) {
  const of = (taken) => median(taken.map((one) => one[what]));
  const name = `${label} of ${SECONDS} s of 720p, from file to tree`;
  figure("package", { name, unit: "s", ours: of(ours), theirs: of(theirs), rival: "ffmpeg", bound: BOUND });
}
process.exit(verdict());
