// Steady: viewers come one after another, each somewhere in the film, and watch to the end of the scenario.
import { random } from "../lib/random.js";
import { scenario } from "../lib/scenario.js";
import { Viewer } from "../lib/viewer.js";

const steady = scenario({
  name: "steady",
  what: (viewers, seconds) => `${viewers} viewers watch for ${seconds} s`,
  viewers: 20,
  seconds: 20,
  arrive_s: 4,
  session({ url, number, until_ms }) {
    const viewer = new Viewer(url, number, random(number)());
    viewer.play(until_ms);
    // Who has seen the end begins again.
    while (Date.now() < until_ms) {
      viewer.seek(0);
      viewer.play(until_ms);
    }
    viewer.close();
  },
});

export const { options, setup, teardown, handleSummary } = steady;
export default steady.run;
