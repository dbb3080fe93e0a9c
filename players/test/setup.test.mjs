// scripts/setup.sh where Rust is missing or too old: one sentence, before anything is installed.
import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { run, temporary } from "../lib/vidstream.mjs";

const setup = new URL("../../scripts/setup.sh", import.meta.url).pathname;
const needs = "vidstream is built with Rust 1.95 or newer, and";
const absent = `${needs} cargo is not on the PATH: install it from https://rustup.rs and run this again.\n`;
const old = (version) => `${needs} this is ${version}: run 'rustup update stable' and try again.\n`;

// The version of Rust that is there, and what is said. A version is no decimal fraction: 1.100 is newer than 1.95.
const rows = [
  [null, absent],
  ["1.70.0", old("1.70.0")],
  ["1.94.1", old("1.94.1")],
  ["1.95.0", null],
  ["1.100.0", null],
];

// A folder of programs that stand in for those of the system; each package is there, so that nothing is installed.
async function programs(t, version) {
  const folder = join(await temporary(t, "setup"), "bin");
  await mkdir(folder);
  const fakes = {
    "dpkg-query": "printf installed",
    "apt-get": "echo apt-get was called >&2; exit 1",
    node: "echo v20.0.0",
    npm: "exit 0",
    ...(version ? { cargo: "exit 0", rustc: `echo "rustc ${version} (0123456789 2026-01-01)"` } : {}),
  };
  for (const [name, line] of Object.entries(fakes)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${line}\n`);
    await chmod(join(folder, name), 0o755);
  }
  return folder;
}

for (const [version, sentence] of rows) {
  test(`with ${version ?? "no"} Rust`, async (t) => {
    const folder = await programs(t, version);
    // Where there is to be no Rust, nothing else is on the PATH that could bring one.
    const PATH = version ? `${folder}:/usr/bin:/bin` : folder;
    for (const purpose of ["run", "test", "build-origin", "build-packager"]) {
      const done = run("/bin/bash", [setup, purpose], { env: { PATH } });
      if (sentence) await assert.rejects(done, { code: 69, stdout: "", stderr: sentence }, purpose);
      else assert.deepEqual(await done, { stdout: "", stderr: "" }, purpose);
    }
  });
}
