// Writes docs/BENCHMARKS.md from the figures of a whole run: node bench/report.mjs FIGURES PART...
import { readFile, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { row, table } from "../lib/figures.mjs";
import { run } from "../lib/vidstream.mjs";

const target = new URL("../../docs/BENCHMARKS.md", import.meta.url);
const [path, ...parts] = process.argv.slice(2);
const lines = (await readFile(path, "utf8")).split("\n").filter(Boolean).map((line) => JSON.parse(line));

async function version(program, args, pattern) {
  const { stdout, stderr } = await run(program, args);
  return pattern.exec(stdout + stderr)?.[1] ?? "unknown";
}

const debian = (await readFile("/etc/os-release", "utf8")).match(/^PRETTY_NAME="(.*)"/m)?.[1] ?? "unknown";
const machine = [
  ["processor", `${cpus()[0].model.trim()}, ${cpus().length} cores`],
  ["memory", `${(totalmem() / 2 ** 30).toFixed(0)} GiB`],
  ["system", `${debian}, Linux ${release()}`],
  ["ffmpeg", await version("ffmpeg", ["-version"], /^ffmpeg version (\S+)/m)],
  ["GStreamer", await version("gst-inspect-1.0", ["--version"], /^GStreamer (\S+)/m)],
  ["PostgreSQL", await version("psql", ["--version"], /PostgreSQL\) (\S+)/)],
  ["Redis", await version("redis-server", ["--version"], /v=(\S+)/)],
  ["nginx", await version("nginx", ["-v"], /nginx\/(\S+)/)],
  ["Chromium", await version(process.env.CHROMIUM ?? "/usr/bin/chromium", ["--version"], /Chromium (\S+)/)],
];

await writeFile(target, `# Benchmarks

Written by \`make bench\` on ${new Date().toISOString().slice(0, 10)}; the numbers are medians of runs side by side on one machine, except where a name says otherwise. A bound
beside a ratio is on the ratio, else on our own figure. What each part does stands at the top of its file in \`players/bench\`. Where several
machines meet, all of them and their servers are on this one, and the servers are those of the tests: PostgreSQL without waits for the disk, unless
the name says otherwise, and an S3 server that is compiled without optimisation. Of the 100,000 videos of a list the newest 1,000 have all their rows, with plan and chunk index; of the
others there is the row that lists and counts read.

The clock of a ladder (\`encode\`) starts when the source is scanned and planned and a child waits for work, and stops with the last chunk or sheet
(\`packager/examples/chunks.rs\`); \`package\` counts scan and plan, too. The bound of \`playable\` is for 720p MP4: other sources are for information.

| machine | |
|---|---|
${machine.map(row).join("\n")}

| part | figure | ours | theirs | ratio | bound | verdict |
|---|---|---|---|---|---|---|
${table(lines, parts).join("\n")}
`);
