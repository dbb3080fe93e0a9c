// The servers that vidstream meets in, and the proxy before it: each as a part, on a free port of loopback.
import { spawnSync } from "node:child_process";
import { access, chmod, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../players/lib/vidstream.mjs";
import { ASK_WAIT_MS, Part, freePort } from "./part.mjs";

const USER = "vidstream";
const BUCKET = "vidstream";
const REGION = "us-east-1";
// Files that hold the secret are for their owner alone.
export const SECRET = { mode: 0o600 };
const isRoot = process.getuid() === 0;

export const ask = (url) => fetch(url, { signal: AbortSignal.timeout(ASK_WAIT_MS) });
const isThere = (path) => access(path).then(() => true, () => false);

// PostgreSQL, of which Debian keeps the programs of each version off the PATH. It refuses to run as root.
export async function postgres(folder, secret) {
  const home = join(folder, "postgres");
  const versions = (await readdir("/usr/lib/postgresql")).map(Number).sort((a, b) => b - a);
  const bin = `/usr/lib/postgresql/${versions[0]}/bin`;
  const user = isRoot ? ["--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];
  const once = (program, args, input) => {
    const { status, stderr, error } = spawnSync("setpriv", [...user, `${bin}/${program}`, ...args], { input, cwd: "/", encoding: "utf8" });
    if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr}`);
  };
  if (!await isThere(join(home, "PG_VERSION"))) {
    await mkdir(home, { recursive: true });
    if (isRoot) await run("chown", ["postgres:postgres", home]);
    // There is no socket on which somebody could be trusted.
    once("initdb", ["-D", home, "-U", USER, "--auth-host=scram-sha-256", "--auth-local=trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    once("postgres", ["--single", "-D", home, "postgres"], `ALTER USER ${USER} PASSWORD '${secret}';\nCREATE DATABASE ${USER};\n`);
  }
  const port = await freePort();
  const args = ["-D", home, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="];
  const answers = async () => run("pg_isready", ["-q", "-h", "127.0.0.1", "-p", String(port)]).then(() => true);
  const part = new Part("postgres", folder, [...user, `${bin}/postgres`, ...args], { answers, signal: "SIGINT", address: `127.0.0.1:${port}` });
  return [part, { VIDSTREAM_CATALOG_URL: `postgres://${USER}:${secret}@127.0.0.1:${port}/${USER}` }];
}

export async function redis(folder, secret) {
  const home = join(folder, "redis");
  await mkdir(home, { recursive: true });
  const port = await freePort();
  const lines = ["bind 127.0.0.1", `port ${port}`, `dir "${home}"`, `requirepass ${secret}`, 'save ""', "appendonly yes", "appendfsync everysec"];
  await writeFile(join(home, "redis.conf"), `${lines.join("\n")}\n`, SECRET);
  const asking = { env: { ...process.env, REDISCLI_AUTH: secret }, timeout: ASK_WAIT_MS };
  const answers = async () => (await run("redis-cli", ["-h", "127.0.0.1", "-p", String(port), "ping"], asking)).stdout === "PONG\n";
  const part = new Part("redis", folder, ["redis-server", join(home, "redis.conf")], { answers, address: `127.0.0.1:${port}` });
  return [part, { VIDSTREAM_EVENTS_URL: `redis://default:${secret}@127.0.0.1:${port}/0` }];
}

// The test kit's server, or the versitygw that TEST_S3 names.
export async function s3(folder, secret, testkit) {
  const buckets = join(folder, "s3/buckets");
  await mkdir(join(buckets, BUCKET), { recursive: true });
  await mkdir(join(folder, "s3/attributes"), { recursive: true });
  const address = `127.0.0.1:${await freePort()}`;
  const gateway = process.env.TEST_S3;
  const words = gateway ? [gateway, "posix", buckets] : [testkit, "s3", buckets, address];
  const own = { AWS_ACCESS_KEY_ID: USER, AWS_SECRET_ACCESS_KEY: secret };
  // Not every file system has attributes.
  const other = { VGW_PORT: address, VGW_REGION: REGION, VGW_META_SIDECAR: join(folder, "s3/attributes"), ROOT_ACCESS_KEY_ID: USER, ROOT_SECRET_ACCESS_KEY: secret };
  const answers = async () => (await ask(`http://${address}/`)).status > 0;
  const part = new Part("s3", folder, words, { answers, env: gateway ? other : own, address });
  return [part, { VIDSTREAM_STORE_URL: `s3://${BUCKET}`, AWS_ENDPOINT_URL: `http://${address}`, AWS_ALLOW_HTTP: "true", AWS_REGION: REGION, ...own }];
}

// nginx with the configuration of the image, before these two; addresses and folders are this cluster's.
export async function proxy(folder, hosts, port) {
  const home = join(folder, "proxy");
  await mkdir(home, { recursive: true });
  const text = await readFile(new URL("../nginx.conf", import.meta.url), "utf8");
  const own = text.replaceAll(" /tmp/", ` ${home}/`).replaceAll("/var/cache/nginx/", `${home}/cache-`)
    .replace("listen 8080", `listen 127.0.0.1:${port}`).replace("origin-1:8080", hosts[0]).replace("origin-2:8080", hosts[1]);
  const config = join(home, "nginx.conf");
  await writeFile(config, own);
  const directives = `daemon off;${isRoot ? " user root;" : ""}`;
  const url = `http://127.0.0.1:${port}`;
  const answers = async () => (await ask(`${url}/-/healthz`)).ok;
  return new Part("proxy", folder, ["nginx", "-p", home, "-c", config, "-e", "stderr", "-g", directives], { answers, orphan: "TERM", address: url });
}

// Prometheus with the configuration of the compose file; `hosts` has the admin listener of each service.
export async function prometheus(folder, hosts) {
  const home = join(folder, "prometheus");
  await mkdir(home, { recursive: true });
  const text = await readFile(new URL("../prometheus.yml", import.meta.url), "utf8");
  const own = Object.entries(hosts).reduce((all, [name, host]) => all.replace(`${name}:9090`, host), text);
  await writeFile(join(home, "prometheus.yml"), own);
  const address = `127.0.0.1:${await freePort()}`;
  const args = [`--config.file=${home}/prometheus.yml`, `--storage.tsdb.path=${home}`, `--web.listen-address=${address}`];
  const answers = async () => (await ask(`http://${address}/-/ready`)).ok;
  return new Part("prometheus", folder, ["prometheus", ...args], { answers, address: `http://${address}` });
}

// The postgres user comes through to its own folder, and sees nothing else.
export const traversable = async (folder) => { if (isRoot) await chmod(folder, 0o711); };
