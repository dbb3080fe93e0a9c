// Soak: viewers come and go for as long as one likes (LOAD_SECONDS=86400), most watch, some seek, some scrub.
import { random } from "../lib/random.js";
import { scenario } from "../lib/scenario.js";
import { Scrubber } from "../lib/scrubber.js";
import { Viewer } from "../lib/viewer.js";

// How long a visit lasts, at least and at most.
const VISIT_S = [5, 60];
// Of the visits, how many have seeks, and how many begin with scrubbing.
const SEEKING_SHARE = 0.3;
const SCRUBBING_SHARE = 0.2;
const SWEEP_S = 1;
const FORWARD = { speed: 8, ms: 2000 };

const soak = scenario({
  name: "soak",
  what: (viewers, seconds) => `${viewers} viewers at a time come and go, for ${seconds} s`,
  viewers: 10,
  seconds: 30,
  arrive_s: 2,
  returns: true,
  session({ url, number, until_ms }) {
    const next = random(number);
    const leave_ms = Math.min(until_ms, Date.now() + (VISIT_S[0] + next() ** 2 * (VISIT_S[1] - VISIT_S[0])) * 1000);
    if (next() < SCRUBBING_SHARE) {
      const scrubber = new Scrubber(url);
      scrubber.sweep(next(), next(), SWEEP_S);
      scrubber.fastForward(next() / 2, FORWARD.speed, 0, Math.min(leave_ms, Date.now() + FORWARD.ms));
    }
    const viewer = new Viewer(url, number, next());
    if (next() < SEEKING_SHARE) {
      viewer.play(Math.min(leave_ms, Date.now() + next() * VISIT_S[0] * 1000));
      viewer.seek(next());
    }
    viewer.play(leave_ms);
    viewer.close();
  },
});

export const { options, setup, teardown, handleSummary } = soak;
export default soak.run;
