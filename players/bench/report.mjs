// Writes docs/BENCHMARKS.md from the figures of a whole run: node bench/report.mjs FIGURES
import { readFile, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { shown } from "../lib/figures.mjs";
import { run } from "../lib/vidstream.mjs";

const target = new URL("../../docs/BENCHMARKS.md", import.meta.url);
const lines = (await readFile(process.argv[2], "utf8")).trim().split("\n");
const figures = lines.map((line) => JSON.parse(line));

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
  ["nginx", await version("nginx", ["-v"], /nginx\/(\S+)/)],
  ["Chromium", await version(process.env.CHROMIUM ?? "/usr/bin/chromium", ["--version"], /Chromium (\S+)/)],
];

const row = (cells) => `| ${cells.join(" | ")} |`;
const figureRow = ({ part, name, unit, ours, theirs, rival, ratio, bound, verdict }) => row([
  part, name, shown(ours, unit), theirs === undefined ? "" : `${rival} ${shown(theirs, unit)}`, ratio?.toFixed(3) ?? "",
  bound === undefined ? "" : `≤ ${ratio === undefined ? shown(bound, unit) : bound.toFixed(2)}`, verdict,
]);

await writeFile(target, `# Benchmarks

Written by \`make bench\` on ${new Date().toISOString().slice(0, 10)}; the numbers are medians of runs side by side on one machine. A bound beside a ratio is on the
ratio, else on our own figure. What each part does stands at the top of its file in \`players/bench\`.

| machine | |
|---|---|
${machine.map(row).join("\n")}

| part | figure | ours | theirs | ratio | bound | verdict |
|---|---|---|---|---|---|---|
${figures.map(figureRow).join("\n")}
`);
