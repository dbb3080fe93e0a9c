// Views: 5,000 a second, each by a session of its own and from 200 addresses, to a server on two cores; then TERM, and the
// catalog has every one that was answered. On SQLite, on Postgres, and on Postgres with Redis.
import { join } from "node:path";
import { companion, meeting } from "../lib/companion.mjs";
import { figure, verdict } from "../lib/figures.mjs";
import { cpuOf } from "../lib/measure.mjs";
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
const SMALL = ["--set", "ladder.heights=240"];

const folder = await temporary(null, "bench");
const film = await clip(folder, "film.mp4", { seconds: 4, size: "426x240" });
const servers = companion("servers");

// The requests in full, made before anything is measured.
function beacons(host, id, run) {
  return Array.from({ length: RATE * SECONDS }, (_, n) => {
    const body = JSON.stringify({ session: `${run}-${n.toString(36).padStart(8, "0")}-0192f1c45a2e7c119d44` });
    return Buffer.from(`POST /v1/videos/${id}/views HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  });
}

async function measure(name, catalog, events) {
  const data = join(folder, name.replaceAll(/\W+/g, "-"));
  const server = await start("serve", data, [...catalog, ...events, ...SMALL], { RUST_LOG: "warn" }, CORES);
  let answered, id;
  try {
    ({ id } = await server.upload(film, name));
    await server.wait(id, "ready video", READY_MS, ({ state }) => state === "ready");
    const { host, port } = new URL(server.url);
    const requests = beacons(host, id, data.length);
    const before = await cpuOf([server.child.pid]);
    const { seconds, statuses, waits_ms } = await steady({ port: Number(port), requests, rate: RATE, connections: CONNECTIONS });
    const cpu = await cpuOf([server.child.pid]) - before;
    answered = statuses["202"] ?? 0;
    if (answered < requests.length) console.log(`views: ${name}: answers ${JSON.stringify(statuses)}`);
    figure("views", { name, unit: "views/s", ours: answered / seconds, least: LEAST });
    figure("views", { name: `${name}: CPU of the server a view`, unit: "µs", ours: cpu / requests.length * 1e6 });
    figure("views", { name: `${name}: 99 % answered within`, unit: "ms", ours: waits_ms.sort()[Math.floor(waits_ms.length * 0.99)] });
  } finally {
    const { code } = await server.stop();
    if (code !== 0) throw new Error(`the server ended with ${code}: ${server.log()}`);
  }
  // Without Redis, so that nothing is counted now that was not before.
  const reader = await start("origin", data, catalog);
  try {
    const { views } = await reader.api(`/v1/videos/${id}/views`);
    figure("views", { name: `${name}: views that the catalog has too few or too many after TERM`, unit: "views", ours: Math.abs(answered - views), bound: 0 });
  } finally {
    await reader.stop();
  }
}

try {
  const [without, shared] = [await meeting(servers), await meeting(servers)];
  await measure("SQLite", [], []);
  await measure("PostgreSQL", ["--set", `catalog.url=${without.catalog}`], []);
  await measure("PostgreSQL and Redis", ["--set", `catalog.url=${shared.catalog}`], ["--set", `events.url=${shared.events}`]);
} finally {
  await servers.stop();
}
process.exit(verdict());
