// The player: hls.js with patience for segments that are still being encoded, and previews while scrubbing.
import { watch } from "/assets/api.js";
import { clock } from "/assets/clock.js";
import Hls from "/assets/hls.mjs";
import { HLS_PATIENT } from "/assets/patient.js";

// How often the server is told that somebody watches: three times while a session counts as present.
const WATCH_MS = 10_000;

let hls = null;
let stop = new AbortController();

export function close() {
  stop.abort();
  hls?.destroy();
  hls = null;
}

export function open(element, video) {
  close();
  stop = new AbortController();
  const media = element.querySelector("video");
  const quality = element.querySelector("#quality");
  if (Hls.isSupported()) {
    hls = new Hls(HLS_PATIENT);
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      const names = hls.levels.map((level, n) => new Option(level.height ? `${Math.min(level.width, level.height)}p` : "audio", n));
      quality.replaceChildren(new Option("Auto", -1), ...names);
    });
    quality.onchange = () => { hls.nextLevel = Number(quality.value); };
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (data.fatal && data.type === Hls.ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
    });
    hls.loadSource(video.urls.hls);
    hls.attachMedia(media);
    globalThis.hls = hls;
  } else {
    media.src = video.urls.hls;
  }
  scrub(element, media, video, stop.signal);
  tell(media, video, stop.signal);
}

// The id of this playback. A tab that opens the video again goes on with it, so that a reload is no new view.
function sessionOf(id) {
  const name = `session:${id}`;
  let session = null;
  try { session = sessionStorage.getItem(name); } catch { /* Storage may be forbidden. */ }
  session ??= Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  try { sessionStorage.setItem(name, session); } catch { /* Then each time is a view. */ }
  return session;
}

// The first time counts a view; each keeps this playback among the viewers.
function tell(media, video, signal) {
  const session = sessionOf(video.id);
  // An origin that only reads counts nobody and is not asked again.
  let isHeard = true;
  const beat = async () => { if (isHeard && !media.paused && !media.ended) isHeard = await watch(video.id, session) && isHeard; };
  media.addEventListener("playing", beat, { signal });
  const timer = setInterval(beat, WATCH_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function scrub(element, media, video, signal) {
  const bar = element.querySelector("#scrub");
  const [played, preview] = [bar.querySelector(".played"), bar.querySelector(".preview")];
  const [tile, label] = [preview.querySelector(".tile"), preview.querySelector("span")];
  let board = null;
  let asked = false;
  let hovered = null;
  // Whether each sheet of tiles is there. Those of a film in the making come one after the other; until then there is no frame.
  const sheets = new Map();
  const isThere = (url) => {
    if (!sheets.has(url)) {
      sheets.set(url, false);
      const image = new Image();
      image.onload = () => { sheets.set(url, true); if (hovered !== null) show(hovered); };
      image.src = url;
    }
    return sheets.get(url);
  };
  const length = () => media.duration || video.duration_s || 0;
  const at = (event) => {
    const box = bar.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const show = (share) => {
    hovered = share;
    const time = share * length();
    preview.hidden = false;
    preview.style.left = `${share * 100}%`;
    label.textContent = clock(time);
    const found = board?.tiles.findLast((candidate) => candidate.start <= time);
    const url = found && new URL(found.url ?? board.url, board.base).href;
    tile.hidden = !found || !isThere(url);
    if (tile.hidden) return;
    tile.style.cssText = `width:${board.tile_width}px;height:${board.tile_height}px;background:url(${url}) -${found.x}px -${found.y}px`;
  };
  // The storyboard is fetched at the first hover, not with the page.
  const fetchBoard = async () => {
    if (asked || !video.urls.storyboard_json) return;
    asked = true;
    const base = new URL(video.urls.storyboard_json, location.href);
    const response = await fetch(base, { signal }).catch(() => null);
    if (!response?.ok) return;
    board = { ...await response.json(), base };
    // The pointer may have come to rest before the tiles were known.
    if (hovered !== null) show(hovered);
  };
  const on = (target, name, handler) => target.addEventListener(name, handler, { signal });
  on(bar, "pointerenter", () => {
    // What was not there is asked for again.
    for (const [url, there] of sheets) if (!there) sheets.delete(url);
    fetchBoard();
  });
  on(bar, "pointermove", (event) => { fetchBoard(); show(at(event)); });
  on(bar, "pointerleave", () => { hovered = null; preview.hidden = true; });
  on(bar, "pointerdown", (event) => { media.currentTime = at(event) * length(); });
  on(bar, "keydown", (event) => {
    const step = { ArrowLeft: -5, ArrowRight: 5, PageDown: -30, PageUp: 30 }[event.key];
    if (!step) return;
    event.preventDefault();
    media.currentTime = Math.min(length(), Math.max(0, media.currentTime + step));
  });
  const tick = () => {
    const share = length() ? media.currentTime / length() : 0;
    played.style.width = `${share * 100}%`;
    bar.setAttribute("aria-valuemax", Math.round(length()));
    bar.setAttribute("aria-valuenow", Math.round(media.currentTime));
    bar.setAttribute("aria-valuetext", `${clock(media.currentTime)} of ${clock(length())}`);
  };
  for (const name of ["timeupdate", "seeking", "durationchange"]) on(media, name, tick);
}
