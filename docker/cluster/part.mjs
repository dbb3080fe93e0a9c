// One process of the cluster: started, and started again when it ends by itself, killed, paused, ended.
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { childrenOf } from "../../players/lib/measure.mjs";
import { until } from "../../players/lib/vidstream.mjs";

// Who was started answers within this.
const START_WAIT_MS = 30_000;
// A process that ended by itself is started again after this, as Docker does with `restart: unless-stopped`.
const RESTART_PAUSE_MS = 250;
// A signal that cannot be refused has its effect within this.
const SIGNAL_WAIT_MS = 5_000;
// A question to a part ends after this.
export const ASK_WAIT_MS = 4_000;
const LOG_CHARS_SHOWN = 2_000;

export class Part {
  #words; #env; #answers; #signal; #orphan;
  #child = null; #ended = null; #wanted = false; #paused = false;
  // How it ended each time that nobody had asked it to, and who is told.
  ends = [];
  onEnd = () => {};

  // `words` is the command, `answers` says whether it serves, `signal` asks it to end, `orphan` ends it when the cluster is gone;
  // what it says goes into a file of `folder`.
  constructor(name, folder, words, { answers, env = {}, signal = "SIGTERM", orphan = "KILL", address = "" }) {
    Object.assign(this, { name, address, log: `${folder}/${name}.log` });
    this.#words = words;
    this.#env = env;
    this.#answers = answers;
    this.#signal = signal;
    this.#orphan = orphan;
  }

  get pid() { return this.#child?.pid; }

  async start() {
    this.#wanted = true;
    this.#spawn();
    await this.answering();
  }

  async answering() {
    await until(`answer of ${this.name}`, START_WAIT_MS, () => this.#answers().catch(() => false)).catch(async ({ message }) => {
      throw new Error(`${message}:\n${(await readFile(this.log, "utf8")).slice(-LOG_CHARS_SHOWN)}`);
    });
  }

  // A session of its own, since Ctrl-C is for the cluster alone; and gone with the cluster, however that ends.
  #spawn() {
    const file = openSync(this.log, "a");
    const { PATH, HOME = "/", LANG = "C.UTF-8" } = process.env;
    const child = spawn("setpriv", ["--pdeathsig", this.#orphan, ...this.#words], { detached: true, stdio: ["ignore", file, file], env: { PATH, HOME, LANG, ...this.#env } });
    closeSync(file);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) => resolve(code ?? signal));
    });
    this.#ended.then((how) => {
      if (this.#child !== child) return;
      this.#child = null;
      if (!this.#wanted) return;
      this.ends.push(how);
      this.onEnd(how);
      setTimeout(() => { if (this.#wanted && !this.#child) this.#spawn(); }, RESTART_PAUSE_MS);
    });
  }

  // As `kill -9` does, and nobody starts it again. Its own children see to it that they go too.
  async kill() {
    this.#wanted = false;
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  // Asks it to end; gives its exit code, or the signal that ended it, which is SIGKILL when it takes longer than `waitMs`.
  async stop(waitMs) {
    this.#wanted = false;
    if (this.#paused) await this.resume();
    const child = this.#child;
    child?.kill(this.#signal);
    const timer = setTimeout(() => child?.kill("SIGKILL"), waitMs);
    const how = await this.#ended;
    clearTimeout(timer);
    return how;
  }

  // Stops it in the middle of what it does, with all that it has started: connections stay, and nothing answers.
  async pause() {
    this.#paused = true;
    // Who stands still starts no others: parents come first.
    const halt = async (pid) => {
      signal(pid, "SIGSTOP");
      await until(`pause of ${this.name}`, SIGNAL_WAIT_MS, async () => !(await state(pid)) || "TZ".includes(await state(pid)));
      await Promise.all((await childrenOf(pid)).map(halt));
    };
    await halt(this.pid);
  }

  async resume() {
    this.#paused = false;
    const go = async (pid) => {
      await Promise.all((await childrenOf(pid)).map(go));
      signal(pid, "SIGCONT");
    };
    await go(this.pid);
  }
}

// To a process that may have ended.
export function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

// The state of a process as proc(5) has it; empty without one.
export async function state(pid) {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).slice(0, 1).trim();
}

// Given to somebody who may not listen yet.
const given = new Set();

// A port of loopback on which nobody listens: that one, or any; null if somebody does.
export async function freePort(port = 0) {
  const found = await new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(null)).listen(port, "127.0.0.1", () => {
      const { port: own } = server.address();
      server.close(() => resolve(own));
    });
  });
  if (given.has(found) && port === 0) return freePort();
  given.add(found);
  return found;
}
