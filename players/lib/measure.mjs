// Wall time, processor time and peak memory of programs, with all that they start.
import { spawn } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";

// proc(5): times of /proc/PID/stat are in ticks; Linux shows 100 a second to programs.
const TICKS_PER_S = 100;
const LOOK_EVERY_MS = 50;
const ERRORS_CHARS_MAX = 4000;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

export const slowest = (values) => values.reduce((most, value) => Math.max(most, value), -Infinity);

// Processor seconds of a process so far: its own, or those of its ended children.
async function cpuSeconds(pid, ofChildren) {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may have spaces; utime is field 14, cutime field 16.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const at = (ofChildren ? 16 : 14) - 3;
  return (Number(fields[at]) + Number(fields[at + 1])) / TICKS_PER_S;
}

// Processor seconds of servers that run.
export async function cpuOf(pids) {
  const each = await Promise.all(pids.map((pid) => cpuSeconds(pid, false)));
  return each.reduce((sum, seconds) => sum + seconds, 0);
}

export async function childrenOf(pid) {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, "utf8").catch(() => "")));
  return lists.join(" ").split(" ").filter(Boolean).map(Number);
}

// Processor seconds so far of a process and of all below it: what has ended counts for who started it.
export async function cpuOfTree(pid) {
  const below = await Promise.all((await childrenOf(pid)).map(cpuOfTree));
  const own = await Promise.all([cpuSeconds(pid, false), cpuSeconds(pid, true)]).catch(() => [0]);
  return [...own, ...below].reduce((sum, seconds) => sum + seconds, 0);
}

// The child of a process that keeps a program of this name.
export async function keeperOf(pid, program) {
  for (const keeper of await childrenOf(pid)) {
    for (const child of await childrenOf(keeper)) {
      if ((await readFile(`/proc/${child}/comm`, "utf8").catch(() => "")).trim() === program) return keeper;
    }
  }
  throw new Error(`nobody keeps a ${program}`);
}

// The largest resident size that one of a process and its descendants has had so far, in bytes.
async function peakBytes(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const own = Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  const others = await Promise.all((await childrenOf(pid)).map(peakBytes));
  return Math.max(own, ...others);
}

// Runs a program to its end, one at a time. Memory is looked at only on demand, since looking costs time.
export async function measured(program, args, { memory = false } = {}) {
  const before = await cpuSeconds("self", true);
  const began = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => { stdout += text; });
  child.stderr.on("data", (text) => { stderr = (stderr + text).slice(-ERRORS_CHARS_MAX); });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? signal));
  });
  let peak = 0;
  const looking = memory && setInterval(async () => { peak = Math.max(peak, await peakBytes(child.pid)); }, LOOK_EVERY_MS);
  const how = await ended;
  const wall_s = (performance.now() - began) / 1000;
  clearInterval(looking);
  if (how !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${how}: ${stderr}`);
  return { wall_s, cpu_s: await cpuSeconds("self", true) - before, peak, stdout };
}
