// Trick play: viewers look for a place, with previews over the seek bar and with fast forward.
import { random } from "../lib/random.js";
import { scenario } from "../lib/scenario.js";
import { Scrubber } from "../lib/scrubber.js";

const SWEEP_S = 2;
const FORWARD_MS = 3000;
// High speeds take the small pictures of the trick track, low ones parts of the normal segments.
const FORWARD = [{ speed: 16, variant: 0 }, { speed: 4, variant: -1 }];

const trick = scenario({
  name: "trick",
  what: (viewers, seconds) => `${viewers} viewers scrub and wind forward, for ${seconds} s`,
  viewers: 20,
  seconds: 15,
  arrive_s: 1,
  session({ url, number, until_ms }) {
    const next = random(number);
    const scrubber = new Scrubber(url);
    for (let turn = number; Date.now() < until_ms; turn += 1) {
      scrubber.sweep(next(), next(), SWEEP_S);
      const { speed, variant } = FORWARD[turn % FORWARD.length];
      scrubber.fastForward(next() / 2, speed, variant, Math.min(until_ms, Date.now() + FORWARD_MS));
    }
  },
});

export const { options, setup, teardown, handleSummary } = trick;
export default trick.run;
