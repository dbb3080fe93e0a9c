// The set of compose.yaml as plain processes on loopback: two origins behind the caching proxy, two packagers, and the
// servers that they meet in. For people (main.mjs), and for the test that kills, pauses and restarts each of them.
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Part, freePort } from "./part.mjs";
import { SECRET, ask, postgres, prometheus, proxy, redis, s3, traversable } from "./servers.mjs";

// All have ended 5 s after they were asked to: first those that give back what they hold, then those that it is given to.
const STOP_OWN_MS = 3_000;
const STOP_SERVERS_MS = 1_500;
const SECRET_BYTES = 16;
const config = new URL("../../config/samples/cluster.toml", import.meta.url).pathname;

// Prepares everything in a folder, with the executables of another one, behind a port. `start` starts it.
export async function cluster(folder, programs, port) {
  await mkdir(folder, { recursive: true });
  await traversable(folder);
  const token = join(folder, "write_token");
  // One secret for all of it, the same as long as the folder is kept.
  const secret = await readFile(token, "utf8").catch(() => randomBytes(SECRET_BYTES).toString("hex"));
  await writeFile(token, secret, SECRET);
  const meeting = [await postgres(folder, secret), await redis(folder, secret), await s3(folder, secret, join(programs, "testkit"))];
  const servers = meeting.map(([part]) => part);
  const env = Object.assign({ VIDSTREAM_CONFIG: config }, ...meeting.map(([, variables]) => variables));
  await writeFile(join(folder, "env"), Object.entries(env).map(([name, value]) => `export ${name}='${value}'\n`).join(""), SECRET);

  const program = join(programs, "vidstream");
  const origins = [];
  const packagers = [];
  for (const n of [1, 2]) {
    const own = { VIDSTREAM_AUTH_TOKEN_FILE: token, VIDSTREAM_ORIGIN_TRUSTED_PROXIES: "127.0.0.1" };
    origins.push(await origin(`origin-${n}`, folder, program, { ...env, ...own }));
    packagers.push(await packager(`packager-${n}`, folder, program, env));
  }
  const front = await proxy(folder, origins.map(({ address }) => new URL(address).host), port);
  const watching = await prometheus(folder, Object.fromEntries([...origins, ...packagers].map(({ name, admin }) => [name, new URL(admin).host])));
  const own = [...origins, ...packagers, front, watching];
  const all = [...servers, ...own];
  return {
    url: front.address, env, token, program, all, origins, packagers,
    part: (name) => all.find((part) => part.name === name),
    // In the order of who needs whom; `began` is told of each part that serves.
    async start(began = () => {}) {
      const up = (part) => part.start().then(() => began(part));
      await Promise.all(servers.map(up));
      await Promise.all(own.map(up));
    },
    // Gives how each of our own ended: an exit code, or a signal.
    async stop() {
      const ends = await Promise.all(own.map(async (part) => [part.name, await part.stop(STOP_OWN_MS)]));
      await Promise.all(servers.map((part) => part.stop(STOP_SERVERS_MS)));
      return Object.fromEntries(ends);
    },
  };
}

async function origin(name, folder, program, env) {
  const host = `127.0.0.1:${await freePort()}`;
  return ours(name, folder, [program, "origin", "--listen", host], env, `http://${host}`);
}

// With a name of its own it takes back, after a restart, the jobs that it left behind.
async function packager(name, folder, program, env) {
  return ours(name, folder, [program, "packager"], { ...env, VIDSTREAM_WORKER_ID: name });
}

// A process with an admin listener, which is asked whether it serves.
async function ours(name, folder, command, env, address) {
  const admin = `127.0.0.1:${await freePort()}`;
  const words = [...command, "--data", join(folder, name), "--admin-listen", admin];
  const answers = async () => (await ask(`http://${admin}/readyz`)).ok;
  return Object.assign(new Part(name, folder, words, { env, answers, address }), { admin: `http://${admin}` });
}
