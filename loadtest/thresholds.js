// The bounds of all scenarios: what a viewer may have to bear. k6 ends with 99 when one is broken.
// They are those of a title that is `ready` on an unhurried machine; a bound that only a faster network could miss is none.

// Whatever the load: no wrong answer, nobody left behind, nothing refused.
const ALWAYS = {
  checks: ["rate==1"],
  http_req_failed: ["rate==0"],
  // A bound on a rate of nothing holds.
  sessions: ["count>0"],
  sessions_open: ["count==0"],
  sessions_whole: ["rate==1"],
  refused: ["count==0"],
  "http_req_duration{kind:playlist}": ["p(95)<250", "p(99)<1000"],
};

// Of those who watch: the first picture within a second for 19 of 20, and no stall that anybody would notice.
const WATCHED = {
  "http_req_duration{kind:segment}": ["p(95)<500", "p(99)<2000"],
  startup_ms: ["p(95)<1000"],
  stalled_percent: ["p(99)<0.5"],
};

// Of those who go elsewhere.
const SOUGHT = { seek_ms: ["p(95)<1000", "p(99)<3000"] };

// Of those who scrub: a preview that comes later than this no longer belongs to the place of the pointer.
const SCRUBBED = {
  "http_req_duration{kind:sheet}": ["p(95)<250"],
  "http_req_duration{kind:iframe}": ["p(95)<250"],
  trick_ms: ["p(95)<300"],
};

const SCENARIOS = {
  steady: { ...ALWAYS, ...WATCHED },
  // All come at once, and what they want is in no memory.
  spike: { ...ALWAYS, ...WATCHED, "http_req_duration{kind:playlist}": ["p(95)<1000"], startup_ms: ["p(95)<2000"] },
  seek: { ...ALWAYS, ...WATCHED, ...SOUGHT },
  trick: { ...ALWAYS, ...SCRUBBED },
  soak: { ...ALWAYS, ...WATCHED, ...SOUGHT, ...SCRUBBED },
};

// Of a server that `run.mjs` started, once its viewers have left. It keeps a connection on which nobody asks for 20 s.
export const GIVEN_BACK_MS_MAX = 30_000;
// What it remembers: both titles whole, and what allocators keep. A leak of a request's kilobytes is more within a minute.
export const GROWN_BYTES_MAX = 64e6;

export const bounds = (scenario) => SCENARIOS[scenario];
