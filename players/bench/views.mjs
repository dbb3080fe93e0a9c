// Views: 5,000 a second, each by a session of its own and from 200 addresses, to a server on two cores; then TERM, and the
// catalog has every one that was answered. On SQLite, on Postgres, and on Postgres with Redis; there also by way of two servers
// on the same two cores, which share the load and count together.
import { join } from "node:path";
import { companion, meeting } from "../lib/companion.mjs";
import { figure, verdict } from "../lib/figures.mjs";
import { cpuOf, slowest } from "../lib/measure.mjs";
import { steady } from "../lib/steady.mjs";
import { clip, start, temporary } from "../lib/vidstream.mjs";

const LEAST = 5000;
// A little more is sent, since the last answer comes after its second.
const RATE = 5100;
// Fewer sessions than a server knows at once, which are present for half a minute.
const SECONDS = 12;
const CONNECTIONS = 200;
const CORES = "0,1";
const READY_MS = 60_000;
const SHARING = 2;
const SMALL = ["--set", "ladder.heights=240"];

const folder = await temporary(null, "bench");
const film = await clip(folder, "film.mp4", { seconds: 4, size: "426x240" });

// The requests in full, made before anything is measured.
function beacons(host, id, count, run) {
  return Array.from({ length: count }, (_, n) => {
    const body = JSON.stringify({ session: `${run}-${n.toString(36).padStart(8, "0")}-0192f1c45a2e7c119d44` });
    return Buffer.from(`POST /v1/videos/${id}/views HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  });
}

// Sends all views, to each server its share; gives how many were answered.
async function send(name, id, servers) {
  const pids = servers.map(({ child }) => child.pid);
  const share = servers.length;
  const loads = servers.map(({ url }, n) => {
    const { host, port } = new URL(url);
    const requests = beacons(host, id, RATE * SECONDS / share, `run-${n}`);
    return { port: Number(port), requests, rate: RATE / share, connections: CONNECTIONS / share };
  });
  const before = await cpuOf(pids);
  const results = await Promise.all(loads.map(steady));
  const cpu = await cpuOf(pids) - before;
  const answers = results.map(({ statuses }) => statuses["202"] ?? 0).reduce((sum, count) => sum + count, 0);
  if (answers < RATE * SECONDS) console.log(`views: ${name}: answers ${results.map(({ statuses }) => JSON.stringify(statuses)).join(" and ")}`);
  const waits_ms = Float64Array.from(results.flatMap((result) => [...result.waits_ms])).sort();
  // More than one is no faster on the same cores.
  const least = share === 1 ? LEAST : undefined;
  figure("views", { name, unit: "views/s", ours: answers / slowest(results.map(({ seconds }) => seconds)), least });
  figure("views", { name: `${name}: CPU of ${share === 1 ? "the server" : "all servers"} a view`, unit: "µs", ours: cpu / (RATE * SECONDS) * 1e6 });
  figure("views", { name: `${name}: 99 % answered within`, unit: "ms", ours: waits_ms[Math.floor(waits_ms.length * 0.99)] });
  return answers;
}

// `catalog` and `others` are settings of the servers, of which only the first makes films.
async function measure(name, catalog, { others = [], env = {}, count = 1 } = {}) {
  const data = (n) => join(folder, `${name.replaceAll(/\W+/g, "-")}-${n}`);
  const servers = [];
  let answered, id;
  try {
    for (let n = 1; n <= count; n += 1) {
      const [command, own] = n === 1 ? ["serve", SMALL] : ["origin", []];
      servers.push(await start(command, data(n), [...catalog, ...others, ...own], { ...env, RUST_LOG: "warn" }, CORES));
    }
    const [first] = servers;
    ({ id } = await first.upload(film, name));
    await first.wait(id, "ready video", READY_MS, ({ state }) => state === "ready");
    answered = await send(name, id, servers);
  } finally {
    for (const [n, { code }] of (await Promise.all(servers.map((server) => server.stop()))).entries()) {
      if (code !== 0) throw new Error(`server ${n + 1} ended with ${code}: ${servers[n].log()}`);
    }
  }
  // Without Redis, so that nothing is counted now that was not before.
  const reader = await start("origin", data(1), catalog);
  try {
    const { views } = await reader.api(`/v1/videos/${id}/views`);
    figure("views", { name: `${name}: views that the catalog has too few or too many after TERM`, unit: "views", ours: Math.abs(answered - views), bound: 0 });
  } finally {
    await reader.stop();
  }
}

const places = companion("servers");
try {
  const [without, shared, both] = [await meeting(places), await meeting(places), await meeting(places)];
  const set = (key, value) => ["--set", `${key}=${value}`];
  await measure("SQLite", []);
  await measure("PostgreSQL", set("catalog.url", without.catalog));
  await measure("PostgreSQL and Redis", set("catalog.url", shared.catalog), { others: set("events.url", shared.events) });
  const others = [...set("events.url", both.events), ...set("store.url", both.store)];
  await measure(`PostgreSQL and Redis, ${SHARING} servers`, set("catalog.url", both.catalog), { others, env: both.env, count: SHARING });
} finally {
  await places.stop();
}
process.exit(verdict());
