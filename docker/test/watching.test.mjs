// The dashboard asks for nothing that nobody counts, and the files of this folder agree with one another.
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";

const root = new URL("../../", import.meta.url);
const read = (path) => readFile(new URL(path, root), "utf8");

async function sources(folder) {
  const names = await readdir(new URL(folder, root), { recursive: true });
  const texts = await Promise.all(names.filter((name) => name.endsWith(".rs")).map((name) => read(`${folder}/${name}`)));
  return texts.join("\n");
}

test("every figure on the dashboard is counted by the product, with the labels that it is grouped by", async () => {
  const { panels } = JSON.parse(await read("docker/grafana/dashboards/vidstream.json"));
  const counted = (await Promise.all(["origin/src", "packager/src", "catalog/src"].map(sources))).join("\n");
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  assert.ok(queries.length > 20, `${queries.length} queries`);
  for (const query of queries) {
    for (const [name] of query.matchAll(/vidstream_[a-z_]+/g)) assert.ok(counted.includes(`!("${name}"`), `${name} in ${query}`);
    for (const [, labels] of query.matchAll(/by \(([a-z, ]+)\)/g)) {
      for (const label of labels.split(", ").filter((one) => one !== "instance")) assert.ok(counted.includes(`"${label}" =>`), `${label} in ${query}`);
    }
  }
});

test("panels have places of their own", async () => {
  const { panels } = JSON.parse(await read("docker/grafana/dashboards/vidstream.json"));
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`));
  assert.equal(new Set(cells).size, cells.length);
  assert.ok(panels.every(({ gridPos: { x, w } }) => x + w <= 24));
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

test("origins that the proxy and Prometheus name are services", async () => {
  const compose = await read("docker/compose.yaml");
  for (const path of ["docker/nginx.conf", "docker/prometheus.yml"]) {
    const hosts = [...(await read(path)).matchAll(/\b(origin-\d):\d+/g)].map(([, host]) => host);
    assert.deepEqual(hosts, ["origin-1", "origin-2"], path);
    for (const host of hosts) assert.match(compose, new RegExp(`^  ${host}: `, "m"));
  }
});
