// The built page is whole and asks no outside host for anything.
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { clock } from "../src/clock.js";

const dist = new URL("../dist/", import.meta.url);

test("times read as people write them", () => {
  const cases = [[0, "0:00"], [59.99, "0:59"], [61, "1:01"], [3600, "1:00:00"], [-1, "0:00"], [5 * 3600 + 62, "5:01:02"]];
  for (const [seconds, text] of cases) assert.equal(clock(seconds), text);
});

test("every asset that the page names is built", async () => {
  const built = await readdir(dist);
  for (const file of built.filter((name) => /^(?!hls).*\.(html|js|css)$/.test(name))) {
    const text = await readFile(new URL(file, dist), "utf8");
    for (const [, asset] of text.matchAll(/\/assets\/([\w.-]+)/g)) assert.ok(built.includes(asset), `${file} names ${asset}`);
    assert.doesNotMatch(text, /https?:\/\/(?!x\b)/, `${file} names an outside host`);
  }
});
