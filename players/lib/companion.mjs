// Examples of the workspace that a bench part works with: they answer in lines of JSON and end with their input.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { profile } from "./vidstream.mjs";

export function companion(name) {
  const child = spawn(join(profile, "examples", name), { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended with ${(await exited)[0]}`);
    return JSON.parse(value);
  };
  return {
    pid: child.pid,
    answer,
    ask() {
      child.stdin.write("\n");
      return answer();
    },
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}

// Where programs of ours meet, on the servers of the tests: flags and environment.
export async function meeting(servers) {
  const { catalog, events, store, variables } = await servers.ask();
  const flags = (settings) => Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  return { catalog, events, store, flags: flags({ "catalog.url": catalog, "events.url": events, "store.url": store }), env: variables };
}
