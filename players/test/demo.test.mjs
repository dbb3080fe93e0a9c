// What `make demo` leaves when it is ended, and finds again. Set-up and release build are left out: they are other scripts.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFile, mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { clip, profile, temporary, until } from "../lib/vidstream.mjs";

const SCRIPT = new URL("../../scripts/demo.sh", import.meta.url).pathname;
const LINE_WAIT_MS = 60_000;
const END_WAIT_MS = 5_000;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// A copy of the script where the program under test is what it takes for the release build.
async function project(folder) {
  await mkdir(join(folder, "scripts"));
  await mkdir(join(folder, "target"));
  await copyFile(SCRIPT, join(folder, "scripts/demo.sh"));
  for (const name of ["setup.sh", "build.sh"]) await writeFile(join(folder, "scripts", name), "#!/bin/sh\n", { mode: 0o755 });
  await symlink(profile, join(folder, "target/release"));
}

function demo(folder, env) {
  const child = spawn(join(folder, "scripts/demo.sh"), { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => { said += text; });
  let ended = null;
  child.once("exit", (code, signal) => { ended = { code, signal }; });
  return {
    child,
    ended: () => ended,
    says: (line) => until(`"${line}"`, LINE_WAIT_MS, () => {
      if (ended) throw new Error(`the demo ended with ${JSON.stringify(ended)}:\n${said}`);
      return said.includes(line) ? said : null;
    }),
  };
}

// The parent of each process that there is.
async function processes() {
  const parents = new Map();
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number)) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
    const [state, parent] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? ["Z"];
    if (state !== "Z") parents.set(pid, Number(parent));
  }
  return parents;
}

async function startedBy(root) {
  const parents = await processes();
  const found = [root];
  for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.push(child);
  return found.slice(1);
}

// To a process group that `make` is in, TERM comes from who sends it and from make; the second one killed the script
// before it had ended its server.
test("the demo ends all that it started however often TERM comes, and has its clip again", async (t) => {
  const folder = await temporary(t, "demo");
  await project(folder);
  const [port, video] = [await freePort(), await clip(folder, "clip.mp4", { seconds: 60 })];
  const env = { PORT: String(port), DATA: join(folder, "data"), VIDEO: video };
  for (const found of ["playable:", "this clip is here already"]) {
    const run = demo(folder, env);
    t.after(() => run.child.kill("SIGKILL"));
    await run.says(found);
    const started = await startedBy(run.child.pid);
    t.after(() => started.forEach((pid) => { try { process.kill(pid, "SIGKILL"); } catch { /* As it should be. */ } }));
    assert.ok(started.length > 0);
    await until("end of the demo", END_WAIT_MS, () => { run.child.kill("SIGTERM"); return run.ended(); });
    assert.deepEqual(run.ended(), { code: 0, signal: null });
    const there = await processes();
    assert.deepEqual(started.filter((pid) => there.has(pid)), []);
  }
});
