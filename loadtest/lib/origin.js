// Counters of the origins, from their admin listeners: what a scenario cost behind the answers.
import { fail } from "k6";
import http from "k6/http";
import { Counter } from "k6/metrics";
import { admins } from "./settings.js";

// What is shown, by the names of `/metrics`.
const SHOWN = ["requests", "response_bytes", "cache_hits", "cache_misses", "store_reads", "store_failures", "segment_waits"];
const counters = Object.fromEntries(SHOWN.map((name) => [name, new Counter(`origin_${name}`)]));

// The sums over all origins and labels so far; null when no admin listener is named.
export function read() {
  if (admins.length === 0) return null;
  const sums = Object.fromEntries(SHOWN.map((name) => [name, 0]));
  for (const admin of admins) {
    const response = http.get(`${admin}/metrics`, { tags: { kind: "admin", name: "admin" }, responseType: "text" });
    if (response.status !== 200) fail(`${admin}/metrics: ${response.status} ${response.error}`);
    for (const [, name, value] of response.body.matchAll(/^vidstream_([a-z_]+)_total(?:\{[^}]*\})? (\S+)$/gm)) {
      if (name in sums) sums[name] += Number(value);
    }
  }
  return sums;
}

// Counts what was added since `before`, and gives it.
export function count(before) {
  const after = read();
  const added = Object.fromEntries(SHOWN.map((name) => [name, after[name] - before[name]]));
  for (const name of SHOWN) counters[name].add(added[name]);
  return added;
}
