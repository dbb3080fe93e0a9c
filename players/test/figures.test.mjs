// Verdicts of the bench: at a bound it is met, beyond it missed, whichever way it points.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { figure, limit, verdict } from "../lib/figures.mjs";
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
  const written = (await readFile(kept, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(written.map((row) => row.verdict), rows.map(([, wanted]) => wanted));
  assert.deepEqual(written.map(limit), rows.map(([, , shown]) => shown));
});
