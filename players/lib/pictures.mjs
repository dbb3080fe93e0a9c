// What a player showed, judged by the counters of its pictures.
import assert from "node:assert/strict";

// Timestamps are whole microseconds: a thousandth of a frame early is not the frame before.
const EARLY_FRAMES = 1e-3;

// The frame that a film shows at a time.
export const frameAt = (time, fps) => Math.floor(time * fps + EARLY_FRAMES);

export function right({ time, counter }, fps, note) {
  assert.equal(counter, frameAt(time, fps), `${note}: at ${time} s the picture is ${counter}`);
}

// Each picture is right, none comes after a later one, and from one time to another (seconds) none is missing for longer than
// `skip_s`: how much a busy machine may leave out.
export function unbroken(frames, { fps, from_s, until_s, skip_s }, note) {
  for (const frame of frames) right(frame, fps, note);
  const counters = frames.map(({ counter }) => counter);
  const shown = `${note}: the pictures were ${counters.join(" ")}`;
  const steps = counters.slice(1).map((counter, n) => counter - counters[n]);
  assert.ok(steps.every((step) => step >= 0 && step <= skip_s * fps), shown);
  assert.ok(counters[0] >= from_s * fps && counters[0] <= (from_s + skip_s) * fps, shown);
  assert.ok(counters.at(-1) >= (until_s - skip_s) * fps, shown);
}
