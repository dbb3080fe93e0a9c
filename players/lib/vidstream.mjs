// Starts the program under test on free ports and talks to its API.
import { spawn, execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { measured } from "./measure.mjs";

export const run = promisify(execFile);
export const profile = process.env.TEST_BIN_DIR ?? new URL("../../target/ci/", import.meta.url).pathname;
// The bench measures what users run.
export const program = process.env.BENCH_PROGRAM ?? join(profile, "vidstream");
const START_WAIT_MS = 20_000;
const STOP_WAIT_MS = 10_000;

// How often the bench repeats a measurement.
export const runs = (usual) => Number(process.env.BENCH_RUNS ?? usual);

// Resolves with the first value that `probe` gives, asking every 20 ms.
export async function until(what, waitMs, probe) {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`no ${what} within ${waitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function temporary(t, name) {
  const folder = await mkdtemp(join(tmpdir(), `vidstream-${name}-`));
  t?.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

// A clip with counters: made by the project's own test kit.
export async function clip(folder, name, { seconds = 20, size = "1280x720", fps = "30", gop = 60 } = {}) {
  const path = join(folder, name);
  await run(join(profile, "testkit"), ["generate", "--seconds", String(seconds), "--size", size, "--fps", fps, "--gop", String(gop), path], { maxBuffer: 1 << 24 });
  return path;
}

// All chunk jobs of a film by a worker of its own: the plan, and the seconds of wall and processor time that they took.
export async function chunks(source, folder, { bare = false, memory = false } = {}) {
  const { stdout, peak } = await measured(join(profile, "examples/chunks"), [program, source, folder, ...(bare ? ["bare"] : [])], { memory });
  return { ...JSON.parse(stdout), peak };
}

export const serve = (data, extra = [], env = {}) => start("serve", data, extra, env);

// A program of ours in the background, on these cores only if they are named.
function launch(args, env, cores) {
  const [file, words] = cores ? ["taskset", ["--cpu-list", cores, program, ...args]] : [program, args];
  const child = spawn(file, words, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env } });
  let log = "";
  child.stderr.on("data", (text) => { log = (log + text).slice(-200_000); });
  const exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  let gone = null;
  exited.then((how) => { gone = how; });
  return {
    child, exited,
    log: () => log,
    // Resolves with the first value that `probe` gives.
    ready: (what, probe) => until(what, START_WAIT_MS, () => {
      if (gone) throw new Error(`vidstream ended with ${JSON.stringify(gone)}:\n${log}`);
      return probe();
    }),
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WAIT_MS);
      const how = await exited;
      clearTimeout(timer);
      return how;
    },
  };
}

// A packager, which says in its log that it is ready.
export async function packager(data, extra = [], env = {}, cores) {
  const started = launch(["packager", "--data", data, ...extra], { ...env, RUST_LOG: "info" }, cores);
  await started.ready("packager", () => started.log().includes("worker is ready"));
  return started;
}

// A server by its command, `serve` or `origin`.
export async function start(command, data, extra = [], env = {}, cores) {
  await rm(join(data, "listen.addr"), { force: true });
  const started = launch([command, "--listen", "127.0.0.1:0", "--data", data, ...extra], env, cores);
  const { log } = started;
  const address = await started.ready("listening server", () => readFile(join(data, "listen.addr"), "utf8").catch(() => null));
  const url = `http://${address.trim()}`;
  const api = async (path, options) => {
    const response = await fetch(`${url}${path}`, options);
    return response.json();
  };
  return {
    ...started, url, api,
    async upload(file, title) {
      const response = await fetch(`${url}/v1/videos?title=${encodeURIComponent(title)}`, { method: "PUT", body: createReadStream(file), duplex: "half", headers: { "content-length": String((await stat(file)).size) } });
      const video = await response.json();
      if (response.status !== 202) throw new Error(`upload: ${response.status} ${JSON.stringify(video)}`);
      return video;
    },
    wait: (id, what, waitMs, test) => until(`${what} of ${id}`, waitMs, async () => {
      const video = await api(`/v1/videos/${id}`);
      if (video.state === "failed") throw new Error(`the video failed: ${JSON.stringify(video.error)}\n${log()}`);
      return test(video) ? video : null;
    }),
  };
}
