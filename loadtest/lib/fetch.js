// Requests as players make them: several at once, patient with a segment that is not made yet, and judged.
import { check, sleep } from "k6";
import http from "k6/http";
import { areFragments } from "./boxes.js";
import { mediaBytes, refused } from "./metrics.js";

// Longer than an origin holds a request for a segment in the making.
const TIMEOUT = "20s";
// The patience that README.md gives to players.
const TRIES_MAX = 40;
const PAUSE_S = 1;
// Of the requests for segments, every so many are read whole and looked into; of the others only the length is kept.
const LOOKED_INTO_EVERY = 8;
const EXPECTED = http.expectedStatuses(200, 206, 503);
const DOCUMENT_HEADERS = { "Accept-Encoding": "zstd, br, gzip" };

let segments = 0;

// An answer that a player does not survive.
export class Broken extends Error {}

// The text of a playlist.
export function text(url) {
  const [{ response }] = all([{ kind: "playlist", url }]);
  return response.body;
}

// Answers to all of `[{ kind, url, range }]`, in order, as `[{ bytes, response }]`. Kinds are `playlist`, `init`, `segment`,
// `iframe` and `sheet`.
export function all(wanted) {
  const answers = new Array(wanted.length);
  let open = wanted.map((one, index) => ({ ...one, index, responseType: responseType(one) }));
  for (let tries = 0; open.length > 0; tries += 1) {
    if (tries === TRIES_MAX) throw new Broken(`${open[0].url} was refused ${TRIES_MAX} times`);
    if (tries > 0) sleep(PAUSE_S);
    const responses = http.batch(open.map(request));
    const later = [];
    open.forEach((one, n) => {
      if (responses[n].status === 503) later.push(one);
      else answers[one.index] = judged(one, responses[n]);
    });
    refused.add(later.length);
    open = later;
  }
  return answers;
}

function responseType({ kind }) {
  if (kind === "playlist") return "text";
  if (kind !== "segment") return "none";
  segments += 1;
  return segments % LOOKED_INTO_EVERY === 1 ? "binary" : "none";
}

function request({ kind, url, range, responseType: type }) {
  const headers = kind === "playlist" ? { ...DOCUMENT_HEADERS } : {};
  if (range) headers.Range = `bytes=${range.first}-${range.last}`;
  // Without a name of its own each segment would be a series of its own.
  const tags = { kind, name: kind };
  return ["GET", url, null, { headers, tags, responseType: type, timeout: TIMEOUT, responseCallback: EXPECTED }];
}

function judged({ kind, url, range, responseType: type }, response) {
  const bytes = Number(response.headers["Content-Length"] ?? Number.NaN);
  const expected = range ? 206 : 200;
  const sound = check(response, {
    [`${kind}: answered ${expected}`]: ({ status }) => status === expected,
    ...(kind === "playlist" && { "playlist: is one": ({ body }) => body?.startsWith("#EXTM3U") ?? false }),
    ...(kind !== "playlist" && { [`${kind}: says its length`]: () => bytes > 0 }),
    ...(range && { [`${kind}: is the range asked for`]: () => bytes === range.last - range.first + 1 }),
    ...(type === "binary" && {
      "segment: as long as it says": ({ body }) => body?.byteLength === bytes,
      "segment: whole fragments": ({ body }) => body !== null && areFragments(body),
    }),
  });
  if (!sound) throw new Broken(`${url}: ${response.status} ${response.error}`);
  if (kind !== "playlist") mediaBytes.add(bytes);
  return { bytes, response };
}
