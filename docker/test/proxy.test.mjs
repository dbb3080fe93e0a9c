// The caching proxy as compose.yaml starts it, nginx with this folder's configuration, before two real origins.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { clip, serve, start, temporary, until } from "../../players/lib/vidstream.mjs";
import { freePort } from "../cluster/part.mjs";
import { proxy } from "../cluster/servers.mjs";

const VIEWERS = 40;
const READY_MS = 120_000;
const STOP_WAIT_MS = 5_000;
const HELLO_MS = 5_000;
const LINE_MS = 5_000;
const TOKEN = "only-for-this-test";

let folder, origins, front, url, id;

before(async () => {
  folder = await temporary(null, "proxy");
  const token = join(folder, "token");
  await writeFile(token, TOKEN);
  const data = join(folder, "data");
  const shared = ["--set", `auth.token_file=${token}`, "--set", "origin.trusted_proxies=127.0.0.1"];
  const logging = { RUST_LOG: "info" };
  origins = [await serve(data, shared, logging)];
  const place = ["--set", `catalog.url=sqlite://${data}/catalog.sqlite`, "--set", `store.url=file://${data}`];
  origins.push(await start("origin", join(folder, "other"), [...shared, ...place], logging));
  origins[0].admin = `http://${(await readFile(join(data, "admin.addr"), "utf8")).trim()}`;
  origins[1].admin = `http://${(await readFile(join(folder, "other/admin.addr"), "utf8")).trim()}`;
  front = await proxy(folder, origins.map((origin) => new URL(origin.url).host), await freePort());
  await front.start();
  url = front.address;
});

after(async () => {
  await front?.stop(STOP_WAIT_MS);
  await Promise.all((origins ?? []).map((origin) => origin.stop()));
  await rm(folder, { recursive: true, force: true });
});

// What both origins were asked so far on a route.
async function asked(route) {
  const texts = await Promise.all(origins.map(async ({ admin }) => (await fetch(`${admin}/metrics`)).text()));
  const line = new RegExp(`^vidstream_requests_total\\{.*route="${route}".*\\} (\\d+)$`, "gm");
  return texts.flatMap((text) => [...text.matchAll(line)]).reduce((sum, [, count]) => sum + Number(count), 0);
}

const get = (path, headers = {}) => fetch(url + path, { headers });

async function all(path, headers) {
  const response = await get(path, headers);
  return { response, body: Buffer.from(await response.arrayBuffer()) };
}

test("an upload goes through to an origin, with the token and not without", async () => {
  const file = await clip(folder, "clip.mp4", { seconds: 12, size: "426x240" });
  const body = await readFile(file);
  const upload = (headers) => fetch(`${url}/v1/videos?title=film`, { method: "PUT", body, headers });
  assert.equal((await upload({})).status, 401);
  const response = await upload({ authorization: `Bearer ${TOKEN}` });
  assert.equal(response.status, 202);
  ({ id } = await response.json());
  await origins[0].wait(id, "ready", READY_MS, ({ state }) => state === "ready");
});

test("many who ask for a segment at once are one request to the origins", async () => {
  const path = `/v/${id}/1/240p/2.m4s`;
  const answers = await Promise.all(Array.from({ length: VIEWERS }, (_, n) => all(`${path}?viewer=${n}`)));
  const digests = new Set(answers.map(({ body }) => createHash("sha256").update(body).digest("hex")));
  assert.equal(digests.size, 1);
  assert.ok(answers.every(({ response }) => response.status === 200));
  assert.equal(answers.filter(({ response }) => response.headers.get("x-cache") === "MISS").length, 1);
  assert.equal(await asked("segment"), 1);
  const part = await all(path, { range: "bytes=10-109" });
  assert.deepEqual([part.response.status, part.response.headers.get("x-cache")], [206, "HIT"]);
  assert.deepEqual(part.body, answers[0].body.subarray(10, 110));
  const head = await fetch(url + path, { method: "HEAD" });
  assert.equal(head.headers.get("content-length"), String(answers[0].body.length));
  const unchanged = await get(path, { "if-none-match": head.headers.get("etag") });
  assert.equal(unchanged.status, 304);
  assert.equal(await asked("segment"), 1, "parts, heads and conditions are answered from the copy");
});

test("documents are kept once for each coding, whatever browsers write in their lists", async () => {
  const path = `/v/${id}/1/240p/index.m3u8`;
  const rows = [
    ["gzip, deflate", "gzip", "MISS"], ["gzip", "gzip", "HIT"], ["gzip, deflate, br, zstd", "zstd", "MISS"],
    ["zstd;q=0, br", "br", "MISS"], ["br, deflate;q=0.5", "br", "HIT"], ["identity", null, "MISS"], ["*;q=0.1", null, "HIT"],
  ];
  for (const [list, coding, cache] of rows) {
    const { headers } = await get(path, { "accept-encoding": list });
    assert.deepEqual([headers.get("content-encoding"), headers.get("x-cache")], [coding, cache], list);
    assert.match(headers.get("vary"), /accept-encoding/i);
  }
});

test("what is not there is not kept, and every answer can be read from another website", async () => {
  const missing = `/v/${id}/1/240p/99.m4s`;
  for (const path of [missing, missing, `/v/${id}/master.m3u8`, `/v/${id}/1/240p/1.m4s`]) {
    const { status, headers } = await get(path);
    assert.equal(status, path === missing ? 404 : 200);
    assert.equal(headers.get("x-cache"), "MISS");
    assert.equal(headers.get("access-control-allow-origin"), "*", path);
  }
});

test("live updates go through", async () => {
  const hello = await new Promise((resolve, reject) => {
    const headers = { "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==" };
    const asking = request(`${url}/v1/ws`, { headers, timeout: HELLO_MS });
    asking.once("error", reject).once("timeout", () => asking.destroy(new Error("no answer")));
    asking.once("response", ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
    asking.once("upgrade", (_, socket, first) => {
      const told = (bytes) => { socket.destroy(); resolve(bytes.toString()); };
      if (first.length > 0) told(first); else socket.once("data", told);
    });
    asking.end();
  });
  assert.match(hello, /"hello"/);
});

test("origins know which client came through the proxy, whatever it wrote itself", async () => {
  const path = `/v/${id}/1/240p/98.m4s`;
  const status = await new Promise((resolve, reject) => {
    // Another address of this machine, which is no proxy.
    const asking = request(url + path, { localAddress: "127.0.0.2", headers: { "x-forwarded-for": "203.0.113.9" } });
    asking.once("error", reject).once("response", (response) => { response.resume(); resolve(response.statusCode); }).end();
  });
  assert.equal(status, 404);
  const told = () => origins.flatMap(({ log }) => log().split("\n")).find((line) => line.includes(path) && line.includes("status=404"));
  assert.match(await until("line of the request", LINE_MS, told), / client=127\.0\.0\.2 peer=127\.0\.0\.1:\d+ /);
});

test("without one origin everything goes on, without both what was asked before", async () => {
  await origins[1].stop();
  for (const number of [1, 2, 3]) assert.equal((await get(`/v/${id}/1/audio/${number}.m4s`)).status, 200);
  await origins[0].stop();
  const kept = await get(`/v/${id}/1/audio/2.m4s`);
  assert.deepEqual([kept.status, kept.headers.get("x-cache")], [200, "HIT"]);
  assert.equal((await get(`/v/${id}/master.m3u8`)).status, 200);
  const lost = await get(`/v/${id}/1/240p/3.m4s`);
  assert.equal(lost.status, 502);
  assert.equal(lost.headers.get("access-control-allow-origin"), "*");
});
