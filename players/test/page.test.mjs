// Our own page as a viewer uses it: upload, live list, player, previews on hover.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch } from "../lib/browser.mjs";
import { HLS_PATIENT } from "../lib/patient.mjs";
import { clip, serve, start, temporary } from "../lib/vidstream.mjs";
import { read } from "../../testkit/js/counter.mjs";

const SECONDS = 12;
const FPS = 30;

let server, browser, folder;

before(async () => {
  folder = await temporary(null, "page");
  server = await serve(`${folder}/data`);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

// What the tile shows: its part of the sheet, as its style says.
async function tilePicture(page) {
  return page.evaluate(async () => {
    const { style } = document.querySelector(".tile");
    const [, url] = /^url\("(.+)"\)$/.exec(style.backgroundImage);
    const [x, y] = [-parseFloat(style.backgroundPositionX), -parseFloat(style.backgroundPositionY)];
    const [width, height] = [parseFloat(style.width), parseFloat(style.height)];
    const sheet = await createImageBitmap(await (await fetch(url)).blob());
    const pen = new OffscreenCanvas(width, height).getContext("2d");
    pen.drawImage(sheet, x, y, width, height, 0, 0, width, height);
    return { data: [...pen.getImageData(0, 0, width, height).data], width, height };
  });
}

test("a file is uploaded, appears, plays and shows previews on hover", async () => {
  const file = await clip(folder, "my holiday.mp4", { seconds: SECONDS, fps: String(FPS) });
  const page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
  const outside = [];
  page.on("request", (request) => { if (!request.url().startsWith(server.url) && !/^(data|blob):/.test(request.url())) outside.push(request.url()); });
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  await page.goto(server.url);
  await page.setInputFiles("#file", file);
  await page.waitForSelector('#list li[data-state="ready"]', { timeout: 120_000 });
  assert.equal(await page.textContent("#list li .body a"), "my holiday");
  await page.click("#list li .body a");
  await page.waitForFunction(() => document.querySelector("video").readyState >= 2, null, { timeout: 15_000 });
  await page.evaluate(() => document.querySelector("video").play());
  await page.waitForFunction(() => document.querySelector("video").currentTime > 1, null, { timeout: 15_000 });
  assert.deepEqual(await page.evaluate(() => globalThis.hls.userConfig), HLS_PATIENT, "the page waits as the documentation says");
  await page.waitForFunction(async () => {
    const { views, viewers } = await fetch(`/v1/videos/${location.hash.slice(2)}/views`).then((response) => response.json());
    return views === 1 && viewers === 1;
  }, null, { timeout: 15_000 });
  // A reload goes on with the same session.
  const before = await page.evaluate(() => ({ ...sessionStorage }));
  await page.reload();
  const posted = page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/views"));
  await page.waitForFunction(() => document.querySelector("video")?.readyState >= 2, null, { timeout: 15_000 });
  await page.evaluate(() => document.querySelector("video").play());
  const { session } = (await posted).postDataJSON();
  assert.ok(Object.values(before).includes(session), session);
  await page.waitForFunction(async () => {
    const { artifacts } = await fetch(`/v1/videos/${location.hash.slice(2)}`).then((response) => response.json());
    return artifacts.storyboard.state === "ready";
  }, null, { timeout: 60_000 });
  const bar = await page.locator("#scrub").boundingBox();
  // A sheet that is not made yet: the time alone is shown, without an empty frame, and it is asked for again at the next hover.
  const missing = page.waitForResponse((response) => response.url().endsWith(".jpg") && response.status() === 404);
  await page.route("**/thumbnails/*.jpg", (route) => route.fulfill({ status: 404 }), { times: 1 });
  await page.mouse.move(bar.x + bar.width / 2, bar.y + 10);
  await missing;
  await page.waitForFunction(() => !document.querySelector(".preview").hidden && document.querySelector(".tile").hidden, null, { timeout: 10_000 });
  await page.mouse.move(bar.x + bar.width / 2, bar.y - 50);
  await page.waitForFunction(() => document.querySelector(".preview").hidden, null, { timeout: 10_000 });
  await page.mouse.move(bar.x + bar.width / 2, bar.y + 10);
  await page.mouse.move(bar.x + bar.width / 2 + 1, bar.y + 10);
  await page.waitForFunction(() => !document.querySelector(".tile").hidden && document.querySelector(".tile").style.backgroundImage, null, { timeout: 10_000 });
  assert.match(await page.textContent(".preview span"), /^0:0[56]$/);
  // Places away from whole seconds: a pixel more or less is the same tile.
  for (const second of [1, 6, 10]) {
    await page.mouse.move(bar.x + bar.width * (second + 0.5) / SECONDS, bar.y + 10);
    const label = `0:${String(second).padStart(2, "0")}`;
    await page.waitForFunction((text) => document.querySelector(".preview span").textContent === text, label, { timeout: 10_000 });
    assert.equal(read(await tilePicture(page)), second * FPS, `the tile at ${label}`);
  }
  if (process.env.SCREENSHOTS) {
    await mkdir(process.env.SCREENSHOTS, { recursive: true });
    await page.waitForLoadState("networkidle");
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/page.png` });
  }
  page.on("dialog", (dialog) => dialog.accept());
  await page.click("#list li button");
  await page.waitForSelector("#list li", { state: "detached", timeout: 15_000 });
  assert.deepEqual(outside, []);
  assert.deepEqual(faults, []);
});

test("an origin that only reads is told of a viewer once, and the page goes on without a word of it", async () => {
  const { id } = await server.upload(await clip(folder, "quiet.mp4", { seconds: 12, size: "320x180" }), "quiet");
  await server.wait(id, "ready", 120_000, (video) => video.state === "ready");
  const place = ["--set", `catalog.url=sqlite://${folder}/data/catalog.sqlite`, "--set", `store.url=file://${folder}/data`];
  const reader = await start("origin", `${folder}/reader`, ["--read-only", ...place]);
  try {
    const page = await browser.newPage();
    const [told, faults] = [[], []];
    page.on("response", (response) => { if (response.request().method() === "POST") told.push(response); });
    page.on("pageerror", (error) => faults.push(error.message));
    await page.goto(`${reader.url}/#/${id}`);
    const plays = async (time) => {
      // What begins before the stream is attached is never told how that went.
      await page.waitForFunction(() => document.querySelector("video")?.readyState >= 2, null, { timeout: 15_000 });
      await page.evaluate(() => document.querySelector("video").play());
      await page.waitForFunction((past) => document.querySelector("video").currentTime > past, time, { timeout: 15_000 });
    };
    const refused = page.waitForResponse((response) => response.request().method() === "POST", { timeout: 15_000 });
    await plays(1);
    const answer = await refused;
    assert.deepEqual([answer.status(), answer.headers()["content-type"]], [403, "application/problem+json"]);
    const before = await page.textContent("#status");
    // Each of these begins to play anew.
    for (const time of [2, 3]) {
      await page.evaluate(() => document.querySelector("video").pause());
      await plays(time);
    }
    assert.equal(told.length, 1);
    assert.equal(await page.textContent("#status"), before);
    assert.equal(before, "");
    assert.deepEqual(faults, []);
    await page.close();
  } finally {
    await reader.stop();
  }
});
