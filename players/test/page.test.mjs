// Our own page as a viewer uses it: upload, live list, player, previews on hover.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch } from "../lib/browser.mjs";
import { clip, serve, temporary } from "../lib/vidstream.mjs";

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

test("a file is uploaded, appears, plays and shows previews on hover", async () => {
  const file = await clip(folder, "my holiday.mp4", { seconds: 12 });
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
  const bar = await page.locator("#scrub").boundingBox();
  await page.mouse.move(bar.x + bar.width / 2, bar.y + 10);
  await page.mouse.move(bar.x + bar.width / 2 + 1, bar.y + 10);
  await page.waitForFunction(() => !document.querySelector(".tile").hidden && document.querySelector(".tile").style.backgroundImage, null, { timeout: 10_000 });
  assert.match(await page.textContent(".preview span"), /^0:0[56]$/);
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
