// `make cluster` as people meet it: it says where everything is, starts again what is killed, and leaves nothing behind.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { profile, temporary, until } from "../../players/lib/vidstream.mjs";
import { services } from "../cluster/compose.mjs";
import { freePort } from "../cluster/part.mjs";
import { traversable } from "../cluster/servers.mjs";

const START_WAIT_MS = 60_000;
// What ends by itself is noticed at once, and named before it is started again; a busy machine may add to that.
const AGAIN_WAIT_MS = 7_000;
// All has ended 5 s after it was asked to; a busy machine may add to that.
const STOP_WAIT_MS = 7_000;
const main = new URL("../cluster/main.mjs", import.meta.url).pathname;
const isThere = (path) => access(path).then(() => true, () => false);

function begin(env) {
  const child = spawn(process.execPath, [main, profile], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, DATA: "", ...env } });
  const lines = [];
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on("line", (line) => lines.push(line));
  const says = (text, waitMs) => until(`line with "${text}" in ${JSON.stringify(lines)}`, waitMs, () => lines.some((line) => line.includes(text)));
  return { child, lines, says, exited: once(child, "exit") };
}

test("all parts are named, what is killed comes back, and the end leaves nothing", async (t) => {
  const folder = await temporary(t, "make-cluster");
  await traversable(folder);
  const cluster = begin({ PORT: String(await freePort()), TMPDIR: folder });
  t.after(() => cluster.child.kill("SIGKILL"));
  await cluster.says("serving until Ctrl-C", START_WAIT_MS);
  const processes = new Map(cluster.lines.flatMap((line) => {
    const [, name, pid] = /^(\S+) +process (\d+)/.exec(line) ?? [];
    return name ? [[name, Number(pid)]] : [];
  }));
  // Debian has no Grafana.
  assert.deepEqual([...processes.keys()].sort(), Object.keys(await services()).filter((name) => name !== "grafana").sort());
  const listeners = cluster.lines.flatMap((line) => [/^(?<name>\S+) .*  admin (?<admin>http:\S+)$/.exec(line)?.groups ?? []].flat());
  assert.deepEqual(listeners.map(({ name }) => name).sort(), ["origin-1", "origin-2", "packager-1", "packager-2"]);
  for (const { name, admin } of listeners) {
    assert.equal((await fetch(`${admin}/readyz`)).status, 200, name);
    const figures = await (await fetch(`${admin}/metrics`)).text();
    assert.equal(figures.includes("\nvidstream_children_started_total "), name.startsWith("packager"), figures);
  }
  const [{ url }] = cluster.lines.flatMap((line) => /^page and streams +(?<url>\S+)/.exec(line)?.groups ?? []);
  assert.equal((await fetch(url)).status, 200);
  assert.equal((await (await fetch(`${url}/v1/videos`)).json()).data.length, 0);

  process.kill(processes.get("redis"), "SIGKILL");
  await cluster.says("redis ended with SIGKILL, and is started again", AGAIN_WAIT_MS);

  cluster.child.kill("SIGINT");
  const timer = setTimeout(() => cluster.child.kill("SIGKILL"), STOP_WAIT_MS);
  assert.deepEqual(await cluster.exited, [0, null]);
  clearTimeout(timer);
  for (const [name, pid] of processes) assert.ok(!await isThere(`/proc/${pid}`), `${name} is left`);
  assert.deepEqual(await readdir(folder), []);
});

test("a port that is in use is one sentence and an exit code", async (t) => {
  const folder = await temporary(t, "make-cluster");
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  t.after(() => other.close());
  const { port } = other.address();
  const { exited, lines } = begin({ PORT: String(port), DATA: join(folder, "data") });
  assert.deepEqual(await exited, [69, null]);
  assert.deepEqual(lines, [`port ${port} is in use: stop what listens there, or choose another with PORT=`]);
  assert.ok(!await isThere(join(folder, "data")));
});
