// The buffer model: what a viewer sees of the times at which segments arrive. Times are given, never asked for.

// Tracks of one film do not end at the same instant: what is left of it is shorter than this.
const END_S = 0.05;

// Time spent without a picture that moves, by reason: `start`, `seek` or `stall`.
export class Playback {
  #duration_s;
  #seen_ms;
  #end_s;
  // What the viewer waits for, since when; null while it plays.
  #wait;
  #played_s = 0;
  #stalled_ms = 0;

  constructor(duration_s, position_s, now_ms) {
    this.#duration_s = duration_s;
    this.#seen_ms = now_ms;
    this.#end_s = position_s;
    this.position_s = position_s;
    this.#wait = { reason: "start", since_ms: now_ms };
  }

  // Seconds that are buffered ahead.
  get level_s() { return this.#end_s - this.position_s; }

  // Where the buffer ends.
  get end_s() { return this.#end_s; }

  get ended() { return this.position_s >= this.#duration_s; }

  get played_s() { return this.#played_s; }

  // Of the time since the first picture, without that of seeks, how much stood still: 0 to 1.
  get stalledShare() {
    const played_ms = this.#played_s * 1000;
    return this.#stalled_ms === 0 ? 0 : this.#stalled_ms / (this.#stalled_ms + played_ms);
  }

  // Plays on until `now_ms`, as far as the buffer reaches.
  advance(now_ms) {
    if (!this.#wait) {
      const step_s = Math.min((now_ms - this.#seen_ms) / 1000, this.level_s);
      this.position_s += step_s;
      this.#played_s += step_s;
      if (this.level_s <= 0 && !this.ended) {
        this.position_s = this.#end_s;
        this.#wait = { reason: "stall", since_ms: this.#seen_ms + step_s * 1000 };
      }
    }
    this.#seen_ms = now_ms;
  }

  // All tracks are buffered up to `end_s`. Gives the wait that this ended, if one did: `{ reason, ms }`.
  append(end_s, now_ms) {
    this.advance(now_ms);
    this.#end_s = end_s > this.#duration_s - END_S ? this.#duration_s : Math.max(this.#end_s, end_s);
    return this.level_s > 0 ? this.#resume(now_ms) : null;
  }

  // Forgets the buffer and goes elsewhere.
  seek(position_s, now_ms) {
    this.advance(now_ms);
    this.#resume(now_ms);
    this.position_s = position_s;
    this.#end_s = position_s;
    this.#wait = { reason: "seek", since_ms: now_ms };
  }

  // Ends the session; gives the wait that was under way, if one was.
  close(now_ms) {
    this.advance(now_ms);
    return this.#resume(now_ms);
  }

  #resume(now_ms) {
    if (!this.#wait) return null;
    const { reason, since_ms } = this.#wait;
    const ms = now_ms - since_ms;
    if (reason === "stall") this.#stalled_ms += ms;
    this.#wait = null;
    return { reason, ms };
  }
}
