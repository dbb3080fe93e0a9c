// Gathers what the origin embeds: our own files and hls.js, into dist/.
import { cp, mkdir, rm } from "node:fs/promises";

const here = new URL("./", import.meta.url);
await rm(new URL("dist", here), { recursive: true, force: true });
await mkdir(new URL("dist", here));
await cp(new URL("src", here), new URL("dist", here), { recursive: true });
await cp(new URL("node_modules/hls.js/dist/hls.mjs", here), new URL("dist/hls.mjs", here));
await cp(new URL("node_modules/hls.js/LICENSE", here), new URL("dist/hls.LICENSE.txt", here));
