// What all scenarios share: who comes when, for how long, what is checked before and after, and the summary.
import { fail, sleep } from "k6";
import exec from "k6/execution";
import http from "k6/http";
import { bounds } from "../thresholds.js";
import { Broken } from "./fetch.js";
import { sessions, sessionsOpen, sessionsWhole } from "./metrics.js";
import * as origin from "./origin.js";
import * as settings from "./settings.js";
import { report } from "./summary.js";

// A viewer who stands still at the end of a scenario has this long to say so.
const STOP_WAIT_S = 30;
// Of each k6 viewer, so many failures are told; the counts have them all.
const TOLD_MAX = 3;
// Shorter sessions are not begun.
const SESSION_S_MIN = 1;

let told = 0;

// `arrive_s` is the time within which the viewers come; with `returns` those who leave come again, as somebody else.
// `session(viewer)` is one viewer, `{ url, number, until_ms }`; `after(added)` sees what the origins' counters gained.
export function scenario({ name, what, viewers, seconds, arrive_s = 0, returns = false, video = settings.video, session, after }) {
  const [many, long_s] = [settings.viewers(viewers), settings.seconds(seconds)];
  const url = `${settings.server}/v/${video}/master.m3u8`;
  const comers = returns
    ? { executor: "constant-vus", vus: many, duration: `${long_s}s`, gracefulStop: `${STOP_WAIT_S}s` }
    : { executor: "per-vu-iterations", vus: many, iterations: 1, maxDuration: `${long_s + STOP_WAIT_S}s` };
  const options = {
    scenarios: { [name]: comers },
    thresholds: bounds(name),
    summaryTrendStats: ["med", "p(95)", "p(99)", "max", "count"],
    // Each session is a browser of its own, with connections of its own.
    noVUConnectionReuse: true,
  };

  function setup() {
    if (!video) fail("LOAD_VIDEO names the title to watch");
    const before = origin.read();
    const { status, error } = http.get(url, { tags: { kind: "playlist", name: "playlist" } });
    if (status !== 200) fail(`${url}: ${status} ${error}`);
    return { before };
  }

  function run() {
    const { idInTest, iterationInInstance } = exec.vu;
    const until_ms = exec.scenario.startTime + long_s * 1000;
    if (iterationInInstance === 0) sleep((arrive_s * (idInTest - 1)) / many);
    if (Date.now() + SESSION_S_MIN * 1000 > until_ms) {
      sleep(SESSION_S_MIN);
      return;
    }
    sessions.add(1);
    sessionsOpen.add(1);
    let isWhole = false;
    try {
      session({ url, number: idInTest + iterationInInstance * many, until_ms });
      isWhole = true;
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      told += 1;
      if (told <= TOLD_MAX) console.error(error.message);
    } finally {
      sessionsOpen.add(-1);
      sessionsWhole.add(isWhole);
      // Viewers whose server is gone do not come back at once, again and again.
      if (!isWhole) sleep(SESSION_S_MIN);
    }
  }

  const teardown = ({ before }) => {
    if (!before) return;
    const added = origin.count(before);
    after?.(url, added);
  };
  const handleSummary = (data) => {
    const title = `${name}: ${what(many, long_s)}`;
    const files = settings.out ? { [`${settings.out}/${name}.json`]: JSON.stringify(data, null, 2) } : {};
    return { stdout: report(title, data), ...files };
  };
  return { options, setup, run, teardown, handleSummary };
}
