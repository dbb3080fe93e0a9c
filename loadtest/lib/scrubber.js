// A viewer who looks for a place: previews while the pointer moves over the seek bar, then fast forward.
import { sleep } from "k6";
import { all, text } from "./fetch.js";
import { trickMs } from "./metrics.js";
import { media, multivariant, segmentAt } from "./playlist.js";

// A pointer tells its place so often while it moves.
const MOVE_S = 0.05;
// Fast forward shows at most so many pictures a second.
const PICTURES_PER_S_MAX = 8;

export class Scrubber {
  #sheets;
  #title;
  #kept = new Set();

  constructor(url) {
    this.#title = multivariant(text(url), url);
    const { images, iframes } = this.#title;
    if (images.length === 0 || iframes.length === 0) throw new Error(`${url} has no image playlist or no I-frame playlist`);
    this.#sheets = media(text(images[0].url), images[0].url);
  }

  // The pointer goes from one place to another, both shares of the film, in `seconds`.
  sweep(from, to, seconds) {
    const moves = Math.max(1, Math.round(seconds / MOVE_S));
    for (let move = 0; move <= moves; move += 1) {
      const at_s = (from + ((to - from) * move) / moves) * this.#sheets.duration_s;
      const sheet = this.#sheets.segments[segmentAt(this.#sheets.segments, at_s)];
      this.#show({ kind: "sheet", ...sheet });
      sleep(MOVE_S);
    }
  }

  // Fast forward from `from`, a share of the film, at `speed` until `until_ms`. `variant` is an index into the I-frame
  // variants by rising height: the first is what players take for high speeds, others are parts of normal segments.
  fastForward(from, speed, variant, until_ms) {
    const { url } = this.#title.iframes.at(variant);
    const pictures = media(text(url), url);
    if (pictures.init) this.#show({ kind: "init", ...pictures.init });
    const step_s = Math.max(1 / PICTURES_PER_S_MAX, pictures.segments[0].duration_s / speed);
    const began_ms = Date.now();
    for (let now_ms = began_ms; now_ms < until_ms; now_ms = Date.now()) {
      const at_s = from * pictures.duration_s + ((now_ms - began_ms) / 1000) * speed;
      if (at_s >= pictures.duration_s) return;
      this.#show({ kind: "iframe", ...pictures.segments[segmentAt(pictures.segments, at_s)] });
      const left_s = step_s - (Date.now() - now_ms) / 1000;
      if (left_s > 0) sleep(left_s);
    }
  }

  // What was fetched once lies in the browser's cache.
  #show(wanted) {
    const key = `${wanted.url} ${wanted.range?.first}`;
    if (this.#kept.has(key)) return;
    const began_ms = Date.now();
    all([wanted]);
    this.#kept.add(key);
    if (wanted.kind !== "init") trickMs.add(Date.now() - began_ms, { kind: wanted.kind });
  }
}
