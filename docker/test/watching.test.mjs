// The dashboard asks for nothing that nobody counts, and the files of this folder agree with one another.
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { run } from "../../players/lib/vidstream.mjs";
import { services } from "../cluster/compose.mjs";
import { SCRAPE_S, panels, queries } from "../cluster/dashboard.mjs";

const root = new URL("../../", import.meta.url);
const read = (path) => readFile(new URL(path, root), "utf8");

async function sources(folder) {
  const names = await readdir(new URL(folder, root), { recursive: true });
  const texts = await Promise.all(names.filter((name) => name.endsWith(".rs")).map((name) => read(`${folder}/${name}`)));
  return texts.join("\n");
}

// Where figures are counted, and which processes say them.
const COUNTED = { "origin/src": ["origin"], "packager/src": ["packager"], "catalog/src": ["origin", "packager"] };

test("every figure on the dashboard is counted by the product, with the labels that it is grouped by", async () => {
  const counted = (await Promise.all(Object.keys(COUNTED).map(sources))).join("\n");
  const all = await queries();
  assert.ok(all.length > 20, `${all.length} queries`);
  for (const query of all) {
    for (const [name] of query.matchAll(/vidstream_[a-z_]+/g)) assert.ok(counted.includes(`!("${name}"`), `${name} in ${query}`);
    for (const [, labels] of query.matchAll(/by \(([a-z, ]+)\)/g)) {
      for (const label of labels.split(", ").filter((one) => one !== "instance")) assert.ok(counted.includes(`"${label}" =>`), `${label} in ${query}`);
    }
  }
});

test("what an origin tells of before it happens is what it counts then", async () => {
  const text = await read("origin/src/metering.rs");
  const counted = `${await sources("origin/src")}\n${await sources("catalog/src")}`;
  const names = [...text.matchAll(/"(vidstream_[a-z_]+)"/g)].map(([, name]) => name);
  assert.ok(names.length > 10, `${names}`);
  for (const name of names) assert.ok(counted.includes(`!("${name}"`), name);
  for (const [, name] of counted.matchAll(/counter!\("(vidstream_\w+)"\)/g)) assert.ok(names.includes(name), `${name} is told of when it happens first`);
  for (const [list, place] of [["WAITS_END", "delivery/segments.rs"], ["RELOADS_END", "server/tls.rs"]]) {
    const [, ends] = new RegExp(`${list}: .* = \\[(.*)\\];`).exec(text) ?? [];
    const source = await read(`origin/src/${place}`);
    for (const [, end] of ends.matchAll(/"([a-z]+)"/g)) assert.match(source, new RegExp(`=> "${end}"`), end);
  }
});

test("Prometheus asks processes that say them, and those that a query chooses are among them", async () => {
  const texts = await Promise.all(Object.keys(COUNTED).map(async (folder) => [folder, await sources(folder)]));
  const jobs = [...(await read("docker/prometheus.yml")).matchAll(/job_name: ([a-z]+)/g)].map(([, job]) => job);
  assert.ok(jobs.length > 1);
  for (const query of await queries()) {
    for (const [, job] of query.matchAll(/job="([a-z]+)"/g)) assert.ok(jobs.includes(job), query);
    for (const [, name, chosen = ""] of query.matchAll(/(vidstream_[a-z_]+)(\{[^}]*\})?/g)) {
      const saying = texts.filter(([, text]) => text.includes(`!("${name}"`)).flatMap(([folder]) => COUNTED[folder]);
      const asked = /job="([a-z]+)"/.exec(chosen)?.slice(1) ?? jobs;
      assert.ok(saying.some((kind) => asked.includes(kind)), `${name} in ${query}`);
    }
  }
});

test("Prometheus takes its configuration", async () => {
  await run("promtool", ["check", "config", new URL("docker/prometheus.yml", root).pathname]);
});

test("Grafana starts with the dashboard of this tree, and asks the Prometheus beside it", async () => {
  const source = await read("docker/grafana/provisioning/datasources/prometheus.yaml");
  const given = (text, name) => new RegExp(`^ +(?:- )?${name}: (.*)$`, "m").exec(text)?.[1];
  const asked = (await panels()).flatMap(({ datasource, targets = [] }) => [datasource, ...targets.map((target) => target.datasource)]).filter(Boolean);
  assert.ok(asked.length > 40);
  for (const one of asked) assert.deepEqual(one, { type: given(source, "type"), uid: given(source, "uid") });
  const { prometheus, grafana } = await services();
  const { hostname, port } = new URL(given(source, "url"));
  assert.equal(hostname, "prometheus");
  assert.ok(prometheus.includes(`http://127.0.0.1:${port}/`), port);
  // What $__rate_interval is made from.
  assert.equal(given(source, "timeInterval"), `${SCRAPE_S}s`);
  assert.match(await read("docker/prometheus.yml"), new RegExp(`^ +scrape_interval: ${SCRAPE_S}s$`, "m"));
  const folder = given(await read("docker/grafana/provisioning/dashboards/vidstream.yaml"), "path");
  assert.ok(grafana.includes(`"./grafana/dashboards:${folder}:ro"`), folder);
  assert.match(grafana, new RegExp(`HOME_DASHBOARD_PATH: ${folder}/vidstream\\.json$`, "m"));
});

test("panels have places of their own", async () => {
  const all = await panels();
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  const cells = all.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`));
  assert.equal(new Set(cells).size, cells.length);
  assert.ok(all.every(({ gridPos: { x, w } }) => x + w <= 24));
});

test("every setting that the compose file gives is one that the product has", async () => {
  const compose = await read("docker/compose.yaml");
  const images = await read("docker/origin.Dockerfile") + await read("docker/packager.Dockerfile");
  const keys = [...(await read("config/src/keys.rs")).matchAll(/key\(\s*"([a-z_.]+)"/g)].map(([, name]) => name);
  const known = new Set(keys.map((name) => `VIDSTREAM_${name.toUpperCase().replaceAll(".", "_")}`));
  const given = [...(compose + images).matchAll(/\b(VIDSTREAM_[A-Z_]+)\b/g)].map(([, name]) => name);
  assert.ok(given.length > 8);
  for (const name of given) assert.ok(known.has(name), name);
});

test("origins and packagers that the proxy and Prometheus name are services, at their ports", async () => {
  const compose = await read("docker/compose.yaml");
  for (const [path, port, named] of [
    ["docker/nginx.conf", "8080", ["origin-1", "origin-2"]],
    ["docker/prometheus.yml", "9090", ["origin-1", "origin-2", "packager-1", "packager-2"]],
  ]) {
    const hosts = [...(await read(path)).matchAll(/\b((?:origin|packager)-\d):(\d+)/g)];
    assert.deepEqual(hosts.map(([, host]) => host), named, path);
    assert.ok(hosts.every(([, , found]) => found === port), path);
    for (const host of named) assert.match(compose, new RegExp(`^  ${host}:`, "m"));
  }
});

test("origins believe who asks of the proxy's network alone, and the proxy says it wherever it asks", async () => {
  const compose = await read("docker/compose.yaml");
  const [, subnet] = /^x-inside: &inside (\d+\.\d+\.\d+\.0\/24)$/m.exec(compose) ?? [];
  assert.ok(subnet);
  assert.match(compose, /^ {2}inside:\n {4}internal: true\n {4}ipam: \{ config: \[\{ subnet: \*inside \}\] \}$/m);
  const { proxy, ...others } = await services();
  assert.match(proxy, /^ +networks: \[inside, outside\]$/m);
  for (const name of ["origin-1", "origin-2"]) {
    const [, trusted] = /^ +VIDSTREAM_ORIGIN_TRUSTED_PROXIES: +&inside (.*)$/m.exec(others[name]) ?? [];
    assert.equal(trusted, subnet, name);
  }
  const nginx = await read("docker/nginx.conf");
  const count = (line) => nginx.split(line).length - 1;
  assert.ok(count("proxy_set_header Host ") > 2);
  assert.equal(count("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"), count("proxy_set_header Host "));
});

test("both images say at their admin port whether they are well", async () => {
  for (const image of ["origin", "packager"]) {
    const file = await read(`docker/${image}.Dockerfile`);
    const [, port] = /VIDSTREAM_ADMIN_LISTEN=0\.0\.0\.0:(\d+)/.exec(file) ?? [];
    assert.match(file, new RegExp(`^EXPOSE .*\\b${port}$`, "m"), image);
    assert.match(file, new RegExp(`^HEALTHCHECK .*\n +CMD \\["curl", .*"http://127\\.0\\.0\\.1:${port}/readyz"\\]$`, "m"), image);
    assert.match(await read("scripts/setup.sh"), new RegExp(`^ +run-${image}\\).* curl`, "m"), image);
  }
});

test("no service has more rights than it needs, and none fills the disk with what it says", async () => {
  const all = await services();
  assert.ok(Object.keys(all).length > 8);
  for (const [name, lines] of Object.entries(all)) {
    for (const line of ["cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]', "restart: unless-stopped", "options: { max-size: 10m, max-file: \"3\" }"]) {
      assert.ok(lines.includes(`  ${line}\n`), `${name}: ${line}`);
    }
    assert.doesNotMatch(lines, /privileged: true|cap_add|network_mode|docker\.sock/, name);
    if (!/^ +image: vidstream-/m.test(lines)) continue;
    assert.match(lines, /^ +read_only: true$/m, name);
    const [, user] = /^ +user: "(\d+:\d+)"$/m.exec(lines) ?? [];
    const image = await read(`docker/${name.replace(/-\d$/, "")}.Dockerfile`);
    assert.equal(user, /^USER (\d+:\d+)$/m.exec(image)?.[1], name);
    assert.ok(user && !user.startsWith("0:"), name);
  }
});
