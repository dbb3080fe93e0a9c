// `make cluster`: starts the set of compose.yaml on this machine, says where everything is, and ends it all at Ctrl-C.
//   node main.mjs EXECUTABLES    the folder of `vidstream` and `testkit`
// PORT= is the proxy's; what is in DATA= is kept, else a temporary folder is used.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cluster } from "./cluster.mjs";
import { freePort } from "./part.mjs";

const [UNAVAILABLE, SIGNALS] = [69, ["SIGINT", "SIGTERM", "SIGHUP"]];
const say = (line) => console.log(line);
const [programs] = process.argv.slice(2).map((path) => resolve(path));
const port = Number(process.env.PORT || 8080);
const kept = process.env.DATA && resolve(process.env.DATA);

let running = null;
let ending = false;
let folder = kept;

async function end(code) {
  if (ending) return;
  ending = true;
  await running?.stop();
  if (folder && !kept) await rm(folder, { recursive: true, force: true });
  process.exit(code);
}
for (const signal of SIGNALS) process.on(signal, () => end(0));

try {
  if (!await freePort(port)) throw new Error(`port ${port} is in use: stop what listens there, or choose another with PORT=`);
  folder ||= await mkdtemp(join(tmpdir(), "vidstream-cluster-"));
  await mkdir(folder, { recursive: true });
  running = await cluster(folder, programs, port);
  for (const part of running.all) part.onEnd = (how) => say(`${part.name} ended with ${how}, and is started again`);
  const width = Math.max(...running.all.map(({ name }) => name.length));
  await running.start(({ name, pid, address, admin }) => {
    const more = [address, admin && `admin ${admin}`].filter(Boolean).join("  ");
    say(`${name.padEnd(width)}  process ${String(pid).padEnd(7)}  ${more}`.trimEnd());
  });
  say(`
page and streams   ${running.url}
figures            ${running.part("prometheus").address}
add a film         ${running.program} add FILM --server ${running.url} --token-file ${running.token}
other commands     . ${join(folder, "env")} && ${running.program} fsck
break it           kill -9 PROCESS: it is started again; kill -STOP PROCESS, and later kill -CONT PROCESS
logs               ${folder}/*.log
serving until Ctrl-C`);
} catch (error) {
  console.error(error.message);
  await end(UNAVAILABLE);
}
