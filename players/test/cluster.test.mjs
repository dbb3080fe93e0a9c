// Two origins behind the proxy, two packagers, Postgres, Redis and S3 on this machine, while each part in turn is killed,
// paused or restarted: no acknowledged upload is lost, no video is stuck, and viewers of hot content see no error.
//   TEST_FAULTS=all    every fault of every part, before viewers with each player; by default one fault of each kind of
//                      part, and hls.js
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cluster } from "../../docker/cluster/cluster.mjs";
import { queries, series } from "../../docker/cluster/dashboard.mjs";
import { freePort } from "../../docker/cluster/part.mjs";
import { ask } from "../../docker/cluster/servers.mjs";
import { pages } from "../lib/browser.mjs";
import { pathsOf, players, walk, watch } from "../lib/hot.mjs";
import { clip, profile, run, temporary, until } from "../lib/vidstream.mjs";

const FPS = 30;
const HOT = { seconds: 10, size: "320x180", fps: String(FPS) };
const OTHER = { seconds: 6, size: "320x180", fps: String(FPS) };
// A part's effect on the others is seen within this: a bucket's is after 10 s, in which it is asked again and again.
const FELT_WAIT_MS = 30_000;
// From an upload to `ready`, with a lease of 15 s that runs out, and jobs that rest after failed attempts.
const READY_WAIT_MS = 180_000;
// An upload that stands still because its origin or its bucket does is answered when that goes on.
const UPLOAD_WAIT_MS = 90_000;
// A segment that is not hot while the bucket is away.
const COLD_WAIT_MS = 15_000;
const ROUND_WAIT_MS = 60_000;
// Each viewer sees more of the film while a part is away than a player holds of it: at four looks a second, 8 s.
const PICTURES_NEW = 32;
// One of two parts has a hand in each upload: that the same one has it in so many is no chance.
const BEGUN_MAX = 12;
// 5 s, and what a busy machine adds.
const STOP_WAIT_MS = 8_000;
// Prometheus asks every 5 s, and a rate is of two answers.
const WATCHED_WAIT_MS = 30_000;

const all = ["origin-1", "origin-2", "packager-1", "packager-2", "postgres", "redis", "s3"]
  .flatMap((part) => ["kill", "pause", "restart"].map((fault) => [part, fault]));
const some = [["origin-1", "kill"], ["packager-1", "pause"], ["postgres", "kill"], ["redis", "kill"], ["s3", "kill"]];
const [rows, viewing] = process.env.TEST_FAULTS === "all" ? [all, players] : [some, ["hls.js"]];

// What the dashboard shows and need not have happened.
const RARE = ["vidstream_jobs_failed_total"];

const began_ms = Date.now();
let folder, site, tabs, token, bytes, walker;
let struck = null;
const [acknowledged, viewers] = [[], []];

before(async () => {
  folder = await temporary(null, "cluster");
  site = await cluster(folder, profile, await freePort());
  await site.start();
  token = (await readFile(site.token, "utf8")).trim();
  bytes = await readFile(await clip(folder, "other.mp4", OTHER));
  const hot = await upload(await readFile(await clip(folder, "hot.mp4", HOT)));
  const { urls } = await settled(hot);
  // By an origin that goes on for a while: who watches is told by our page, not by players.
  const beacon = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ session: "cluster-1" }) };
  assert.equal((await fetch(`${site.origins[1].address}/v1/videos/${hot}/views`, beacon)).status, 202);
  const paths = await pathsOf(site.url, urls);
  tabs = await pages();
  walker = walk(paths, [site.url, ...site.origins.map(({ address }) => address)], isHot);
  for (const player of viewing) viewers.push(await watch(player, tabs, { url: site.url, urls, fps: FPS }));
  // From here on the film is hot, everywhere.
  const isSeen = () => viewers.every(({ seen }) => seen.views > 0);
  await until("views and round", READY_WAIT_MS, () => wrong() || (isSeen() && Object.values(walker.seen.rounds).every((rounds) => rounds > 0)));
  unharmed();
});

after(async () => {
  await Promise.all([...viewers, walker].map((one) => one?.stop()));
  await tabs?.close();
  await site?.stop();
  await run("rm", ["-rf", folder]);
});

const living = () => site.origins.filter(({ name }) => name !== struck);
// The proxy, and each origin that is there.
const isHot = (place) => place === site.url || living().some(({ address }) => address === place);
const wrong = () => [...viewers, walker].some(({ seen }) => seen.errors.length > 0);

function unharmed() {
  for (const { player, seen } of viewers) assert.deepEqual(seen.errors, [], player);
  assert.deepEqual(walker.seen.errors, [], "hot content");
}

// Sends a file through the proxy, the second half when `half` says so, and without saying before how long it is unless `isSized`;
// gives the id if the upload was acknowledged, else why not.
async function tried(file, { half, isSized = true } = {}) {
  const middle = Math.floor(file.length / 2);
  const body = async function* () {
    yield file.subarray(0, middle);
    await half;
    yield file.subarray(middle);
  };
  const length = isSized ? { "content-length": String(file.length) } : {};
  const headers = { authorization: `Bearer ${token}`, ...length };
  const sent = fetch(`${site.url}/v1/videos`, { method: "PUT", body: body(), duplex: "half", headers, signal: AbortSignal.timeout(UPLOAD_WAIT_MS) });
  const answer = await sent.catch(({ cause, message }) => ({ status: 0, text: async () => `${message}: ${cause}` }));
  const text = await answer.text().catch(({ message }) => message);
  if (answer.status !== 202) return { why: `${answer.status} ${text}` };
  const { id } = JSON.parse(text);
  acknowledged.push(id);
  return { id };
}

async function upload(file) {
  const { id, why } = await tried(file);
  assert.ok(id, `upload: ${why}`);
  return id;
}

// What an origin that is there says of a path of the API; null if it cannot say now.
async function told(path) {
  const answer = await ask(living()[0].address + path).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

// Waits until everything of a video is made; a video that fails never is.
async function settled(id) {
  let seen;
  const done = await until(`ready ${id}`, READY_WAIT_MS, async () => {
    seen = await told(`/v1/videos/${id}`) ?? seen;
    return seen?.state === "failed" || (seen?.state === "ready" && seen.artifacts.storyboard.state === "ready");
  }).catch(({ message }) => new Error(`${message}: ${JSON.stringify(seen)}`));
  if (done instanceof Error) throw done;
  assert.equal(seen.state, "ready", JSON.stringify(seen.error));
  assert.deepEqual(seen.warnings, []);
  return seen;
}

// How the origins notice that a part is away: then it has been for long enough.
const readiness = async (test) => {
  const answers = await Promise.all(living().map(({ admin }) => ask(`${admin}/readyz`)));
  const texts = await Promise.all(answers.map((answer) => answer.text()));
  return answers.every(({ status }, n) => test(status, texts[n]));
};
const felt = {
  postgres: () => readiness((status) => status === 503),
  redis: () => readiness((status, text) => status === 200 && text.includes("degraded")),
  // What nobody has asked for yet is in the bucket alone.
  s3: async (cold) => (await fetch(living()[0].address + cold, { signal: AbortSignal.timeout(COLD_WAIT_MS) })).status === 503,
};

// The media playlist of one rung.
async function rung({ urls }) {
  const master = await (await fetch(living()[0].address + urls.hls)).text();
  const name = master.split("\n").find((line) => /^\d+\/\d+p\/index\.m3u8$/.test(line));
  return urls.hls.replace("master.m3u8", name);
}

const faults = {
  kill: { strike: (part) => part.kill(), lift: (part) => part.start() },
  pause: { strike: (part) => part.pause(), lift: async (part) => { await part.resume(); await part.answering(); } },
  restart: { strike: async (part) => part.stop(STOP_WAIT_MS), lift: (part) => part.start() },
};

// While a part is away: until the others have noticed, what does not need it is made, all that is hot was served, and viewers
// have seen more of it.
async function lasts(name, made, cold) {
  const before = { ...walker.seen.rounds };
  if (felt[name]) await until("effect on the origins", FELT_WAIT_MS, () => felt[name](cold).catch(() => false));
  const shown = viewers.map(({ seen }) => seen.pictures);
  if (!["postgres", "s3"].includes(name)) await settled(made);
  // The round that was on when it happened, and a whole one.
  const isServed = () => Object.entries(walker.seen.rounds).every(([place, rounds]) => !isHot(place) || rounds > before[place] + 1);
  const isSeen = () => viewers.every(({ seen }, n) => seen.pictures >= shown[n] + PICTURES_NEW);
  await until("round and new pictures of hot content", ROUND_WAIT_MS, () => wrong() || (isServed() && isSeen()));
}

// What a part says of itself under a name, labels included.
async function said({ admin }, name) {
  const lines = (await (await ask(`${admin}/metrics`)).text()).split("\n");
  return Number(lines.find((line) => line.startsWith(`${name} `))?.split(" ")[1] ?? 0);
}

// Begins uploads that stand still half way until `go`, and as many as it takes until one of them is in the hands of the part
// that will be struck: comes in through this origin, or is scanned by this packager. The other parts have a hand in all.
async function begun(part, go) {
  const [group, name] = part.name.startsWith("origin") ? [site.origins, "vidstream_upload_bytes_total"]
    : part.name.startsWith("packager") ? [site.packagers, 'vidstream_jobs_running{kind="probe"}'] : [[], ""];
  const all = () => Promise.all(group.map((one) => said(one, name)));
  const uploads = [];
  while (uploads.length < BEGUN_MAX) {
    const before = await all();
    uploads.push(tried(bytes, { half: go }));
    await until("upload on its way", UPLOAD_WAIT_MS, async () => (await told("/v1/videos?state=uploading"))?.data.length >= uploads.length);
    if (group.length === 0) return uploads;
    let now;
    await until("hand in the upload", UPLOAD_WAIT_MS, async () => {
      now = await all();
      return now.some((count, n) => count > before[n]);
    });
    const n = group.indexOf(part);
    if (now[n] > before[n]) return uploads;
  }
  return assert.fail(`${part.name} had a hand in none of ${BEGUN_MAX} uploads`);
}

async function meets(name, fault) {
  const part = site.part(name);
  const { strike, lift } = faults[fault];
  const is = (kind) => name.startsWith(kind);
  const cold = (await rung(await settled(acknowledged.at(-1)))).replace("index.m3u8", "1.m4s");
  // One is half sent and one is being made when it happens, and one comes while it lasts.
  let go;
  const halves = await begun(part, new Promise((resolve) => { go = resolve; }));
  const made = await upload(bytes);
  struck = name;
  const how = await strike(part);
  if (fault === "restart" && (is("origin") || is("packager"))) assert.equal(how, 0, `${name} ended with ${how}`);
  go();
  const during = tried(bytes, { isSized: false });
  try {
    // What this packager had in work is taken over by the other one.
    if (is("packager")) for (const { id } of await Promise.all(halves)) await settled(id);
    await lasts(name, made, cold);
  } finally {
    await lift(part);
    struck = null;
  }
  const sent = await Promise.all([...halves, during]);
  // Nobody's upload may fail for want of a packager or of hints.
  if (is("packager") || is("redis")) assert.deepEqual(sent.filter(({ why }) => why), []);
  // Others are sent again, by whoever was told that they failed.
  for (const { id } of sent) if (!id) await upload(bytes);
  for (const id of acknowledged) await settled(id);
  unharmed();
}

for (const [name, fault] of rows) {
  test(`${fault} ${name}: what was acknowledged is made, what is hot is served`, async (t) => {
    const from = Date.now();
    await meets(name, fault);
    t.diagnostic(`${Math.round((Date.now() - from) / 1000)} s`);
  });
}

test("Prometheus has numbers for each panel of the dashboard", async () => {
  const { address } = site.part("prometheus");
  // Those that were away are asked again.
  const processes = site.origins.length + site.packagers.length;
  const up = async () => (await series(address, `sum(up) == ${processes}`, Date.now())).length > 0;
  await until("answer of all to Prometheus", WATCHED_WAIT_MS, up);
  for (const query of await queries()) {
    const isRare = RARE.some((name) => query.includes(name));
    await until(`series of ${query}`, WATCHED_WAIT_MS, async () => (await series(address, query, began_ms)).length > 0 || isRare);
  }
});

test("afterwards nothing is stuck, missing or left over, and every picture is right", async () => {
  const isMade = ({ state, id }) => state === "ready" && acknowledged.includes(id);
  let list;
  await until("end of all work", READY_WAIT_MS, async () => {
    list = (await told("/v1/videos?limit=100"))?.data ?? list;
    return list?.every(({ state }) => state === "ready");
  }).catch(({ message }) => assert.fail(`${message}: ${JSON.stringify(list)}`));
  assert.equal(list.filter(isMade).length, acknowledged.length, "an acknowledged upload is lost");
  for (const video of list) {
    const { stdout } = await run(join(profile, "testkit"), ["counters", site.url + await rung(video)]);
    const shown = stdout.trim().split("\n").map((line) => Number(line.split(" ")[1]));
    const { seconds } = video.id === acknowledged[0] ? HOT : OTHER;
    assert.deepEqual(shown, Array.from({ length: seconds * FPS }, (_, n) => n), video.id);
  }
  const { stdout } = await run(site.program, ["fsck", "--bytes"], { env: { PATH: process.env.PATH, ...site.env } });
  assert.match(stdout, /^\d+ videos, 0 of them in work and passed over, \d+ objects: nothing is wrong\n$/);
  await Promise.all([...viewers, walker].map((one) => one.stop()));
  unharmed();
  const ends = await site.stop();
  for (const part of [...site.origins, ...site.packagers]) assert.equal(ends[part.name], 0, `${part.name} ended with ${ends[part.name]}`);
});
