// A figure of the bench beside its bound: printed, and kept for the report, which has a row for each.
import { appendFileSync } from "node:fs";

const DIGITS = { s: 2, ms: 1, "µs": 1, "×": 2 };
let [missed, running] = [false, null];

// JSON has no NaN, of which null is left.
export const shown = (value, unit) => `${(value ?? Number.NaN).toFixed(DIGITS[unit] ?? 0)} ${unit}`;
export const row = (cells) => `| ${cells.join(" | ")} |`;

function keep(line) {
  if (process.env.BENCH_FIGURES) appendFileSync(process.env.BENCH_FIGURES, `${JSON.stringify(line)}\n`);
}

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
  running = part;
  const verdict = bound === undefined && least === undefined ? "for information" : miss ? "MISSED" : "met";
  const kept = { part, name, unit, ours, theirs, rival, ratio, bound, least, verdict };
  const against = ratio === undefined ? "" : `, ${rival} ${shown(theirs, unit)}, ratio ${ratio.toFixed(3)}`;
  const bounded = verdict === "for information" ? "" : `, bound ${limit(kept)}`;
  console.log(`${part}: ${name}: ${shown(ours, unit)}${against}${bounded}: ${verdict}`);
  keep(kept);
}

// What a part ends with when nothing of it was wrong: 1 when a bound was missed.
export function verdict() {
  keep({ part: running, ended: true });
  return missed ? 1 : 0;
}

// The rows of what was kept, and one for each of the parts that did not come to a verdict.
export function table(lines, parts) {
  const figures = lines.filter(({ ended }) => !ended).map((kept) => {
    const { part, name, unit, ours, theirs, rival, ratio, verdict: judged } = kept;
    const against = theirs === undefined ? "" : `${rival} ${shown(theirs, unit)}`;
    return row([part, name, shown(ours, unit), against, ratio?.toFixed(3) ?? "", limit(kept), judged]);
  });
  const ended = new Set(lines.filter((line) => line.ended).map(({ part }) => part));
  const others = parts.filter((part) => !ended.has(part)).map((part) => row([part, "did not end, or was wrong", "", "", "", "", "FAILED"]));
  return [...figures, ...others];
}
