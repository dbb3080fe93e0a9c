// The page: a list with live states, uploads, and one player.
import * as api from "/assets/api.js";
import { clock } from "/assets/clock.js";
import { close, open } from "/assets/player.js";

const $ = (id) => document.getElementById(id);
const videos = new Map();
let cursor = null;
let playing = null;

const say = (text) => { $("status").textContent = text; };

function stateText(video) {
  if (video.error) return video.error.detail ?? video.error.title;
  if (video.state === "ready") return video.warnings?.length ? `Ready, ${video.warnings.length} warning(s)` : "Ready";
  const percent = `${Math.floor(video.progress?.percent ?? 0)} %`;
  return video.playable ? `Playable, ${percent} made` : { uploading: "Uploading", queued: "Waiting", probing: "Reading the file", processing: `Making, ${percent}`, deleting: "Deleting" }[video.state] ?? video.state;
}

function card(video) {
  const item = document.createElement("li");
  item.dataset.id = video.id;
  item.dataset.state = video.state;
  item.className = video.state;
  const poster = document.createElement("a");
  poster.className = "poster";
  poster.tabIndex = -1;
  if (video.urls?.poster) poster.style.backgroundImage = `url(${video.urls.poster})`;
  const length = document.createElement("span");
  length.textContent = video.duration_s ? clock(video.duration_s) : "";
  poster.append(length);
  const title = document.createElement("a");
  title.textContent = video.title;
  if (video.playable) poster.href = title.href = `#/${video.id}`;
  const state = document.createElement("small");
  state.textContent = stateText(video);
  const words = document.createElement("div");
  words.append(title, state);
  const drop = document.createElement("button");
  drop.textContent = "×";
  drop.setAttribute("aria-label", `Delete ${video.title}`);
  drop.onclick = async () => {
    if (confirm(`Delete “${video.title}”?`)) await api.remove(video.id).catch((error) => say(error.message));
  };
  const body = document.createElement("div");
  body.className = "body";
  body.append(words, drop);
  item.append(poster);
  if (video.state === "processing" || video.state === "probing") {
    const bar = document.createElement("progress");
    bar.max = 100;
    bar.value = video.progress?.percent ?? 0;
    bar.setAttribute("aria-label", `Progress of ${video.title}`);
    item.append(bar);
  }
  item.append(body);
  return item;
}

function put(video) {
  videos.set(video.id, video);
  const old = $("list").querySelector(`[data-id="${video.id}"]`);
  if (old) {
    // A card under the keyboard keeps the focus when its state changes.
    const focused = [...old.querySelectorAll("a,button")].indexOf(document.activeElement);
    const fresh = card(video);
    old.replaceWith(fresh);
    if (focused >= 0) fresh.querySelectorAll("a,button")[focused]?.focus();
  } else {
    const after = [...$("list").children].find((item) => item.dataset.id < video.id);
    $("list").insertBefore(card(video), after ?? null);
  }
  if (playing === video.id) describe(video);
}

function drop(id) {
  videos.delete(id);
  $("list").querySelector(`[data-id="${id}"]`)?.remove();
  if (playing === id) location.hash = "#/";
}

function describe(video) {
  $("title").textContent = video.title;
  $("facts").textContent = stateText(video);
  $("hls").href = video.urls.hls ?? "#";
  $("dash").href = video.urls.dash ?? "#";
}

async function load(more) {
  const page = await api.list(more ? cursor : null);
  if (!more) {
    videos.clear();
    $("list").replaceChildren();
  }
  page.data.forEach(put);
  cursor = page.next_cursor;
  $("more").hidden = !cursor;
}

async function route() {
  const id = location.hash.slice(2);
  playing = null;
  close();
  $("player").hidden = !id;
  if (!id) return;
  try {
    const video = await api.get(id);
    playing = id;
    describe(video);
    if (!video.urls.hls) return say("This video cannot be played yet.");
    open($("player"), video);
    say("");
  } catch (error) {
    $("player").hidden = true;
    say(error.message);
  }
}

async function send(file) {
  try {
    const video = await api.upload(file, (sent, total) => say(`Uploading ${file.name}: ${Math.floor((100 * sent) / total)} %`));
    say(`${file.name} is uploaded.`);
    if (video?.id) put(video);
  } catch (error) {
    say(`${file.name} was not uploaded: ${error.message}`);
  }
}

$("file").onchange = ({ target }) => { [...target.files].forEach(send); target.value = ""; };
document.body.ondragover = (event) => event.preventDefault();
document.body.ondrop = (event) => { event.preventDefault(); [...event.dataTransfer.files].forEach(send); };
$("more").onclick = () => load(true).catch((error) => say(error.message));
addEventListener("hashchange", route);
const reload = () => load(false).catch((error) => say(error.message));
await reload();
api.follow((type, video, id) => (type === "video.deleted" ? drop(video?.id ?? id) : video?.id && put(video)), reload);
await route();
