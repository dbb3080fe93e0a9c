// A WebSocket client that says when each message came: RFC 6455, as far as our servers speak it (messages in one frame).
import { randomBytes } from "node:crypto";
import { request } from "node:http";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const ANSWER_MS = 10_000;

// A frame of a client, which is masked (section 5.3); ours are short.
function frame(opcode, payload) {
  const body = Buffer.from(payload);
  if (body.length > 0xffff) throw new Error("the message is too long");
  const mask = randomBytes(4);
  const head = body.length < 126 ? Buffer.from([0x80 | opcode, 0x80 | body.length]) : Buffer.from([0x80 | opcode, 0x80 | 126, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([head, mask, body.map((byte, n) => byte ^ mask[n % 4])]);
}

// The first whole frame of what has come, if there is one.
function first(bytes) {
  if (bytes.length < 2) return null;
  const short = bytes[1];
  const head = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < head) return null;
  const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  if (bytes.length < head + length) return null;
  return { opcode: bytes[0] & 0x0f, payload: bytes.subarray(head, head + length), end: head + length };
}

// Resolves once the server has taken the connection over. `heard` gets each message and the time at which it came.
export async function connect(url, heard) {
  const headers = { "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": randomBytes(16).toString("base64") };
  const [socket, head] = await new Promise((resolve, reject) => {
    const asking = request(url, { headers, timeout: ANSWER_MS });
    asking.once("error", reject).once("timeout", () => asking.destroy(new Error("no answer")));
    asking.once("response", ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
    asking.once("upgrade", (_, taken, rest) => resolve([taken, rest]));
    asking.end();
  });
  socket.setTimeout(0).setNoDelay(true);
  let bytes = head;
  const take = () => {
    const at = Date.now();
    for (let next = first(bytes); next; next = first(bytes)) {
      const { opcode, payload, end } = next;
      if (opcode === TEXT) heard(JSON.parse(payload.toString()), at);
      if (opcode === PING) socket.write(frame(PONG, payload));
      if (opcode === CLOSE) socket.end();
      bytes = bytes.subarray(end);
    }
  };
  socket.on("data", (piece) => { bytes = Buffer.concat([bytes, piece]); take(); });
  // Whoever waits for a message notices that none comes.
  socket.on("error", () => socket.destroy());
  take();
  return { say: (message) => socket.write(frame(TEXT, JSON.stringify(message))), close: () => socket.destroy() };
}
