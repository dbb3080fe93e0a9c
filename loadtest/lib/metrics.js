// What is measured of viewers, beside what k6 measures of requests.
import { Counter, Rate, Trend } from "k6/metrics";

const TIME = true;

// From the first request to a picture that moves.
export const startupMs = new Trend("startup_ms", TIME);
// From a seek to a picture that moves.
export const seekMs = new Trend("seek_ms", TIME);
// From a movement over the seek bar, or a step of fast forward, to its picture.
export const trickMs = new Trend("trick_ms", TIME);
// Of a session's time, how much stood still, in percent; and how often.
export const stalledPercent = new Trend("stalled_percent");
export const stalls = new Counter("stalls");
// Sessions that were begun, and of those how many have not ended: k6 cuts off what goes on for too long.
export const sessions = new Counter("sessions");
export const sessionsOpen = new Counter("sessions_open");
// Sessions that came to their end; the others met an answer that no player survives.
export const sessionsWhole = new Rate("sessions_whole");
export const playedS = new Counter("played_s");
export const switches = new Counter("switches");
// The height of each segment of pictures that was taken, in pixels.
export const heightPx = new Trend("height_px");
export const mediaBytes = new Counter("media_bytes");
// Answers 503: a segment that is still being made, or a server that is full.
export const refused = new Counter("refused");
