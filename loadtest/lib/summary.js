// The summary of a scenario for people: what viewers saw, what was asked, what it cost the origins, beside the bounds.

const NAME_WIDTH = 30;
const CELL_WIDTH = 10;

// What is shown, in this order; what was not measured is left out.
const ROWS = [
  ["viewers", [
    ["to the first picture", "startup_ms"],
    ["to the picture after a seek", "seek_ms"],
    ["to a preview or I-frame", "trick_ms"],
    ["stood still", "stalled_percent"],
    ["stalls", "stalls"],
    ["sessions", "sessions"],
    ["sessions cut off", "sessions_open"],
    ["sessions that ended well", "sessions_whole"],
    ["seconds played", "played_s"],
    ["switches of variant", "switches"],
    ["height of the picture", "height_px"],
  ]],
  ["requests", [
    ["playlists", "http_req_duration{kind:playlist}"],
    ["segments", "http_req_duration{kind:segment}"],
    ["I-frames", "http_req_duration{kind:iframe}"],
    ["preview sheets", "http_req_duration{kind:sheet}"],
    ["all", "http_reqs"],
    ["refused (503)", "refused"],
    ["failed", "http_req_failed"],
    ["checks of answers", "checks"],
    ["media", "media_bytes"],
  ]],
  ["origins", [
    ["requests", "origin_requests"],
    ["bytes sent", "origin_response_bytes"],
    ["found in memory", "origin_cache_hits"],
    ["not found in memory", "origin_cache_misses"],
    ["reads of the store", "origin_store_reads"],
    ["failed reads of the store", "origin_store_failures"],
    ["waits for segments", "origin_segment_waits"],
  ]],
];
const UNITS = { stalled_percent: "%", height_px: "px" };

// `data` is what k6 gives to handleSummary.
export function report(title, data) {
  const { metrics, state, root_group: root } = data;
  const text = [title];
  for (const [heading, rows] of ROWS) {
    const shown = rows.filter(([, name]) => metrics[name] && hasValues(metrics[name]));
    if (shown.length === 0) continue;
    text.push("", heading.padEnd(NAME_WIDTH) + ["median", "p95", "p99", "max"].map(cell).join(""));
    text.push(...shown.map(([label, name]) => row(label, name, metrics[name])));
  }
  const failing = root.checks.filter(({ fails }) => fails > 0);
  if (failing.length > 0) text.push("", "checks that failed", ...failing.map(({ name, fails, passes }) => `  ${name}: ${fails} of ${fails + passes}`));
  const broken = metrics.sessions ? brokenBounds(metrics) : ["nobody came"];
  const seconds = (state.testRunDurationMs / 1000).toFixed(0);
  text.push("", broken.length === 0 ? `passed in ${seconds} s` : `FAILED in ${seconds} s: ${broken.join("; ")}`, "");
  return `${text.join("\n")}\n`;
}

// Each bound that is broken, as a sentence.
function brokenBounds(metrics) {
  return Object.entries(metrics).flatMap(([name, { thresholds = {} }]) =>
    Object.entries(thresholds).filter(([, { ok }]) => !ok).map(([bound]) => `${name}: not ${bound}`));
}

// Trends of which nothing was measured, and rates of nothing, say nothing.
function hasValues({ type, values }) {
  if (type === "trend") return values.count > 0;
  if (type === "rate") return values.passes + values.fails > 0;
  return true;
}

function row(label, name, metric) {
  const bounds = Object.entries(metric.thresholds ?? {}).map(([bound, { ok }]) => `${bound} ${ok ? "ok" : "BROKEN"}`).sort();
  const cells = cellsOf(name, metric).map(cell).join("");
  return `  ${label.padEnd(NAME_WIDTH - 2)}${cells}  ${bounds.join(", ")}`.trimEnd();
}

function cellsOf(name, { type, contains, values }) {
  if (type === "rate") return [`${values.passes}`, `of ${values.passes + values.fails}`, "", ""];
  if (type !== "trend") return [name.endsWith("bytes") ? bytes(values.count) : `${Math.round(values.count)}`, "", "", ""];
  const unit = contains === "time" ? time : (value) => `${trimmed(value)} ${UNITS[name]}`;
  return ["med", "p(95)", "p(99)", "max"].map((key) => unit(values[key]));
}

const cell = (text) => text.padStart(CELL_WIDTH);
const trimmed = (value) => value.toFixed(value < 10 ? 1 : 0);
const time = (ms) => (ms < 1000 ? `${trimmed(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);

function bytes(count) {
  const power = count < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(count) / 3));
  return `${power === 0 ? count : (count / 1000 ** power).toFixed(1)} ${["B", "KB", "MB", "GB", "TB"][power]}`;
}
