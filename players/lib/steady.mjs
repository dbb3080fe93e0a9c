// Prepared requests at a steady rate over kept connections, one at a time on each. What is due and finds no connection
// free waits, and its time counts from when it was due: a slow server does not slow the clock down. Each connection comes
// from an address of its own, as clients do; there are 254 on the loopback.
import { once } from "node:events";
import { createConnection } from "node:net";

const END = Buffer.from("\r\n\r\n");

// The status of the answer that has come, once it is whole.
function status(bytes) {
  const head = bytes.indexOf(END);
  if (head < 0) return null;
  const text = bytes.subarray(0, head).toString("latin1");
  const length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
  return bytes.length < head + END.length + length ? null : text.slice(9, 12);
}

// Sends all requests (bytes each); gives the seconds until the last answer, answers by status, and the wait for each in ms.
export async function steady({ port, requests, rate, connections }) {
  const sockets = Array.from({ length: connections }, (_, n) => createConnection({ port, host: "127.0.0.1", localAddress: `127.0.0.${n + 1}`, noDelay: true }));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const statuses = {};
  const waits_ms = new Float64Array(requests.length);
  const idle = [...sockets];
  let [sent, answered] = [0, 0];
  const began = performance.now();
  const due = (n) => began + n * 1000 / rate;
  const seconds = await new Promise((resolve, reject) => {
    const send = () => {
      const now = performance.now();
      while (sent < requests.length && due(sent) <= now && idle.length > 0) {
        const socket = idle.shift();
        socket.number = sent;
        socket.write(requests[sent]);
        sent += 1;
      }
    };
    const clock = setInterval(send, 1);
    const end = (settle, value) => { clearInterval(clock); settle(value); };
    for (const socket of sockets) {
      let bytes = Buffer.alloc(0);
      socket.on("data", (piece) => {
        bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece]);
        const code = status(bytes);
        if (!code) return;
        bytes = Buffer.alloc(0);
        const now = performance.now();
        statuses[code] = (statuses[code] ?? 0) + 1;
        waits_ms[socket.number] = now - due(socket.number);
        answered += 1;
        idle.push(socket);
        if (answered === requests.length) end(resolve, (now - began) / 1000); else send();
      });
      socket.on("error", (error) => end(reject, error));
      socket.on("close", () => end(reject, new Error("a connection ended")));
    }
  }).finally(() => sockets.forEach((socket) => socket.removeAllListeners("close").destroy()));
  return { seconds, statuses, waits_ms };
}
