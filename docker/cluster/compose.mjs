// The services of compose.yaml, each as the lines that hold for it: what it takes over from elsewhere in the file is put in.
import { readFile } from "node:fs/promises";

export async function services() {
  const text = await readFile(new URL("../compose.yaml", import.meta.url), "utf8");
  // A part of the file begins where a line does, and has lines that are indented or empty.
  const parts = Object.fromEntries([...text.matchAll(/^([a-z-]+):(.*\n(?:(?: .*)?\n)*)/gm)].map(([, name, lines]) => [name, lines]));
  const named = Object.fromEntries(Object.values(parts).flatMap((lines) => {
    const [, name] = /^ &([a-z-]+)(?: .*)?\n/.exec(lines) ?? [];
    return name ? [[name, lines]] : [];
  }));
  const whole = (lines) => lines.replaceAll(/\*([a-z-]+)/g, (_, name) => whole(named[name]));
  const each = parts.services.matchAll(/^ {2}([a-z0-9-]+):(.*\n(?:(?: {4}.*)?\n)*)/gm);
  return Object.fromEntries([...each].map(([, name, lines]) => [name, whole(lines)]));
}
