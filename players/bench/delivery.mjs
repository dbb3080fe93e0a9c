// Processor time of the server for each request, against nginx with the same files: a playlist, a segment of a small
// rung and one of the top rung, from memory, over kept connections. Medians of runs side by side.
import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { figure, verdict } from "../lib/figures.mjs";
import { childrenOf, cpuOf, median } from "../lib/measure.mjs";
import { run, runs, serve, temporary, until } from "../lib/vidstream.mjs";

const RUNS = runs(5);
const READY_MS = 120_000;
// Of the files that there are, the one with the nearest size is taken, which may be off by this part of it.
const OFF_MAX = 0.05;
const CASES = [
  { name: "playlist", bytes: 3_000, path: /^audio\/index\.m3u8$/, bound: 0.9 },
  { name: "segment", bytes: 200_000, path: /\.m4s$/, bound: 1.4 },
  { name: "segment", bytes: 1_200_000, path: /\.m4s$/, bound: 1.0 },
];
// Noise that is coarse enough to be left in the smallest rung takes all bits that a rung may have, which grow with its height to
// the power of 1.5: four seconds of 632 lines come to 1.2 MB, of 200 lines to 200 KB. Rungs beside these, eight in a hundred
// apart in bytes, make up for what encoders do otherwise.
const HEIGHTS = [664, 632, 600, 220, 210, 200, 190];
const LOAD = { seconds: 2, threads: 1, connections: 16 };
const NGINX_MS = 5000;
const THREADS = cpus().length;

const folder = await temporary(null, "bench");
const server = await serve(join(folder, "data"), ["--set", `ladder.heights=${HEIGHTS}`], { RUST_LOG: "warn" });

// Sound alone has small segments, so that its playlist is long without much work.
async function upload(name, input) {
  const file = join(folder, name);
  await run("ffmpeg", ["-hide_banner", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", ...input, file]);
  const { id } = await server.upload(file, name);
  const video = await server.wait(id, "ready video", READY_MS, (seen) => seen.state === "ready");
  return `/v/${video.id}/1/`;
}

// Every playlist and segment of a video, with its size.
async function files(base) {
  const master = await (await fetch(`${server.url}${base.replace("1/", "master.m3u8")}`)).text();
  const tracks = [...new Set([...master.matchAll(/1\/(\w+)\/index\.m3u8/g)].map((match) => match[1]))];
  const found = [];
  const add = async (path) => {
    const response = await fetch(`${server.url}${base}${path}`, { method: "HEAD", headers: { "accept-encoding": "identity" } });
    found.push({ url: base + path, path, bytes: Number(response.headers.get("content-length")) });
  };
  for (const track of tracks) {
    await add(`${track}/index.m3u8`);
    const playlist = await (await fetch(`${server.url}${base}${track}/index.m3u8`)).text();
    for (const line of playlist.split("\n").filter((text) => text.endsWith(".m4s"))) await add(`${track}/${line}`);
  }
  return found;
}

async function nginx(root) {
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const config = join(folder, "nginx.conf");
  await writeFile(config, `
    worker_processes ${THREADS};
    daemon off;
    pid ${folder}/nginx.pid;
    error_log ${folder}/nginx.log;
    ${process.getuid() === 0 ? "user root;" : ""}
    events { worker_connections 1024; }
    http {
      access_log off;
      sendfile on;
      tcp_nopush on;
      open_file_cache max=1000 inactive=60s;
      keepalive_requests 100000000;
      types { application/vnd.apple.mpegurl m3u8; video/mp4 m4s; }
      ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/nginx-${name};`).join(" ")}
      server { listen 127.0.0.1:${port}; root ${root}; }
    }`);
  const child = spawn("nginx", ["-p", folder, "-c", config, "-e", join(folder, "nginx.log")], { stdio: "ignore" });
  const pids = await until("nginx", NGINX_MS, async () => {
    const workers = await childrenOf(child.pid);
    return workers.length === THREADS && workers;
  });
  return { url: `http://127.0.0.1:${port}`, pids, stop: () => child.kill("SIGTERM") };
}

// Processor microseconds of the server's processes for each request of a load.
async function cost(pids, url) {
  const before = await cpuOf(pids);
  const { stdout } = await run("wrk", ["-t", String(LOAD.threads), "-c", String(LOAD.connections), "-d", `${LOAD.seconds}s`, url]);
  const seconds = await cpuOf(pids) - before;
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url}: ${stdout}`);
  return seconds / Number(/(\d+) requests in/.exec(stdout)[1]) * 1e6;
}

const sources = [
  ["sound.m4a", ["sine=frequency=440:duration=460", "-c:a", "aac"]],
  ["noise.mp4", ["testsrc2=size=426x240:rate=25:duration=12,noise=alls=60:allf=t,scale=1280:720:flags=neighbor", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "25"]],
];
try {
  const all = [];
  for (const [name, input] of sources) all.push(...await files(await upload(name, input)));
  const root = join(folder, "root");
  const chosen = CASES.map((wanted) => {
    const fitting = all.filter(({ path }) => wanted.path.test(path));
    const off = (file) => Math.abs(file.bytes - wanted.bytes);
    const file = fitting.reduce((best, other) => (off(other) < off(best) ? other : best));
    if (off(file) > wanted.bytes * OFF_MAX) throw new Error(`no ${wanted.name} of about ${wanted.bytes} bytes: ${file.path} has ${file.bytes}`);
    return { ...wanted, file };
  });
  for (const { file } of chosen) {
    await mkdir(dirname(join(root, file.url)), { recursive: true });
    await writeFile(join(root, file.url), Buffer.from(await (await fetch(server.url + file.url)).arrayBuffer()));
  }
  const rival = await nginx(root);
  try {
    for (const { name, file, bound } of chosen) {
      const [ours, theirs] = [[], []];
      for (let turn = 0; turn < RUNS; turn += 1) {
        ours.push(await cost([server.child.pid], server.url + file.url));
        theirs.push(await cost(rival.pids, rival.url + file.url));
      }
      const label = `CPU a request, ${name} of ${(file.bytes / 1000).toFixed(file.bytes < 10_000 ? 1 : 0)} KB`;
      figure("delivery", { name: label, unit: "µs", ours: median(ours), theirs: median(theirs), rival: "nginx", bound });
    }
  } finally {
    rival.stop();
  }
} finally {
  await server.stop();
}
process.exit(verdict());
