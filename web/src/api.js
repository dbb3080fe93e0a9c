// The API as the page uses it: list, upload with progress, delete, viewers, and live events that resume by seq.

async function json(response) {
  const body = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.detail ?? body?.title ?? `the server answered ${response.status}`);
  return body;
}

export const list = async (cursor) => json(await fetch(`/v1/videos?limit=24${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`));
export const get = async (id) => json(await fetch(`/v1/videos/${id}`));
export const remove = async (id) => json(await fetch(`/v1/videos/${id}`, { method: "DELETE" }));
// Whether it is heard is of no matter to who watches; false says that this server never will.
export const watch = (id, session) =>
  fetch(`/v1/videos/${id}/views`, { method: "POST", body: JSON.stringify({ session }) }).then(({ status }) => status !== 403, () => true);

// XMLHttpRequest, because fetch does not tell how much of a body was sent.
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/v1/videos?title=${encodeURIComponent(file.name.replace(/\.[^.]+$/, ""))}`);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => request.status < 300 ? resolve(request.response) : reject(new Error(request.response?.detail ?? `the server answered ${request.status}`));
    request.onerror = () => reject(new Error("the connection broke"));
    request.send(file);
  });
}

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 15_000;

// Calls onEvent(type, video) for every event; onGap() when some may have been missed for good.
export function follow(onEvent, onGap) {
  let seq = null;
  let retryMs = RETRY_MS_MIN;
  const connect = () => {
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/v1/ws`);
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.op === "hello") {
        retryMs = RETRY_MS_MIN;
        socket.send(JSON.stringify({ op: "subscribe", topics: ["videos"], after_seq: seq ?? frame.seq }));
        seq ??= frame.seq;
      } else if (frame.op === "event") {
        const event = frame.event ?? frame;
        seq = event.seq;
        onEvent(event.type, event.data, event.object?.id);
      } else if (frame.op === "resync") {
        seq = null;
        onGap();
      }
    };
    socket.onclose = () => {
      setTimeout(connect, retryMs * (0.75 + Math.random() / 2));
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    };
  };
  connect();
}
