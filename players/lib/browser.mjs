// A real Chromium and a page with the real players, served from another origin than the streams.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const here = new URL("../", import.meta.url).pathname;
const types = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css" };

// Serves this folder and the test kit's counter reader.
export async function pages() {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://x").pathname);
    const file = path.startsWith("/testkit/") ? join(here, "../testkit/js", path.slice(9)) : join(here, path);
    try {
      const body = await readFile(file);
      response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }) };
}

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio"],
});

// A page with the harness. `failed` gathers every request that did not succeed; a test expects none.
export async function open(browser, base) {
  const page = await browser.newPage();
  const failed = [];
  const note = (line) => failed.push(line);
  page.on("requestfailed", (request) => {
    // A player that changes its mind aborts; that is no failure of the server.
    if (request.failure()?.errorText !== "net::ERR_ABORTED") note(`${request.failure()?.errorText} ${request.url()}`);
  });
  page.on("response", (response) => { if (response.status() >= 400) note(`${response.status()} ${response.url()}`); });
  page.on("pageerror", (error) => note(`page: ${error.message}`));
  await page.goto(`${base}/pages/harness.html`);
  await page.waitForFunction(() => globalThis.harness);
  const call = (name, ...args) => page.evaluate(([method, values]) => globalThis.harness[method](...values), [name, args]);
  return { page, failed, call, errors: () => page.evaluate(() => globalThis.harness.errors) };
}
