// Viewers of one film that everybody watches, for as long as a test goes on: real players in browsers, one view after the
// other, and a client that asks for every document and segment in turn, also of each origin.
import { createHash } from "node:crypto";
import { launch, open } from "./browser.mjs";
import { frameAt } from "./pictures.mjs";

// A view, whose film is a few seconds long, and within it the longest that nothing moves, its beginning included.
const VIEW_WAIT_MS = 60_000;
const STALL_MAX_MS = 5_000;
// How often a viewer looks at the screen.
const LOOK_EVERY_MS = 250;
// Who waits longer for what is hot sees the picture stand still.
const ANSWER_WAIT_MS = 5_000;
// From one question to the next: what is tested is whether they are answered, not how many.
const PACE_MS = 10;
// Little ahead, so that a player asks for segments through the whole of a view.
const AHEAD_S = 3;
const HLS_LITTLE = { maxBufferLength: AHEAD_S, maxMaxBufferLength: AHEAD_S, backBufferLength: 0 };
const SHAKA_LITTLE = { streaming: { bufferingGoal: AHEAD_S } };
const DASH_LITTLE = { streaming: { buffer: { bufferTimeDefault: AHEAD_S, bufferTimeAtTopQuality: AHEAD_S } } };
// How each player opens which document. None is told to wait for what is not there: all of it is.
const PLAYERS = {
  "hls.js": { method: "openHls", document: "hls", settings: HLS_LITTLE },
  "Shaka": { method: "openShaka", document: "dash", settings: SHAKA_LITTLE },
  "dash.js": { method: "openDash", document: "dash", settings: DASH_LITTLE },
};
export const players = Object.keys(PLAYERS);

// Views of a film (`urls` behind `url`) by a player in a browser of its own, each in a tab without what another one has kept:
// how many ended, how many pictures were seen that differ from the one before, and what went wrong. A picture that is not the
// one of its time is wrong too.
export async function watch(player, site, { url, urls, fps }) {
  const { method, document, settings } = PLAYERS[player];
  const browser = await launch();
  const seen = { views: 0, pictures: 0, errors: [] };
  let on = true;
  let last;
  const take = (picture) => {
    if (!picture || picture.counter === last) return;
    last = picture.counter;
    seen.pictures += 1;
    if (last !== frameAt(picture.time, fps)) seen.errors.push(`at ${picture.time} s the picture is ${last}`);
  };
  const view = async () => {
    const tab = await open(browser, site.url);
    await tab.call(method, url + urls[document], settings);
    let playing = true;
    const ended = tab.call("playToEnd", VIEW_WAIT_MS, STALL_MAX_MS).finally(() => { playing = false; });
    const looking = async () => {
      while (playing) {
        take(await tab.call("onScreen"));
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
    };
    await Promise.all([ended, looking()]);
    seen.errors.push(...await tab.errors(), ...tab.failed);
    await tab.page.close();
    seen.views += 1;
  };
  const done = (async () => {
    while (on && seen.errors.length === 0) await view().catch(({ message }) => seen.errors.push(message));
  })();
  return { player, seen, stop: async () => { on = false; await done; await browser.close(); } };
}

// The paths of all that a player may ask for: documents, initialisation segments, segments.
export async function pathsOf(url, { hls, dash }) {
  const text = async (path) => {
    const answer = await fetch(url + path);
    if (!answer.ok) throw new Error(`${answer.status} ${path}`);
    return answer.text();
  };
  const listed = (path, document) => document.split("\n").flatMap((line) => {
    const name = line.startsWith("#") ? /URI="([^"]+)"/.exec(line)?.[1] : line.trim();
    return name ? [new URL(name, url + path).pathname] : [];
  });
  const found = new Set([hls, dash]);
  const playlists = listed(hls, await text(hls));
  for (const playlist of playlists) {
    found.add(playlist);
    for (const path of listed(playlist, await text(playlist))) found.add(path);
  }
  return [...found];
}

// Asks for each path in turn, at each place at the same time as long as `isAsked` says so; every answer is the whole of the first one's body.
export function walk(paths, places, isAsked) {
  const seen = { rounds: Object.fromEntries(places.map((place) => [place, 0])), errors: [] };
  const digests = new Map();
  let on = true;
  const look = async (place, path) => {
    const answer = await fetch(place + path, { signal: AbortSignal.timeout(ANSWER_WAIT_MS) });
    const digest = createHash("sha256").update(Buffer.from(await answer.arrayBuffer())).digest("hex");
    if (answer.status !== 200) throw new Error(`answered ${answer.status}`);
    if (!digests.has(path)) digests.set(path, digest);
    if (digests.get(path) !== digest) throw new Error("has other bytes than before");
  };
  const round = async (place) => {
    for (const path of paths) {
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
      if (!on || !isAsked(place)) return;
      const from = new Date();
      // Who is struck while he answers is no longer asked.
      await look(place, path).catch(({ message }) => { if (isAsked(place)) seen.errors.push(`${from.toISOString()} ${place}${path}: ${message}`); });
    }
    seen.rounds[place] += 1;
  };
  const done = Promise.all(places.map(async (place) => {
    while (on) {
      await round(place);
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    }
  }));
  return { seen, stop: async () => { on = false; await done; } };
}
