// What `make demo` says and does, leaves when it is ended, and finds again. Set-up and release build are left out: they are
// other scripts.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFile, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { freePort, signal, state } from "../../docker/cluster/part.mjs";
import { childrenOf } from "../lib/measure.mjs";
import { clip, profile, temporary, until } from "../lib/vidstream.mjs";

const ROOT = new URL("../../", import.meta.url).pathname;
const LINE_WAIT_MS = 60_000;
// A minute of 720p is drawn, encoded, uploaded and looked at within this.
const CLIP_WAIT_MS = 180_000;
const END_WAIT_MS = 5_000;
const SERVING = "serving until Ctrl-C";
const HERE = "this clip is here already";

async function listen(t) {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return server;
}

// A copy of make's file and the script, where the program under test is what they take for the release build.
async function project(t) {
  const folder = await temporary(t, "demo");
  await mkdir(join(folder, "scripts"));
  await mkdir(join(folder, "target"));
  for (const name of ["Makefile", "scripts/demo.sh"]) await copyFile(join(ROOT, name), join(folder, name));
  for (const name of ["setup.sh", "build.sh"]) await writeFile(join(folder, "scripts", name), "#!/bin/sh\n", { mode: 0o755 });
  await symlink(profile, join(folder, "target/release"));
  return folder;
}

// A make that may itself be below one: what that one was told is not for this one.
function environment() {
  const taken = ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "VIDEO", "PORT", "DATA"];
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !taken.includes(name))), LC_ALL: "C" };
}

// `make demo` as in a terminal that it has for itself: it leads the process group that signals of the terminal go to. By
// itself the script says how it ended, which make does not pass on.
function demo(t, folder, settings, { byItself = false } = {}) {
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const [command, ...rest] = byItself ? ["env", ...words, "scripts/demo.sh"] : ["make", "demo", ...words];
  const child = spawn(command, rest, { cwd: folder, detached: true, stdio: ["ignore", "pipe", "pipe"], env: environment() });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => { said += text; });
  let ended = null;
  child.once("close", (code, signal) => { ended = { code, signal }; });
  t.after(async () => {
    if (!ended) for (const pid of [...await startedBy(child.pid), child.pid]) signal(pid, "SIGKILL");
  });
  return {
    pid: child.pid,
    ended: () => ended,
    said: () => said,
    says: (line, wait_ms = LINE_WAIT_MS) => until(`"${line}"`, wait_ms, () => {
      if (said.includes(line)) return said;
      if (ended) throw new Error(`the demo ended with ${JSON.stringify(ended)}:\n${said}`);
      return null;
    }),
  };
}

// Those of some processes that are there; a zombie has ended.
async function alive(pids) {
  const states = await Promise.all(pids.map(state));
  return pids.filter((_, n) => !["", "Z"].includes(states[n]));
}

async function startedBy(root) {
  const children = await alive(await childrenOf(root));
  return [...children, ...(await Promise.all(children.map(startedBy))).flat()];
}

// A signal to its process group, once or again and again, ends the demo with all that it started.
async function ends(run, name, { again = false } = {}) {
  const started = [run.pid, ...await startedBy(run.pid)];
  // The script and its server at least.
  assert.ok(started.length > 1, `only ${started} runs`);
  signal(-run.pid, name);
  await until("end of the demo", END_WAIT_MS, () => {
    if (again && !run.ended()) signal(-run.pid, name);
    return run.ended();
  });
  const left = await alive(started);
  for (const pid of left) signal(pid, "SIGKILL");
  assert.deepEqual(left, [], run.said());
}

// The addresses that are printed at the end, each of which answers, and the id that all of them are of.
async function addresses(said) {
  const found = ["HLS  ", "DASH ", "page "].map((name) => new RegExp(`^${name} (http://127\\.0\\.0\\.1:\\S+)$`, "m").exec(said)?.[1]);
  for (const url of found) assert.equal((await fetch(url)).status, 200, `${url} of:\n${said}`);
  const ids = new Set(found.map((url) => /vid_[0-9a-z]{26}/.exec(url)?.[0]));
  assert.equal(ids.size, 1, said);
  return [...ids][0];
}

// TERM comes twice, as it does to a process group that `make` is in, from who sends it and from make: the second one killed
// the script before it had ended its server.
test("without a film the demo makes one, ends all that it started, and has it again", async (t) => {
  const folder = await project(t);
  const settings = { PORT: await freePort(), DATA: join(folder, "data") };
  const first = demo(t, folder, settings);
  await first.says("generating a clip of 60 s\n");
  await first.says("playable:", CLIP_WAIT_MS);
  await ends(first, "SIGINT");
  const second = demo(t, folder, settings, { byItself: true });
  assert.doesNotMatch(await second.says(HERE), /generating|uploaded/);
  await ends(second, "SIGTERM", { again: true });
  assert.deepEqual(second.ended(), { code: 0, signal: null });
});

test("the demo makes a film ready and says where it plays; another one finds it so and does nothing", async (t) => {
  const folder = await project(t);
  const [port, video] = [await freePort(), await clip(folder, "clip.mp4", { seconds: 10, size: "426x240" })];
  const settings = { PORT: port, DATA: join(folder, "data"), VIDEO: video };
  const get = async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).json();
  // Whatever is uploaded or encoded is an event.
  const known = async (id) => ({
    videos: (await get("/v1/videos")).data.map((one) => [one.id, one.state]),
    events: (await get(`/v1/videos/${id}/events`)).data.map((one) => [one.seq, one.type]),
  });

  const first = demo(t, folder, settings);
  await first.says(SERVING);
  assert.match(first.said(), /^ready$/m);
  const id = await addresses(first.said());
  const before = await known(id);
  assert.deepEqual(before.videos, [[id, "ready"]]);
  await ends(first, "SIGINT");

  const second = demo(t, folder, settings);
  await second.says(SERVING);
  assert.match(second.said(), new RegExp(`^${HERE}, as ${id}$`, "m"));
  assert.doesNotMatch(second.said(), /uploading|uploaded|packaging/);
  assert.equal(await addresses(second.said()), id);
  assert.deepEqual(await known(id), before);
  await ends(second, "SIGTERM");

  // Where nobody sees a bar, there are lines.
  for (const said of [first.said(), second.said()]) assert.doesNotMatch(said, /[\r\x1b]/);
});

test("a film that is not there and a port that is taken are one sentence and an exit code", async (t) => {
  const folder = await project(t);
  const { port } = (await listen(t)).address();
  const missing = join(folder, "missing.mp4");
  for (const [settings, code, sentence] of [
    [{ PORT: await freePort(), VIDEO: missing }, 66, `there is no file ${missing}`],
    [{ PORT: port }, 69, `port ${port} is in use: stop what listens there, or choose another with PORT=`],
  ]) {
    const run = demo(t, folder, { ...settings, DATA: join(folder, "data") });
    await until("end of the demo", END_WAIT_MS, run.ended);
    // Its own exit code of a failed command is 2, for all of them; it says which one the command had.
    const [line, made, ...more] = run.said().trimEnd().split("\n");
    assert.equal(line, sentence);
    assert.match(made, new RegExp(`^make: \\*\\*\\* \\[.*\\] Error ${code}$`));
    assert.deepEqual([more, run.ended()], [[], { code: 2, signal: null }]);
    assert.ok(!(await readdir(folder)).includes("data"));
  }
});
