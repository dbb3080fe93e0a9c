// Runs in the browser: opens a stream in a real player and reads the counter of the pictures it shows.
import Hls from "/node_modules/hls.js/dist/hls.mjs";
import * as dashjs from "/node_modules/dashjs/dist/modern/esm/dash.all.debug.js";
import { read as readCounter } from "/testkit/counter.mjs";

const video = document.getElementById("video");
const trick = document.getElementById("trick");
const canvas = new OffscreenCanvas(16, 16);
const pen = canvas.getContext("2d", { willReadFrequently: true });

// No film of the tests shows a picture for longer; timestamps are whole microseconds, so one may seem to begin early.
const FRAME_MAX_S = 0.1;
const FRAME_EARLY_S = 0.001;
// How often a film that must not stand still is looked at.
const MOVE_LOOK_MS = 100;

// Every error that a player or the media element reports; a test expects none.
const errors = [];
for (const element of [video, trick]) {
  element.addEventListener("error", () => errors.push(`media: ${element.error?.message ?? element.error?.code}`));
}

function counterOf(source, width, height) {
  canvas.width = width;
  canvas.height = height;
  pen.drawImage(source, 0, 0, width, height);
  return readCounter(pen.getImageData(0, 0, width, height));
}

// What is buffered: ranges in seconds.
const ranges = ({ buffered }) => [...Array(buffered.length).keys()].map((n) => [buffered.start(n), buffered.end(n)]);

// Where the player stands, for the message of a failure.
function where(element) {
  const buffered = ranges(element).map((range) => range.join("-"));
  const { currentTime, duration, paused, readyState } = element;
  return `at ${currentTime} of ${duration}, buffered ${buffered.join(" ")}, ${paused ? "paused" : "playing"}, readyState ${readyState}`;
}

// Says `over` when a player has come to the end, in its own way.
const ends = new EventTarget();
const over = () => ends.dispatchEvent(new Event("over"));
video.addEventListener("ended", over);

// Rejects when the film stands still, or has not begun, for longer than the bound.
function moving(stallMs) {
  let [at, since, timer] = [video.currentTime, performance.now(), null];
  const stands = new Promise((_, reject) => {
    timer = setInterval(() => {
      if (video.ended || video.currentTime !== at) [at, since] = [video.currentTime, performance.now()];
      else if (performance.now() - since > stallMs) reject(new Error(`it stood still for more than ${stallMs} ms; ${where(video)}; errors: ${errors.join("; ")}`));
    }, MOVE_LOOK_MS);
  });
  return { stands, stop: () => clearInterval(timer) };
}

// Resolves at an event, or rejects after the bound.
function once(target, name, waitMs) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} within ${waitMs} ms; ${where(video)}; errors: ${errors.join("; ")}`)), waitMs);
    target.addEventListener(name, (event) => { clearTimeout(timer); resolve(event); }, { once: true });
  });
}

// The picture on the screen: its own time, its counter and its size. A VideoFrame is one picture with
// its timestamp, where the element's currentTime may already be that of the next.
function look(element) {
  const frame = new VideoFrame(element);
  const [width, height] = [frame.displayWidth, frame.displayHeight];
  const seen = { time: frame.timestamp / 1e6, counter: counterOf(frame, width, height), width, height };
  frame.close();
  return seen;
}

// Resolves with the first picture that `fits`, looking at each one that is put on the screen.
async function picture(element, fits, waitMs) {
  const deadline = performance.now() + waitMs;
  let seen = null;
  for (;;) {
    if (element.readyState >= 2 && !element.seeking) {
      seen = look(element);
      if (fits(seen)) return seen;
    }
    if (performance.now() > deadline) throw new Error(`no such picture within ${waitMs} ms, the last is that of ${seen?.time} s; ${where(element)}; errors: ${errors.join("; ")}`);
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}

let player = null;

const harness = {
  errors,

  openHls(url, config = {}) {
    player = new Hls(config);
    globalThis.hls = player;
    player.on(Hls.Events.ERROR, (_, data) => {
      // What the player itself aborts, to switch at once, is no fault of the stream.
      if (data.details === Hls.ErrorDetails.INTERNAL_ABORTED) return;
      if (data.fatal || !config.vidstreamTolerant) errors.push(`hls.js: ${data.details} ${data.fatal ? "fatal" : ""} ${data.error?.message ?? ""}`);
    });
    player.loadSource(url);
    player.attachMedia(video);
    return once(video, "loadedmetadata", 15_000).then(() => ({ duration: video.duration, levels: player.levels.map((level) => level.height) }));
  },

  // Switches to a level at `from` and plays on from there. First the seek: where a player empties the buffer while Chromium
  // seeks in it, Chromium now and then shows one picture for as long as it plays, or goes on showing that of before.
  async hlsLevel(height, from, waitMs) {
    await harness.seek(from, waitMs);
    player.currentLevel = player.levels.findIndex((level) => level.height === height);
    return harness.shows(height, waitMs);
  },

  async openShaka(url, config = {}) {
    shaka.polyfill.installAll();
    player = new shaka.Player();
    globalThis.shakaPlayer = player;
    player.addEventListener("error", ({ detail }) => errors.push(`shaka: ${detail.code} ${JSON.stringify(detail.data)?.slice(0, 300)}`));
    await player.attach(video);
    player.configure(config);
    await player.load(url);
    return {
      duration: video.duration,
      levels: player.getVariantTracks().map((track) => track.height),
      images: player.getImageTracks().map(({ id, width, height, mimeType, tilesLayout }) => ({ id, width, height, mimeType, tilesLayout })),
    };
  },

  async shakaLevel(height, from, waitMs) {
    player.configure({ abr: { enabled: false } });
    await harness.seek(from, waitMs);
    player.selectVariantTrack(player.getVariantTracks().find((track) => track.height === height), true);
    return harness.shows(height, waitMs);
  },

  // The thumbnail at a time, with the counter read from its part of the sheet.
  async shakaThumbnail(time) {
    const [track] = player.getImageTracks();
    const thumbnail = await player.getThumbnails(track.id, time);
    const sheet = await createImageBitmap(await (await fetch(thumbnail.uris[0])).blob());
    const tile = await createImageBitmap(sheet, thumbnail.positionX, thumbnail.positionY, thumbnail.width, thumbnail.height);
    return { sheet: thumbnail.uris[0], start: thumbnail.startTime, duration: thumbnail.duration, counter: counterOf(tile, tile.width, tile.height), width: tile.width, height: tile.height };
  },

  // Plays at a trick rate until `until` and gives each new picture with its time, and the gaps that were jumped over.
  async shakaTrick(rate, until, waitMs) {
    await video.play();
    player.trickPlay(rate);
    const frames = await harness.record(() => video.currentTime >= until || video.ended, waitMs);
    return { frames, gaps: player.getStats().gapsJumped, buffered: ranges(video) };
  },

  openDash(url, settings = {}) {
    player = dashjs.MediaPlayer().create();
    globalThis.dashPlayer = player;
    player.updateSettings(settings);
    player.on("error", ({ error }) => errors.push(`dash.js: ${error?.code} ${error?.message}`));
    // It looks at the clock every 200 ms, and where that says the end before the element does, it ends the film itself: it
    // pauses, seeks to the end, and that seek it sends back by half a second.
    player.on(dashjs.MediaPlayer.events.PLAYBACK_ENDED, over);
    player.initialize(video, url, false);
    return once(video, "loadedmetadata", 15_000).then(() => ({ duration: video.duration, levels: player.getRepresentationsByType("video").map((representation) => representation.height) }));
  },

  async dashLevel(height, from, waitMs) {
    player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } }, buffer: { fastSwitchEnabled: true } } });
    const found = player.getRepresentationsByType("video").find((representation) => representation.height === height);
    await harness.seek(from, waitMs);
    player.setRepresentationForTypeById("video", found.id, true);
    return harness.shows(height, waitMs);
  },

  // A picture of hls.js's I-frame player at a time.
  async hlsIFrame(time, waitMs) {
    if (!globalThis.iframes) {
      // It takes over the time offsets that the main player has found, so that one must have pictures.
      await picture(video, () => true, waitMs);
      globalThis.iframes = player.createIFramePlayer();
      if (!globalThis.iframes) throw new Error("hls.js found no I-frame variants");
      globalThis.iframes.on(Hls.Events.ERROR, (_, data) => errors.push(`I-frame player: ${data.details} ${data.error?.message ?? ""}`));
      // A request before the media source is open is forgotten.
      const attached = new Promise((resolve) => globalThis.iframes.once(Hls.Events.MEDIA_ATTACHED, resolve));
      globalThis.iframes.attachMedia(trick);
      await attached;
    }
    const seeked = once(trick, "seeked", waitMs);
    globalThis.iframes.loadMediaAt(time);
    await seeked;
    return picture(trick, () => true, waitMs);
  },

  // The picture on the screen; null while there is none.
  onScreen() {
    return video.readyState >= 2 && !video.seeking ? look(video) : null;
  },

  // Plays on until pictures of that height are shown.
  async shows(height, waitMs) {
    await video.play();
    const seen = await picture(video, (frame) => frame.height === height, waitMs);
    video.pause();
    return seen;
  },

  // Seeks and gives the picture there. At `seeked` the one on the screen may still be that of before: the new one is
  // put up by the compositor, a little later. So its own time says which it is, and its counter whether that is right.
  async seek(time, waitMs) {
    const seeked = once(video, "seeked", waitMs);
    video.currentTime = time;
    await seeked;
    return picture(video, (frame) => frame.time > time - FRAME_MAX_S && frame.time < time + FRAME_EARLY_S, waitMs);
  },

  // Waits until all that comes is buffered, and the player at rest. One that still empties and fills its buffer, as after a
  // switch, makes Chromium now and then go on showing the picture from before a seek.
  async rests(waitMs) {
    const deadline = performance.now() + waitMs;
    const isHere = ([start, end]) => start <= video.currentTime && end > video.duration - FRAME_MAX_S;
    while (!ranges(video).some(isHere)) {
      if (performance.now() > deadline) throw new Error(`the rest is not there within ${waitMs} ms; ${where(video)}; errors: ${errors.join("; ")}`);
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  },

  // Records every new picture until `done` says so.
  async record(done, waitMs) {
    const frames = [];
    const deadline = performance.now() + waitMs;
    let open = true;
    const take = () => {
      if (!open || done(frames)) return;
      // A player that exchanges what it has buffered may have taken the picture away.
      if (video.readyState >= 2) frames.push(look(video));
      video.requestVideoFrameCallback(take);
    };
    video.requestVideoFrameCallback(take);
    while (!done(frames)) {
      if (performance.now() > deadline) throw new Error(`not done within ${waitMs} ms at ${video.currentTime}; errors: ${errors.join("; ")}`);
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    open = false;
    return frames;
  },

  // Plays for so much media time and gives the pictures that were shown.
  async play(mediaMs, waitMs) {
    const start = video.currentTime;
    await video.play();
    const frames = await harness.record((shown) => shown.length > 1 && (video.currentTime - start >= mediaMs / 1000 || video.ended), waitMs);
    video.pause();
    return frames;
  },

  // What the browser buffers of each of these segments of a track when it has nothing else: ranges in seconds.
  async buffered(track, type, numbers, waitMs) {
    const media = new MediaSource();
    const opened = once(media, "sourceopen", waitMs);
    video.src = URL.createObjectURL(media);
    await opened;
    const buffer = media.addSourceBuffer(type);
    const done = async (start) => {
      const end = once(buffer, "updateend", waitMs);
      start();
      await end;
    };
    const append = async (name) => {
      const bytes = await (await fetch(`${track}/${name}`)).arrayBuffer();
      await done(() => buffer.appendBuffer(bytes));
    };
    await append("init.mp4");
    media.duration = 24 * 3600;
    const found = [];
    for (const n of numbers) {
      await done(() => buffer.remove(0, Infinity));
      await append(`${n}.m4s`);
      found.push(ranges(buffer));
    }
    return found;
  },

  // Plays to the end, within a time, and without ever standing still for longer than another one; gives where it was then.
  async playToEnd(waitMs, stallMs = waitMs) {
    const end = once(ends, "over", waitMs).then(() => ({ time: video.currentTime, duration: video.duration, buffered: ranges(video) }));
    const watched = moving(stallMs);
    try {
      const [, at] = await Promise.race([watched.stands, Promise.all([video.play(), end])]);
      if (at.duration - at.time > FRAME_MAX_S) throw new Error(`it ends at ${at.time} of ${at.duration}; errors: ${errors.join("; ")}`);
      return at;
    } finally {
      watched.stop();
    }
  },

  // The same, with every new picture.
  async watchToEnd(waitMs, stallMs = waitMs) {
    let isOver = false;
    const played = harness.playToEnd(waitMs, stallMs).finally(() => { isOver = true; });
    const [end, frames] = await Promise.all([played, harness.record(() => isOver, waitMs)]);
    return { ...end, frames };
  },
};

globalThis.harness = harness;
