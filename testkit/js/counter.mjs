// The frame counter's reader for browsers and Node; the strip is described once, in testkit/src/counter.rs.

const BITS = 20;
const CHECK_BITS = 4;
const CELLS = BITS + CHECK_BITS;
const UNCLEAR = { from: 110, to: 146 };
const BYTES_PER_PIXEL = 4;

/** Counter modulo this is what the strip holds. */
export const VALUES = 2 ** BITS;

/** @typedef {{ data: ArrayLike<number>, width: number, height: number }} Pixels  RGBA, as ImageData has them */
/** @typedef {{ x: number, y: number, width: number, height: number }} Region  a picture's place in the pixels */

/**
 * The counter of a picture of any size, or null if there is none to be sure of.
 * @param {Pixels} pixels
 * @param {Region} [region] where the picture is, such as one tile of a sheet; else all of it
 * @returns {number | null}
 */
export function read(pixels, region = { x: 0, y: 0, width: pixels.width, height: pixels.height }) {
  const cells = [];
  for (let cell = 0; cell < CELLS; cell += 1) {
    const mean = meanOf(pixels, middleOf(region, cell));
    if (mean === null || (mean >= UNCLEAR.from && mean <= UNCLEAR.to)) return null;
    cells.push(mean > UNCLEAR.to ? 1 : 0);
  }
  const value = number(cells.slice(0, BITS));
  return number(cells.slice(BITS)) === checksum(value) ? value : null;
}

/**
 * The counter of what a video, image or canvas shows now, or null. Sources of another origin need CORS.
 * @param {HTMLVideoElement | HTMLImageElement | HTMLCanvasElement} source
 * @param {Region} [region] a part of the source, such as one tile of a sheet
 * @returns {number | null}
 */
export function readElement(source, region) {
  const width = source.videoWidth ?? source.naturalWidth ?? source.width;
  const height = source.videoHeight ?? source.naturalHeight ?? source.height;
  if (!width || !height) return null;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, width, height);
  return read(context.getImageData(0, 0, width, height), region);
}

/**
 * CRC-4 (x^4 + x + 1) of the counter, XOR 0b1010.
 * @param {number} value
 * @returns {number}
 */
export function checksum(value) {
  let crc = 0;
  for (let bit = BITS - 1; bit >= 0; bit -= 1) {
    const top = (crc >> 3) & 1;
    crc = (crc << 1) & 0xf;
    if ((top ^ ((value >> bit) & 1)) === 1) crc ^= 0b0011;
  }
  return crc ^ 0b1010;
}

/** The middle third of a cell, at least one pixel. */
function middleOf(region, cell) {
  const left = region.x + Math.floor(((cell * 3 + 1) * region.width) / (CELLS * 3));
  const right = region.x + Math.floor(((cell * 3 + 2) * region.width) / (CELLS * 3));
  const top = region.y + Math.floor((region.height * 30) / 32);
  const bottom = region.y + Math.floor((region.height * 31) / 32);
  return { left, right: Math.max(right, left + 1), top, bottom: Math.max(bottom, top + 1) };
}

/** Mean luma (BT.709) of an area, or null where there are no such pixels. */
function meanOf(pixels, area) {
  if (area.left < 0 || area.top < 0 || area.right > pixels.width || area.bottom > pixels.height) return null;
  let sum = 0;
  for (let y = area.top; y < area.bottom; y += 1) {
    for (let x = area.left; x < area.right; x += 1) {
      const at = (y * pixels.width + x) * BYTES_PER_PIXEL;
      sum += 0.2126 * pixels.data[at] + 0.7152 * pixels.data[at + 1] + 0.0722 * pixels.data[at + 2];
    }
  }
  return sum / ((area.right - area.left) * (area.bottom - area.top));
}

function number(bits) {
  return bits.reduce((value, bit) => value * 2 + bit, 0);
}
