// A figure of the bench beside its bound: printed, and kept for the report.
import { appendFileSync } from "node:fs";

const DIGITS = { s: 2, "µs": 1, MB: 0 };
let missed = false;

export const shown = (value, unit) => `${value.toFixed(DIGITS[unit])} ${unit}`;

// Takes what was measured of us and, with `theirs` and `rival`, of another program; then the bound is on the ratio.
export function figure(part, { name, unit, ours, theirs, rival, bound }) {
  const ratio = theirs === undefined ? undefined : ours / theirs;
  const miss = bound !== undefined && (ratio ?? ours) > bound;
  missed ||= miss;
  const verdict = bound === undefined ? "for information" : miss ? "MISSED" : "met";
  const against = ratio === undefined ? "" : `, ${rival} ${shown(theirs, unit)}, ratio ${ratio.toFixed(3)}`;
  const limit = bound === undefined ? "" : `, bound ${ratio === undefined ? shown(bound, unit) : bound.toFixed(2)}`;
  console.log(`${part}: ${name}: ${shown(ours, unit)}${against}${limit}: ${verdict}`);
  if (process.env.BENCH_FIGURES) {
    appendFileSync(process.env.BENCH_FIGURES, `${JSON.stringify({ part, name, unit, ours, theirs, rival, ratio, bound, verdict })}\n`);
  }
}

// What a part ends with: 1 when a bound was missed.
export const verdict = () => (missed ? 1 : 0);
