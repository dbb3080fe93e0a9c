// The summary is for people, every bound is shown in it, and every script is one that k6 can read.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { report } from "../lib/summary.js";
import { bounds } from "../thresholds.js";

const root = new URL("../", import.meta.url);
const run = promisify(execFile);

async function scripts(folder) {
  const names = await readdir(new URL(folder, root));
  return names.filter((name) => name.endsWith(".js")).map((name) => new URL(folder + name, root).pathname);
}

// What k6 gives to handleSummary.
function data(broken) {
  const time = { "med": 12.34, "p(95)": 480, "p(99)": 999.6, "max": 1234, "count": 20 };
  return {
    state: { testRunDurationMs: 20_400 },
    root_group: { checks: [{ name: "segment: answered 200", passes: 99, fails: broken ? 1 : 0 }, { name: "playlist: is one", passes: 9, fails: 0 }] },
    metrics: {
      startup_ms: { type: "trend", contains: "time", values: time, thresholds: { "p(95)<1000": { ok: true } } },
      seek_ms: { type: "trend", contains: "time", values: { "med": 0, "p(95)": 0, "p(99)": 0, "max": 0, "count": 0 } },
      stalled_percent: { type: "trend", contains: "default", values: { "med": 0, "p(95)": 0.25, "p(99)": 1, "max": 12, "count": 20 } },
      media_bytes: { type: "counter", contains: "default", values: { count: 123_456_789, rate: 1 } },
      sessions: { type: "counter", contains: "default", values: { count: 20, rate: 1 }, thresholds: { "count>0": { ok: true } } },
      sessions_whole: { type: "rate", contains: "default", values: { rate: 1, passes: 20, fails: 0 } },
      checks: { type: "rate", contains: "default", values: { rate: 1, passes: 108, fails: 0 }, thresholds: { "rate==1": { ok: !broken } } },
    },
  };
}

test("a run that passes says what viewers saw", () => {
  const lines = report("steady: 20 viewers", data(false)).split("\n");
  assert.deepEqual(lines, [
    "steady: 20 viewers", "",
    "viewers                           median       p95       p99       max",
    "  to the first picture             12 ms    480 ms   1000 ms    1.23 s  p(95)<1000 ok",
    "  stood still                      0.0 %     0.3 %     1.0 %      12 %",
    "  sessions                            20                                count>0 ok",
    "  sessions that ended well            20     of 20", "",
    "requests                          median       p95       p99       max",
    "  checks of answers                  108    of 108                      rate==1 ok",
    "  media                         123.5 MB", "",
    "passed in 20 s", "", "",
  ]);
});

test("a run that fails says which bound, and which answers", () => {
  const text = report("steady: 20 viewers", data(true));
  assert.match(text, /checks that failed\n {2}segment: answered 200: 1 of 100\n/);
  assert.match(text, /FAILED in 20 s: checks: not rate==1\n/);
});

test("a run that nobody came to has not passed", () => {
  const { state, root_group } = data(false);
  const sessions = { type: "counter", contains: "default", values: { count: 0, rate: 0 }, thresholds: { "count>0": { ok: false } } };
  assert.match(report("steady", { state, root_group, metrics: {} }), /FAILED in 20 s: nobody came\n/);
  assert.match(report("steady", { state, root_group, metrics: { sessions } }), /FAILED in 20 s: sessions: not count>0\n/);
});

test("every scenario has bounds, and every bound is on something that the summary shows", async () => {
  const shown = await readFile(new URL("lib/summary.js", root), "utf8");
  for (const path of await scripts("scenarios/")) {
    const name = /([a-z]+)\.js$/.exec(path)[1];
    const names = Object.keys(bounds(name) ?? {});
    assert.ok(names.length > 0, `${name} has no bounds`);
    for (const metric of names) assert.ok(shown.includes(`"${metric}"`), `${name}: ${metric} is not shown`);
  }
});

test("every script is read without an error", async () => {
  const all = (await Promise.all(["", "lib/", "scenarios/"].map(scripts))).flat();
  assert.ok(all.length > 15, `${all.length} scripts`);
  await Promise.all(all.map((path) => run(process.execPath, ["--check", path])));
});
