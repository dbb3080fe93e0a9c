// Live status: from a change to the last of all clients on WebSockets of two origins, which meet at a Postgres and a Redis.
// The change is a new title by one origin, from its request on; and what a packager says while it makes a film,
// from the time of the commit on. And how many watch, from the word of one who begins to: that is counted and told once a second.
// The slowest of all, not a median.
import { join } from "node:path";
import { companion, meeting } from "../lib/companion.mjs";
import { figure, verdict } from "../lib/figures.mjs";
import { slowest } from "../lib/measure.mjs";
import { connect } from "../lib/socket.mjs";
import { clip, packager, runs, start, temporary, until } from "../lib/vidstream.mjs";

const BOUND_MS = 300;
const ORIGINS = 2;
const CLIENTS = 50;
const CHANGES = runs(100);
// Few: those who came first are present for half a minute, and each is waited for.
const VIEWERS = runs(8);
const SECONDS = 120;
const HEARD_MS = 10_000;
const READY_MS = 120_000;

const folder = await temporary(null, "bench");
const film = await clip(folder, "film.mp4", { seconds: SECONDS, size: "426x240", fps: "25" });
const servers = companion("servers");
const [origins, clients] = [[], []];
let worker;

// A client that keeps what it hears.
async function listen(origin) {
  const client = { events: [], counts: [], subscribed: false };
  client.socket = await connect(`${origin.url}/v1/ws`, (message, at) => {
    if (message.op === "subscribed") client.subscribed = true;
    if (message.op === "event") client.events.push({ at, ...message });
    if (message.op === "viewers") client.counts.push({ at, viewers: message.viewers });
  });
  client.socket.say({ op: "subscribe", topics: ["videos"] });
  clients.push(client);
}

const isEnd = ({ type }) => type === "video.ready";
const all = (what, waitMs, test) => until(what, waitMs, () => clients.every(test));

// Milliseconds from the request for a new title to the last client.
async function rename(id, title) {
  const asked = Date.now();
  const body = JSON.stringify({ title });
  const { status } = await fetch(`${origins[0].url}/v1/videos/${id}`, { method: "PATCH", headers: { "content-type": "application/merge-patch+json" }, body });
  if (status !== 200) throw new Error(`the title was not changed: ${status}`);
  const of = ({ events }) => events.find(({ data }) => data.title === title);
  await all("news of the title", HEARD_MS, of);
  return slowest(clients.map((client) => of(client).at)) - asked;
}

// Milliseconds from the word of a viewer, to one origin, to the last client that knows of so many.
async function joins(id, number) {
  const asked = Date.now();
  const body = JSON.stringify({ session: `viewer-${number}` });
  const { status } = await fetch(`${origins[0].url}/v1/videos/${id}/views`, { method: "POST", headers: { "content-type": "application/json" }, body });
  if (status !== 202) throw new Error(`the viewer was not noted: ${status}`);
  const of = ({ counts }) => counts.find(({ viewers }) => viewers === number);
  await all("news of a viewer", HEARD_MS, of);
  return slowest(clients.map((client) => of(client).at)) - asked;
}

// For each event up to the end, milliseconds from its commit until the last client knew of it: by itself or, of progress, by a
// later one.
function delays() {
  const told = clients.flatMap(({ events }) => events.slice(0, events.findIndex(isEnd) + 1));
  const commits = new Map(told.map(({ seq, created_at }) => [seq, Date.parse(created_at)]));
  const known = (seq) => slowest(clients.map(({ events }) => events.find((event) => event.seq >= seq).at));
  return [...commits].map(([seq, committed]) => known(seq) - committed);
}

try {
  const place = await meeting(servers);
  for (let n = 1; n <= ORIGINS; n += 1) origins.push(await start("origin", join(folder, `origin-${n}`), place.flags, place.env));
  worker = await packager(join(folder, "packager"), [...place.flags, "--set", "ladder.heights=240"], place.env);
  await Promise.all(origins.flatMap((origin) => Array.from({ length: CLIENTS }, () => listen(origin))));
  await all("subscription", HEARD_MS, ({ subscribed }) => subscribed);
  const { id } = await origins[1].upload(film, "film");
  await all("news of the end", READY_MS, ({ events }) => events.some(isEnd));
  const made = delays();
  const renames = [];
  for (let n = 1; n <= CHANGES; n += 1) renames.push(await rename(id, `Title ${n}`));
  for (const { socket } of clients) socket.say({ op: "subscribe", topics: [`viewers:${id}`] });
  await all("first count of viewers", HEARD_MS, ({ counts }) => counts.length > 0);
  const joined = [];
  for (let n = 1; n <= VIEWERS; n += 1) joined.push(await joins(id, n));
  const label = `to the last of ${clients.length} clients of ${ORIGINS} origins, slowest of`;
  figure("live", { name: `a new title, ${label} ${renames.length}`, unit: "ms", ours: slowest(renames), bound: BOUND_MS });
  figure("live", { name: `a packager's news, ${label} ${made.length}`, unit: "ms", ours: slowest(made), bound: BOUND_MS });
  figure("live", { name: `one more viewer, ${label} ${joined.length}`, unit: "ms", ours: slowest(joined) });
} finally {
  clients.forEach(({ socket }) => socket.close());
  await Promise.all([...origins, ...(worker ? [worker] : [])].map((one) => one.stop()));
  await servers.stop();
}
process.exit(verdict());
