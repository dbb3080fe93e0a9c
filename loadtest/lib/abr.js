// Which variant a viewer takes next, by what its line gave so far: the rule of hls.js, with its defaults.

const FAST_HALF_LIFE_S = 3;
const SLOW_HALF_LIFE_S = 9;
// Before anything was measured.
const FIRST_GUESS_BPS = 500_000;
// A shorter transfer says more about latency than about the line.
const TRANSFER_MS_MIN = 50;
// A variant is kept while it takes this share of the line, and a higher one is taken when it takes no more than that.
const KEEP_SHARE = 0.95;
const UP_SHARE = 0.7;

// The lower of a quick and a slow average, both by time of transfer.
export class Throughput {
  #fast = average(FAST_HALF_LIFE_S);
  #slow = average(SLOW_HALF_LIFE_S);

  add(bytes, ms) {
    const seconds = Math.max(ms, TRANSFER_MS_MIN) / 1000;
    const bps = (bytes * 8) / seconds;
    this.#fast.add(seconds, bps);
    this.#slow.add(seconds, bps);
  }

  get bps() { return Math.min(this.#fast.value() ?? FIRST_GUESS_BPS, this.#slow.value() ?? FIRST_GUESS_BPS); }
}

// The index of the variant to take; `current` is -1 at the start. Variants are sorted by bandwidth.
export function choose(variants, bps, current) {
  const fits = ({ bandwidth_bps }, index) => bandwidth_bps <= bps * (index > current ? UP_SHARE : KEEP_SHARE);
  return Math.max(0, variants.findLastIndex(fits));
}

function average(halfLife_s) {
  const alpha = Math.exp(Math.log(0.5) / halfLife_s);
  let [sum, weight] = [0, 0];
  return {
    add(seconds, value) {
      const kept = alpha ** seconds;
      sum = value * (1 - kept) + sum * kept;
      weight += seconds;
    },
    // The beginning counts no more than the rest.
    value: () => (weight === 0 ? null : sum / (1 - alpha ** weight)),
  };
}
