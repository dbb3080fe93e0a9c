// What a viewer does with time and bytes: the buffer, the choice of a variant, the line, the dice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Throughput, choose } from "../lib/abr.js";
import { areFragments } from "../lib/boxes.js";
import { carries } from "../lib/line.js";
import { Playback } from "../lib/playback.js";
import { random } from "../lib/random.js";

const VARIANTS = [400, 1200, 2500].map((kbps) => ({ bandwidth_bps: kbps * 1000 }));

test("a viewer waits for the first segment, plays it at play speed and stalls at its end", () => {
  const playback = new Playback(60, 0, 1000);
  assert.deepEqual(playback.append(2, 1300), { reason: "start", ms: 300 });
  assert.equal(playback.append(6, 1400), null);
  playback.advance(2300);
  assert.deepEqual([playback.position_s, playback.level_s], [1, 5]);
  // Nothing comes any more: the buffer ends 6 s of film after the start, long before anybody looks.
  playback.advance(9000);
  assert.deepEqual([playback.position_s, playback.level_s], [6, 0]);
  assert.deepEqual(playback.append(10, 9300), { reason: "stall", ms: 2000 });
  playback.advance(11300);
  assert.equal(playback.position_s, 8);
  assert.equal(playback.played_s, 8);
  assert.equal(playback.stalledShare, 0.2);
});

test("a seek forgets the buffer, and a stall that is under way ends with the session", () => {
  const playback = new Playback(60, 0, 0);
  playback.append(4, 0);
  playback.seek(30, 1000);
  assert.deepEqual([playback.position_s, playback.level_s], [30, 0]);
  playback.advance(5000);
  assert.equal(playback.position_s, 30, "nothing plays before it is there");
  assert.deepEqual(playback.append(32, 5000), { reason: "seek", ms: 4000 });
  assert.deepEqual(playback.close(9000), { reason: "stall", ms: 2000 });
  assert.equal(playback.stalledShare, 0.4);
});

test("the end of the film is no stall, also where a track ends a little earlier", () => {
  const playback = new Playback(10, 8, 0);
  playback.append(9.98, 0);
  playback.advance(60_000);
  assert.ok(playback.ended);
  assert.equal(playback.close(60_000), null);
  assert.equal(playback.played_s, 2);
});

test("a variant is kept on a line that a higher one would need more of, and left when the line gets worse", () => {
  const rows = [
    // bits per second, current variant, chosen
    [300_000, -1, 0], [500_000, -1, 0], [600_000, -1, 0], [2_000_000, -1, 1], [9_000_000, -1, 2],
    [3_000_000, 1, 1], [3_000_000, 2, 2], [2_600_000, 2, 1], [1_500_000, 2, 1], [1_000_000, 2, 0], [100_000, 0, 0],
  ];
  for (const [bps, current, chosen] of rows) assert.equal(choose(VARIANTS, bps, current), chosen, `${bps} at ${current}`);
});

test("the estimate follows a line down quickly and up slowly", () => {
  const throughput = new Throughput();
  assert.equal(throughput.bps, 500_000, "a guess before anything is known");
  const transfer = (bps, seconds) => throughput.add((bps * seconds) / 8, seconds * 1000);
  transfer(8e6, 2);
  assert.ok(Math.abs(throughput.bps - 8e6) < 1);
  transfer(1e6, 3);
  const down = throughput.bps;
  assert.ok(down < 4e6, `${down}`);
  transfer(8e6, 3);
  assert.ok(throughput.bps < 6.5e6 && throughput.bps > down, `${throughput.bps}`);
});

test("lines differ, get worse and better, and always carry the lowest variant", () => {
  const at = (number) => [0, 4, 8].map((at_s) => carries(VARIANTS, number, at_s));
  assert.deepEqual(at(0), [20e6, 8e6, 20e6]);
  assert.deepEqual(at(1), [1.75e6, 800_000, 1.75e6], "a shared line still has room for the lowest variant twice");
  assert.deepEqual(at(4), at(0), "viewers take the lines in turn");
});

test("viewers differ and runs do not", () => {
  const draw = (seed) => { const next = random(seed); return Array.from({ length: 1000 }, next); };
  assert.deepEqual(draw(3), draw(3));
  assert.notDeepEqual(draw(3), draw(4));
  const mean = draw(0).reduce((sum, value) => sum + value, 0) / 1000;
  assert.ok(Math.abs(mean - 0.5) < 0.03, `${mean}`);
  assert.ok(draw(1).every((value) => value >= 0 && value < 1));
});

test("fragments are whole or they are none", () => {
  const box = (type, bytes) => [0, 0, 0, 8 + bytes, ...Buffer.from(type), ...new Array(bytes).fill(0)];
  const fragment = [...box("moof", 20), ...box("mdat", 30)];
  const rows = [
    [[...fragment, ...fragment], true], [[...box("styp", 4), ...fragment], true],
    [fragment.slice(0, -1), false], [[...fragment, 0], false], [box("mdat", 3), false], [box("moof", 3), false],
    [[], false], [[0, 0, 0, 0, ...Buffer.from("moof")], false],
  ];
  for (const [bytes, whole] of rows) assert.equal(areFragments(new Uint8Array(bytes).buffer), whole, `${bytes.length} bytes`);
});
