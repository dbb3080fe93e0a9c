// Whether bytes are whole CMAF fragments: boxes that end where the bytes end, each `mdat` after its `moof`.

const HEADER_BYTES = 8;

// `buffer` is an ArrayBuffer. Boxes of more than 4 GiB are no segments.
export function areFragments(buffer) {
  const view = new DataView(buffer);
  let [at, previous, fragments] = [0, "", 0];
  while (at + HEADER_BYTES <= buffer.byteLength) {
    const size = view.getUint32(at);
    const type = String.fromCharCode(...new Uint8Array(buffer, at + 4, 4));
    if (size < HEADER_BYTES || (type === "mdat" && previous !== "moof")) return false;
    if (type === "mdat") fragments += 1;
    [at, previous] = [at + size, type];
  }
  return at === buffer.byteLength && fragments > 0;
}
