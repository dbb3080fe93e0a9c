// Runs scenarios, one k6 after the other, against a server of its own or the one that LOAD_URL names.
import { spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { clip, serve, temporary, until } from "../players/lib/vidstream.mjs";
import { GIVEN_BACK_MS_MAX, GROWN_BYTES_MAX } from "./thresholds.js";

const SCENARIOS = ["steady", "spike", "seek", "trick", "soak"];
const CLIP = { seconds: 60, size: "854x480" };
const READY_MS_MAX = 300_000;
// k6 asks nobody but the server: no statistics, no extensions, and no port of its own.
const K6_ENV = { K6_NO_USAGE_REPORT: "true", K6_AUTO_EXTENSION_RESOLUTION: "false", K6_ADDRESS: "", K6_NO_COLOR: "true" };
// What k6 ends with when a bound is broken.
const BROKEN = 99;

const usage = (text) => { console.error(text); process.exit(64); };
const names = process.argv.slice(2);
const chosen = names.length > 0 ? names : SCENARIOS;
for (const name of chosen) if (!SCENARIOS.includes(name)) usage(`run.mjs: no scenario '${name}'; there are: ${SCENARIOS.join(" ")}`);
if (process.env.LOAD_URL && !process.env.LOAD_VIDEO) usage("LOAD_URL= names a server: name a title of it too, with LOAD_VIDEO=");

let running = null;
let signal = null;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(name, () => {
    signal = name;
    running?.kill("SIGTERM");
  });
}

// One scenario: its exit code.
async function scenario(name, env) {
  const script = new URL(`scenarios/${name}.js`, import.meta.url).pathname;
  const child = spawn(process.env.K6 ?? "k6", ["run", "--quiet", script], { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...K6_ENV, ...env } });
  running = child;
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  running = null;
  return code;
}

// A server with two titles, one of which nobody has asked for.
async function ownServer(folder) {
  const server = await serve(join(folder, "data"));
  try {
    const file = await clip(folder, "clip.mp4", CLIP);
    const ids = [];
    for (const title of ["watched", "cold"]) {
      const { id } = await server.upload(file, title);
      await server.wait(id, "ready", READY_MS_MAX, ({ state }) => state === "ready" || signal);
      ids.push(id);
    }
    const admin = (await readFile(join(folder, "data/admin.addr"), "utf8")).trim();
    return { server, env: { LOAD_URL: server.url, LOAD_VIDEO: ids[0], LOAD_COLD_VIDEO: ids[1], LOAD_ADMIN: `http://${admin}` } };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

// The resident size of a process, in bytes.
async function resident(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s*(\d+)/m.exec(status)[1]) * 1024;
}

// Connections that the server on this port of loopback has not closed: established ones, and those that only the other
// side has closed (proc(5), the states of Linux's tcp_states.h).
async function connections(port) {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = (await readFile("/proc/net/tcp", "utf8")).trim().split("\n").slice(1);
  const ends = lines.map((line) => line.trim().split(/\s+/));
  return ends.filter(([, address, , state]) => address.endsWith(local) && ["01", "08"].includes(state)).length;
}

async function runAll(env) {
  const rows = [];
  for (const name of chosen) {
    if (signal) break;
    const began_ms = Date.now();
    const code = await scenario(name, env);
    const verdict = code === 0 ? "passed" : code === BROKEN ? "FAILED: a bound is broken" : `FAILED: k6 ended with ${code}`;
    rows.push({ name, verdict, seconds: Math.round((Date.now() - began_ms) / 1000), isGood: code === 0 });
    console.log();
  }
  return rows;
}

// The scenarios against a server of our own, which afterwards holds nothing for the viewers that have left.
async function alone() {
  const folder = await temporary(null, "load");
  let own = null;
  try {
    console.log(`a fresh server makes two titles of ${CLIP.seconds} s`);
    own = await ownServer(folder);
    const before = await resident(own.server.child.pid);
    const rows = await runAll(own.env);
    if (signal) return { rows, note: null };
    const { exitCode, signalCode } = own.server.child;
    if (exitCode !== null || signalCode !== null) {
      rows.push({ name: "server", verdict: `FAILED: it ended with ${exitCode ?? signalCode}\n${own.server.log()}`, seconds: 0, isGood: false });
      return { rows, note: null };
    }
    const after = await resident(own.server.child.pid);
    const port = Number(new URL(own.server.url).port);
    const isBack = await until("end of all connections", GIVEN_BACK_MS_MAX, async () => (await connections(port)) === 0).catch(() => false);
    if (!isBack) rows.push({ name: "server", verdict: `FAILED: it keeps ${await connections(port)} connections`, seconds: GIVEN_BACK_MS_MAX / 1000, isGood: false });
    const mb = (value) => `${(value / 1e6).toFixed(0)} MB`;
    if (after - before > GROWN_BYTES_MAX) rows.push({ name: "server", verdict: `FAILED: it grew by ${mb(after - before)}, more than ${mb(GROWN_BYTES_MAX)}`, seconds: 0, isGood: false });
    return { rows, note: `the server held ${mb(before)} before the viewers came and ${mb(after)} after` };
  } finally {
    await own?.server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const run = process.env.LOAD_URL ? async () => ({ rows: await runAll({}), note: null }) : alone;
const { rows, note } = await run().catch((error) => {
  // What a signal ends, ends with an error.
  if (!signal) throw error;
  return { rows: [], note: null };
});
for (const { name, verdict, seconds } of rows) console.log(`${name.padEnd(10)}${`${seconds} s`.padStart(6)}  ${verdict}`);
if (note) console.log(note);
if (signal) process.exit(signal === "SIGINT" ? 130 : 143);
process.exit(rows.every(({ isGood }) => isGood) ? 0 : 1);
