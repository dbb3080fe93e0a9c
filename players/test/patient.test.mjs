// The settings that README.md gives for players of a video in the making are those that the tests and our page use.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { DASH_PATIENT, HLS_PATIENT, SHAKA_PATIENT } from "../lib/patient.mjs";

test("README.md has the settings of all three players", async () => {
  const text = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  assert.equal(blocks.length, 1, "one block of settings");
  const said = [];
  const note = (player) => (settings) => { said.push([player, settings]); };
  const Hls = function (settings) { note("hls.js")(settings); };
  runInNewContext(blocks[0], { Hls, player: { configure: note("Shaka"), updateSettings: note("dash.js") } });
  // Objects of another context are never strictly equal to ours.
  assert.deepEqual(JSON.parse(JSON.stringify(said)), [["hls.js", HLS_PATIENT], ["Shaka", SHAKA_PATIENT], ["dash.js", DASH_PATIENT]]);
});
