// A figure of the bench beside its bound: printed, and kept for the report.
import { appendFileSync } from "node:fs";

const DIGITS = { s: 2, ms: 1, "µs": 1, "×": 2 };
let missed = false;

export const shown = (value, unit) => `${value.toFixed(DIGITS[unit] ?? 0)} ${unit}`;

// A bound with its direction: on the ratio, if there is one.
export const limit = ({ unit, ratio, bound, least }) => {
  const value = bound ?? least;
  return value === undefined ? "" : `${bound === undefined ? "≥" : "≤"} ${ratio === undefined ? shown(value, unit) : value.toFixed(2)}`;
};

// Takes what was measured of us and, with `theirs` and `rival`, of another program; then the bound is on the ratio.
// `bound` is the most that it may be, `least` the least that it must be.
export function figure(part, { name, unit, ours, theirs, rival, bound, least }) {
  const ratio = theirs === undefined ? undefined : ours / theirs;
  const value = ratio ?? ours;
  const miss = !(value <= (bound ?? Infinity) && value >= (least ?? -Infinity));
  missed ||= miss;
  const verdict = bound === undefined && least === undefined ? "for information" : miss ? "MISSED" : "met";
  const kept = { part, name, unit, ours, theirs, rival, ratio, bound, least, verdict };
  const against = ratio === undefined ? "" : `, ${rival} ${shown(theirs, unit)}, ratio ${ratio.toFixed(3)}`;
  const bounded = verdict === "for information" ? "" : `, bound ${limit(kept)}`;
  console.log(`${part}: ${name}: ${shown(ours, unit)}${against}${bounded}: ${verdict}`);
  if (process.env.BENCH_FIGURES) appendFileSync(process.env.BENCH_FIGURES, `${JSON.stringify(kept)}\n`);
}

// What a part ends with: 1 when a bound was missed.
export const verdict = () => (missed ? 1 : 0);
