// Verdicts of the bench: at a bound it is met, beyond it missed, whichever way it points.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { figure, limit, table, verdict } from "../lib/figures.mjs";
import { temporary } from "../lib/vidstream.mjs";

test("a figure is met up to its bound, and one that is missed is remembered", async (t) => {
  const kept = join(await temporary(t, "figures"), "figures");
  process.env.BENCH_FIGURES = kept;
  const rows = [
    [{ ours: 7 }, "for information", ""],
    [{ ours: 2, bound: 2 }, "met", "≤ 2.00 s"],
    [{ ours: 0, bound: 0 }, "met", "≤ 0.00 s"],
    [{ ours: 5, least: 5 }, "met", "≥ 5.00 s"],
    [{ ours: 3, theirs: 4, rival: "other", bound: 0.75 }, "met", "≤ 0.75"],
    [{ ours: 4.99, least: 5 }, "MISSED", "≥ 5.00 s"],
    [{ ours: 2.01, bound: 2 }, "MISSED", "≤ 2.00 s"],
    [{ ours: 1, theirs: 1, rival: "other", bound: 0.99 }, "MISSED", "≤ 0.99"],
    [{ ours: Number.NaN, bound: 2 }, "MISSED", "≤ 2.00 s"],
  ];
  const ends = rows.map(([measured]) => {
    figure("part", { name: "row", unit: "s", ...measured });
    return verdict();
  });
  assert.deepEqual(ends, [0, 0, 0, 0, 0, 1, 1, 1, 1]);
  const lines = (await readFile(kept, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  const written = lines.filter(({ ended }) => !ended);
  assert.deepEqual(written.map((row) => row.verdict), rows.map(([, wanted]) => wanted));
  assert.deepEqual(written.map(limit), rows.map(([, , shown]) => shown));
  assert.equal(table(lines, ["part"]).length, rows.length);
});

test("the report has a row for each figure, and for each part that did not end", () => {
  const lines = [
    { part: "whole", name: "one", unit: "s", ours: 1, theirs: 2, rival: "other", ratio: 0.5, bound: 1, verdict: "met" },
    { part: "whole", ended: true },
    { part: "half", name: "two", unit: "claims/s", ours: null, least: 500, verdict: "MISSED" },
  ];
  assert.deepEqual(table(lines, ["whole", "half", "none"]), [
    "| whole | one | 1.00 s | other 2.00 s | 0.500 | ≤ 1.00 | met |",
    "| half | two | NaN claims/s |  |  | ≥ 500 claims/s | MISSED |",
    "| half | did not end, or was wrong |  |  |  |  | FAILED |",
    "| none | did not end, or was wrong |  |  |  |  | FAILED |",
  ]);
});
