// A catalog of 100,000 videos: the first page of the list over HTTP, asked for again and again and by one who comes after
// a while; and 1,000 chunks claimed by 16 workers, each of them by one alone, with and without waits for the disk.
import { Agent, get } from "node:http";
import { join } from "node:path";
import { companion } from "../lib/companion.mjs";
import { figure, verdict } from "../lib/figures.mjs";
import { median } from "../lib/measure.mjs";
import { runs, start, temporary } from "../lib/vidstream.mjs";

const PAGE = 50;
const LIST_BOUND_MS = 5;
const CLAIMS_LEAST = 500;
const WARM = 20;
const AGAIN = runs(500);
const LATER = runs(15);
// An origin reads again what it has not been asked for within a second.
const LATER_MS = 1200;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

// Milliseconds from the question to the last byte of the page.
function list(url) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    get(`${url}/v1/videos?limit=${PAGE}`, { agent }, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("end", () => {
        const took = performance.now() - began;
        const { data } = JSON.parse(Buffer.concat(pieces));
        const whole = data.length === PAGE && data.some(({ urls }) => urls.poster);
        if (whole) resolve(took); else reject(new Error(`${url}: no page of ${PAGE} videos`));
      });
    }).on("error", reject);
  });
}

async function lists(url, count, rest_ms) {
  const taken = [];
  for (let turn = 0; turn < count; turn += 1) {
    if (rest_ms) await new Promise((resolve) => setTimeout(resolve, rest_ms));
    taken.push(await list(url));
  }
  return median(taken);
}

const folder = await temporary(null, "bench");
const many = companion("many");
try {
  const told = await many.answer();
  for (const [key, name] of [["sqlite", "SQLite"], ["postgres", "PostgreSQL"]]) {
    const origin = await start("origin", join(folder, key), ["--set", `catalog.url=${told[key].url}`], { RUST_LOG: "warn" });
    try {
      await lists(origin.url, WARM);
      const label = `first page of 100,000 videos, ${name}`;
      figure("catalog", { name: label, unit: "ms", ours: await lists(origin.url, AGAIN), bound: LIST_BOUND_MS });
      figure("catalog", { name: `${label}, after a while`, unit: "ms", ours: await lists(origin.url, LATER, LATER_MS), bound: LIST_BOUND_MS });
    } finally {
      await origin.stop();
    }
  }
  const claims = (name, ours, least) => figure("catalog", { name: `claims of 16 workers, ${name}`, unit: "claims/s", ours, least });
  claims("PostgreSQL with fsync off", told.postgres.claims_per_s, CLAIMS_LEAST);
  claims("PostgreSQL with fsync on, as anyone runs it", told.durable.claims_per_s, CLAIMS_LEAST);
  claims("SQLite, in one process", told.sqlite.claims_per_s);
} finally {
  await many.stop();
  agent.destroy();
}
process.exit(verdict());
