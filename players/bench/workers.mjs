// A second packager: a film in equal chunks by one on a core, and by two on a core each, over the same servers. Measured
// from the start of the first chunk to the commit of the last, as the event log has them, without probe and finalize.
// The servers are on the same cores: what they took is printed beside, from the plan, with which the first chunk starts, to the
// last chunk, each as it is heard.
import { join } from "node:path";
import { companion, meeting } from "../lib/companion.mjs";
import { figure, verdict } from "../lib/figures.mjs";
import { cpuOf, cpuOfTree, keeperOf, median } from "../lib/measure.mjs";
import { connect } from "../lib/socket.mjs";
import { clip, packager, runs, start, temporary, until } from "../lib/vidstream.mjs";

const RUNS = runs(3);
const SPEED_UP_LEAST = 1.7;
const CORES = ["0", "1"];
const EQUAL_CHUNKS_LEAST = 24;
// 24 chunks of 20 s and the short ones before them.
const SECONDS = 510;
// One small rung, and segments with which chunks are no longer than they must be.
const SMALL = ["ladder.heights=240", "ladder.segment_s=5", "ladder.gop_s=1"].flatMap((setting) => ["--set", setting]);
const READY_MS = 300_000;
const HEARD_MS = 10_000;
const EVENTS_MAX = 1000;

// Wall seconds of the chunks of a video.
async function chunked(server, id) {
  const events = [];
  for (let more = true; more;) {
    const after = events.at(-1)?.seq ?? 0;
    const page = await server.api(`/v1/videos/${id}/events?limit=${EVENTS_MAX}&after_seq=${after}`);
    events.push(...page.data);
    more = page.has_more;
  }
  const started = events.filter(({ type, data }) => type === "job.started" && data.kind === "encode");
  const lengths = started.map(({ data }) => data.last - data.first + 1);
  const usual = median(lengths);
  const equal = lengths.filter((length) => length === usual).length;
  if (equal < EQUAL_CHUNKS_LEAST) throw new Error(`chunks of ${lengths.join(", ")} segments`);
  const last = events.find(({ type, data }) => type === "video.progress" && data.progress.percent === 100);
  return (Date.parse(last.created_at) - Date.parse(started[0].created_at)) / 1000;
}

const folder = await temporary(null, "bench");
const film = await clip(folder, "film.mp4", { seconds: SECONDS, size: "426x240", fps: "25", gop: 50 });
const servers = companion("servers");
const taken = { one: [], two: [] };
const cpu = { one: [], two: [] };
const SERVERS = ["PostgreSQL", "Redis", "S3", "origin"];

// Listens to what becomes of the only film of an origin, and calls `used` at both ends of its chunks.
async function follow(origin, used) {
  const seen = { subscribed: false, state: null, before: null, after: null };
  const socket = await connect(`${origin.url}/v1/ws`, ({ op, data }) => {
    if (op === "subscribed") seen.subscribed = true;
    if (op !== "event") return;
    seen.state = data.state;
    if (data.state === "processing") seen.before ??= used();
    if (data.progress.percent === 100) seen.after ??= used();
  });
  socket.say({ op: "subscribe", topics: ["videos"] });
  await until("subscription", HEARD_MS, () => seen.subscribed);
  return { seen, close: () => socket.close() };
}

async function measure(cores, key, turn) {
  const place = await meeting(servers);
  const name = (what) => join(folder, `${key}-${turn}-${what}`);
  const origin = await start("origin", name("origin"), place.flags, place.env);
  const workers = [];
  let followed;
  try {
    for (const core of cores) workers.push(await packager(name(`packager-${core}`), [...place.flags, ...SMALL], place.env, core));
    const [postgres, redis] = [await keeperOf(servers.pid, "postgres"), await keeperOf(servers.pid, "redis-server")];
    const used = async () => ({
      PostgreSQL: await cpuOfTree(postgres), Redis: await cpuOfTree(redis), S3: await cpuOf([servers.pid]), origin: await cpuOf([origin.child.pid]),
    });
    followed = await follow(origin, used);
    const { seen } = followed;
    const { id } = await origin.upload(film, key);
    await until("end of the film", READY_MS, () => ["ready", "failed"].includes(seen.state));
    if (seen.state === "failed") throw new Error(`the film failed: ${workers.map((worker) => worker.log()).join("\n")}`);
    const [before, after] = [await seen.before, await seen.after];
    taken[key].push(await chunked(origin, id));
    cpu[key].push(Object.fromEntries(SERVERS.map((who) => [who, after[who] - before[who]])));
  } finally {
    followed?.close();
    await Promise.all([origin, ...workers].map((one) => one.stop()));
  }
}

try {
  for (let turn = 0; turn < RUNS; turn += 1) {
    await measure(CORES.slice(0, 1), "one", turn);
    await measure(CORES, "two", turn);
  }
} finally {
  await servers.stop();
}
const [one, two] = [median(taken.one), median(taken.two)];
figure("workers", { name: `a film of ${SECONDS} s by one packager on a core`, unit: "s", ours: one });
figure("workers", { name: "by two packagers on a core each", unit: "s", ours: two });
figure("workers", { name: "so much faster by two", unit: "×", ours: one / two, least: SPEED_UP_LEAST });
for (const who of SERVERS) {
  for (const key of ["one", "two"]) {
    figure("workers", { name: `CPU of ${who} meanwhile, by ${key}`, unit: "s", ours: median(cpu[key].map((used) => used[who])) });
  }
}
process.exit(verdict());
