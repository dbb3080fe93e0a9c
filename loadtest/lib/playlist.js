// HLS playlists as a viewer reads them (RFC 8216bis), with all addresses absolute.
import { resolve } from "./address.js";

// A multivariant playlist: variants with pictures by rising bandwidth, the sound of each group, and for scrubbing the
// I-frame variants by rising height, and the image playlists.
export function multivariant(text, url) {
  const found = { variants: [], audio: {}, iframes: [], images: [] };
  let streamInf = null;
  for (const line of lines(text)) {
    if (line.startsWith("#EXT-X-STREAM-INF:")) {
      streamInf = attributes(line);
    } else if (line.startsWith("#EXT-X-MEDIA:")) {
      const { TYPE: type, "GROUP-ID": group, URI: uri, DEFAULT: preferred } = attributes(line);
      if (type === "AUDIO" && uri && (preferred === "YES" || !found.audio[group])) found.audio[group] = resolve(url, uri);
    } else if (line.startsWith("#EXT-X-I-FRAME-STREAM-INF:")) {
      found.iframes.push(stream(attributes(line), url));
    } else if (line.startsWith("#EXT-X-IMAGE-STREAM-INF:")) {
      found.images.push(stream(attributes(line), url));
    } else if (!line.startsWith("#") && streamInf) {
      if (streamInf.RESOLUTION) found.variants.push(stream({ ...streamInf, URI: line }, url));
      streamInf = null;
    }
  }
  if (found.variants.length === 0) throw new Error(`${url} lists no variant with pictures`);
  found.variants.sort((a, b) => a.bandwidth_bps - b.bandwidth_bps);
  found.iframes.sort((a, b) => a.height - b.height);
  return found;
}

// A media, I-frame or image playlist: where each segment begins, in seconds, and which bytes of its file it is.
export function media(text, url) {
  const found = { init: null, segments: [], duration_s: 0, ended: false };
  let [duration_s, range] = [null, null];
  for (const line of lines(text)) {
    if (line.startsWith("#EXTINF:")) {
      duration_s = Number.parseFloat(line.slice(8));
    } else if (line.startsWith("#EXT-X-BYTERANGE:")) {
      range = line.slice(17);
    } else if (line.startsWith("#EXT-X-MAP:")) {
      const { URI: uri, BYTERANGE: bytes } = attributes(line);
      found.init = { url: resolve(url, uri), range: bytes ? span(bytes, null) : null };
    } else if (line === "#EXT-X-ENDLIST") {
      found.ended = true;
    } else if (!line.startsWith("#") && duration_s !== null) {
      const segment = { url: resolve(url, line), start_s: found.duration_s, duration_s, range: null };
      if (range) segment.range = span(range, found.segments.findLast((one) => one.url === segment.url)?.range ?? null);
      found.segments.push(segment);
      found.duration_s += duration_s;
      [duration_s, range] = [null, null];
    }
  }
  if (found.segments.length === 0) throw new Error(`${url} lists no segment`);
  return found;
}

// The index of the segment that shows `at_s`; the last one beyond the end.
export function segmentAt(segments, at_s) {
  // Sums of printed durations differ from one track to the next by parts of a millisecond.
  const slack_s = 0.001;
  const after = segments.findIndex(({ start_s }) => start_s > at_s + slack_s);
  return after === -1 ? segments.length - 1 : Math.max(0, after - 1);
}

function lines(text) {
  const all = text.split(/\r?\n/).filter((line) => line !== "");
  if (all[0] !== "#EXTM3U") throw new Error("not a playlist: it does not begin with #EXTM3U");
  return all;
}

function attributes(line) {
  const list = line.slice(line.indexOf(":") + 1).matchAll(/([A-Z0-9-]+)=("[^"]*"|[^,]*)/g);
  return Object.fromEntries([...list].map(([, name, value]) => [name, value.replace(/^"|"$/g, "")]));
}

function stream({ BANDWIDTH: bandwidth, RESOLUTION: resolution, AUDIO: audio, URI: uri }, url) {
  const height = Number(resolution?.split("x")[1] ?? 0);
  return { url: resolve(url, uri), bandwidth_bps: Number(bandwidth), height, audio: audio ?? null };
}

// `length@offset`; without an offset it begins where the range before it, of the same file, ends.
function span(text, before) {
  const [length, offset] = text.split("@").map(Number);
  const first = offset ?? (before ? before.last + 1 : 0);
  return { first, last: first + length - 1 };
}
