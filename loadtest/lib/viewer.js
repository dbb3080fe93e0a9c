// A viewer with an HLS player: reads playlists, keeps a buffer, plays at play speed, switches variants, seeks.
import { sleep } from "k6";
import { Throughput, choose } from "./abr.js";
import { all, text } from "./fetch.js";
import { carries } from "./line.js";
import { heightPx, playedS, seekMs, stalledPercent, stalls, startupMs, switches } from "./metrics.js";
import { Playback } from "./playback.js";
import { media, multivariant, segmentAt } from "./playlist.js";

// So much is kept ahead, as hls.js does.
const BUFFER_GOAL_S = 30;
// Sound is cut at the audio frame that is nearest to the cut of the pictures.
const JOIN_S = 0.05;
// A line may eat the buffer up to this: what is left is the server's to answer in.
const LEAD_S = 1;
// The longest sleep, so that a session ends on time.
const SLEEP_S_MAX = 1;

export class Viewer {
  #number;
  #began_ms = Date.now();
  #throughput = new Throughput();
  #variant = -1;
  #tracks = new Map();

  // Opens the title at `position`, a share of its length. `number` tells viewers apart.
  constructor(url, number, position = 0) {
    this.#number = number;
    this.title = multivariant(text(url), url);
    this.#choose();
    const { duration_s } = this.#track(this.#variantUrl);
    this.duration_s = duration_s;
    this.playback = new Playback(duration_s, position * duration_s, this.#began_ms);
  }

  // Watches until `until_ms` or the end of the film.
  play(until_ms) {
    for (;;) {
      const now_ms = Date.now();
      this.playback.advance(now_ms);
      if (this.playback.ended || now_ms >= until_ms) return;
      const isWhole = this.playback.end_s >= this.duration_s;
      const spare_s = this.playback.level_s - (isWhole ? 0 : BUFFER_GOAL_S);
      if (isWhole || spare_s > 0) {
        sleep(Math.min(Math.max(spare_s, 0.01), SLEEP_S_MAX, (until_ms - now_ms) / 1000));
      } else {
        this.#load();
      }
    }
  }

  // Goes to `position`, a share of the film, and waits for the picture.
  seek(position) {
    this.playback.seek(position * this.duration_s, Date.now());
    while (this.playback.level_s <= 0) this.#load();
  }

  // Ends the session and counts it.
  close() {
    this.#note(this.playback.close(Date.now()));
    playedS.add(this.playback.played_s);
    stalledPercent.add(this.playback.stalledShare * 100);
  }

  get #variantUrl() { return this.title.variants[this.#variant].url; }

  #choose() {
    const next = choose(this.title.variants, this.#throughput.bps, this.#variant);
    if (this.#variant !== -1 && next !== this.#variant) switches.add(1);
    this.#variant = next;
  }

  // A track's playlist, which is read once. Its initialisation segment is read with its first segment.
  #track(url) {
    if (!this.#tracks.has(url)) this.#tracks.set(url, { ...media(text(url), url), isInitialised: false });
    return this.#tracks.get(url);
  }

  // One more segment of pictures, and the sound that belongs to it.
  #load() {
    this.#choose();
    const variant = this.title.variants[this.#variant];
    const pictures = this.#track(variant.url);
    const from_s = this.playback.end_s;
    const segment = pictures.segments[segmentAt(pictures.segments, from_s)];
    const end_s = segment.start_s + segment.duration_s;
    const wanted = [...initOf(pictures), { kind: "segment", ...segment }];
    const soundUrl = this.title.audio[variant.audio];
    if (soundUrl) {
      const sound = this.#track(soundUrl);
      const first = segmentAt(sound.segments, from_s + JOIN_S);
      const last = segmentAt(sound.segments, end_s - JOIN_S);
      wanted.push(...initOf(sound));
      for (const one of sound.segments.slice(first, last + 1)) wanted.push({ kind: "segment", ...one });
    }
    const began_ms = Date.now();
    const bytes = all(wanted).reduce((sum, answer) => sum + answer.bytes, 0);
    const arrived_ms = Date.now();
    heightPx.add(variant.height);
    this.#note(this.playback.append(end_s, arrived_ms));
    this.#delay(bytes, began_ms, arrived_ms);
  }

  // The line needs its time, also where the server does not. It decides what is asked for next, and when; the waits that
  // are counted are the server's alone.
  #delay(bytes, began_ms, arrived_ms) {
    const bps = carries(this.title.variants, this.#number, (began_ms - this.#began_ms) / 1000);
    const took_ms = arrived_ms - began_ms;
    const line_ms = Math.max(took_ms, ((bytes * 8) / bps) * 1000);
    this.#throughput.add(bytes, line_ms);
    // A player gives up a segment that would come too late, and takes a smaller one.
    const left_s = Math.min((line_ms - took_ms) / 1000, this.playback.level_s - LEAD_S);
    if (left_s > 0) sleep(left_s);
  }

  #note(wait) {
    if (wait?.reason === "start") startupMs.add(wait.ms);
    else if (wait?.reason === "seek") seekMs.add(wait.ms);
    else if (wait) stalls.add(1);
  }
}

function initOf(track) {
  if (track.isInitialised || !track.init) return [];
  track.isInitialised = true;
  return [{ kind: "init", ...track.init }];
}
