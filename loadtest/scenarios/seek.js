// Seek storm: viewers go from place to place, and hardly look at any.
import { random } from "../lib/random.js";
import { scenario } from "../lib/scenario.js";
import { Viewer } from "../lib/viewer.js";

// How long a viewer looks before going on, at least and at most.
const LOOK_MS = [500, 2500];

const seek = scenario({
  name: "seek",
  what: (viewers, seconds) => `${viewers} viewers seek all over the film, for ${seconds} s`,
  viewers: 20,
  seconds: 15,
  arrive_s: 1,
  session({ url, number, until_ms }) {
    const next = random(number);
    const viewer = new Viewer(url, number);
    while (Date.now() < until_ms) {
      viewer.seek(next());
      viewer.play(Math.min(until_ms, Date.now() + LOOK_MS[0] + next() * (LOOK_MS[1] - LOOK_MS[0])));
    }
    viewer.close();
  },
});

export const { options, setup, teardown, handleSummary } = seek;
export default seek.run;
