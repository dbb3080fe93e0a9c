// The questions of the dashboard, and what a Prometheus answers to them.
import { readFile } from "node:fs/promises";
import { ask } from "./servers.mjs";

// From one question of Prometheus to an origin or a packager to the next, as prometheus.yml has it.
export const SCRAPE_S = 5;
// Grafana's $__rate_interval is four times that, where a graph shows no more time than fits.
const RATE_S = 4 * SCRAPE_S;
const file = new URL("../grafana/dashboards/vidstream.json", import.meta.url);

export const panels = async () => JSON.parse(await readFile(file, "utf8")).panels;

// The expressions of all panels.
export const queries = async () => (await panels()).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

// The series of an expression that had a number since then, asked for as Grafana does; an error is what Prometheus has against it.
export async function series(prometheus, query, since_ms) {
  const range = { query: query.replaceAll("$__rate_interval", `${RATE_S}s`), start: since_ms / 1000, end: Date.now() / 1000, step: SCRAPE_S };
  const answer = await (await ask(`${prometheus}/api/v1/query_range?${new URLSearchParams(range)}`)).json();
  if (answer.status !== "success") throw new Error(`${query}: ${answer.error}`);
  return answer.data.result.filter(({ values }) => values.some(([, value]) => value !== "NaN"));
}
