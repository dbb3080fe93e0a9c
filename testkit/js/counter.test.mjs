// The reader against strips painted by the description, and against a real clip decoded by ffmpeg.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { VALUES, checksum, read } from "./counter.mjs";

const CELLS = 24;

function painted(width, height, value) {
  const data = new Uint8ClampedArray(width * height * 4).fill(128);
  const bits = (value * 16 + checksum(value)).toString(2).padStart(CELLS, "0");
  for (let y = Math.floor((height * 29) / 32); y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const shade = bits[Math.min(CELLS - 1, Math.floor((x * CELLS) / width))] === "1" ? 255 : 0;
      data.fill(shade, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return { data, width, height };
}

test("checksums are those of the Rust twin", () => {
  assert.deepEqual([0, 1, 12_345, 0xfffff, 54_000].map(checksum), [10, 9, 11, 13, 8]);
});

test("painted strips are read at every size", () => {
  for (const [width, height] of [[1280, 720], [426, 240], [160, 90], [90, 160]]) {
    for (const value of [0, 1, 12_345, VALUES - 1]) {
      assert.equal(read(painted(width, height, value)), value, `${width}x${height} ${value}`);
    }
  }
});

test("a tile is read from its region of a sheet", () => {
  const [tile, sheet] = [painted(160, 90, 77), painted(320, 180, 5)];
  for (let y = 0; y < 90; y += 1) {
    const row = tile.data.subarray(y * 160 * 4, (y + 1) * 160 * 4);
    sheet.data.set(row, ((y + 20) * 320 + 100) * 4);
  }
  assert.equal(read(sheet, { x: 100, y: 20, width: 160, height: 90 }), 77);
  assert.equal(read(sheet, { x: 200, y: 20, width: 160, height: 90 }), null);
});

test("plain pictures and wrong cells have no counter", () => {
  for (const shade of [0, 128, 255]) {
    const data = new Uint8ClampedArray(160 * 90 * 4).fill(shade);
    assert.equal(read({ data, width: 160, height: 90 }), null);
  }
  const wrong = painted(240, 90, 1000);
  for (let y = 80; y < 90; y += 1) {
    const cell = wrong.data.subarray((y * 240 + 50) * 4, (y * 240 + 60) * 4);
    cell.forEach((shade, at) => {
      cell[at] = 255 - shade;
    });
  }
  assert.equal(read(wrong), null);
});

test("a clip's decoded frames are read", (context) => {
  const testkit = process.env.TESTKIT;
  if (!testkit) {
    context.diagnostic("TESTKIT is not set to the testkit binary: clips are read by the Rust tests only");
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "counter-"));
  try {
    const clip = join(folder, "clip.mp4");
    execFileSync(testkit, ["generate", "--seconds", "2", "--size", "320x180", "--fps", "25", clip]);
    const args = ["-v", "error", "-i", clip, "-f", "rawvideo", "-pix_fmt", "rgba", "pipe:1"];
    const pixels = execFileSync("ffmpeg", args, { maxBuffer: 64 * 2 ** 20 });
    const bytes = 320 * 180 * 4;
    for (let frame = 0; frame < 50; frame += 1) {
      const data = pixels.subarray(frame * bytes, (frame + 1) * bytes);
      assert.equal(read({ data, width: 320, height: 180 }), frame);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
