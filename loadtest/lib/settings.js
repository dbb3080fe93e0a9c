// What a run is told, all of it by variables of the environment.

const text = (name, usual) => (__ENV[name] === undefined || __ENV[name] === "" ? usual : __ENV[name]);

function number(name, usual, least) {
  const value = Number(text(name, usual));
  if (!(value >= least)) throw new Error(`${name} must be a number of at least ${least}, and is ${__ENV[name]}`);
  return value;
}

// Less is over before all have come.
const SECONDS_MIN = 5;

// The server or cluster, and a title that it has.
export const server = text("LOAD_URL", "http://127.0.0.1:8080").replace(/\/+$/, "");
export const video = text("LOAD_VIDEO", "");
// A title that nobody has asked for yet.
export const coldVideo = text("LOAD_COLD_VIDEO", video);
// Admin listeners of its origins, separated by commas: their counters are shown if they are named.
export const admins = text("LOAD_ADMIN", "").split(",").filter(Boolean).map((url) => url.replace(/\/+$/, ""));
// A folder for a JSON file of each scenario.
export const out = text("LOAD_OUT", "");
// How many viewers at most, and for how many seconds; each scenario has a default of its own.
export const viewers = (usual) => Math.round(number("LOAD_VIEWERS", usual, 1));
export const seconds = (usual) => number("LOAD_SECONDS", usual, SECONDS_MIN);
