// The last mile: loopback and data centres are faster than viewers' lines, and a viewer who gets everything at once
// never switches. Each viewer has a line of its own, which is shared with others for some of the time.

// Of the highest variant's bandwidth, how much the lines carry: viewers take them in turn.
const SHARES = [8, 0.7, 2.5, 1.4];
// While others use it, this much is left, for every second period of so many seconds.
const LEFT_SHARE = 0.4;
const PERIOD_S = 4;
// No line is worse than this many times the lowest variant, so that there is always one that it carries.
const LOWEST_TIMES = 2;

// What the line of viewer `number` carries `at_s` seconds into the session, in bits per second.
export function carries(variants, number, at_s) {
  const lowest_bps = variants[0].bandwidth_bps * LOWEST_TIMES;
  const whole_bps = variants.at(-1).bandwidth_bps * SHARES[number % SHARES.length];
  const isShared = Math.floor(at_s / PERIOD_S) % 2 === 1;
  return Math.max(lowest_bps, whole_bps * (isShared ? LEFT_SHARE : 1));
}
