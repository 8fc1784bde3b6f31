// The server, as the page uses it. Whatever goes wrong becomes a Problem.

import { filterOf, wanted } from "./state.js";

const FIELD = { image: "images", audio: "audio", video: "video" };
const LARGE = 2 ** 20;

/** status: of HTTP, or 0 where no answer came. retry: seconds after which it may be tried again. */
class Problem extends Error {
  constructor(status, detail, retry = 0) {
    super(detail);
    Object.assign(this, { status, detail, retry });
  }
}

async function request(path, options = {}, size = 0) {
  let reply;
  try {
    reply = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw await whyNot(size);
  }
  if (!reply.ok) throw problem(reply.status, await reply.text(), reply.headers.get("Retry-After"));
  return reply;
}

/** A server that refuses a large body closes the connection before it is sent: then it is still there. */
async function whyNot(size) {
  if (size > LARGE && (await alive())) return new Problem(413, "The server took no more of it.");
  return new Problem(0, "The server does not answer.");
}

function problem(status, text, retry) {
  let detail = "";
  try {
    detail = JSON.parse(text).detail;
  } catch {
    // a proxy's page, not ours
  }
  return new Problem(status, String(detail || `The server answered with ${status}.`), Number(retry) || 0);
}

export async function alive() {
  try {
    return (await fetch("/healthz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

async function json(path, options, size) {
  return (await request(path, options, size)).json();
}

export function search(of, signal) {
  const fields = { text: of.words, filter: filterOf(of), k: wanted(of) };
  if (!of.media.length) {
    const body = { ...fields, items: of.likes, ...(of.kinds.length ? { modalities: of.kinds } : {}) };
    return json("/v1/search", posted(body, signal));
  }
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  for (const id of of.likes) form.append("items", id);
  for (const kind of of.kinds) form.append("modalities", kind);
  for (const one of of.media) form.append(FIELD[one.kind], one.file, one.name);
  return json("/v1/search", { method: "POST", body: form, signal }, bytes(of.media));
}

function posted(body, signal) {
  return { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal };
}

function bytes(media) {
  return media.reduce((sum, one) => sum + one.file.size, 0);
}

/** The events of an answer: {name, data}. Only words and pictures can be asked. */
export async function* ask(of, signal) {
  const pictures = of.media.filter((one) => one.kind === "image");
  const images = await Promise.all(pictures.map((one) => dataUrl(one.file)));
  const body = { question: of.words, images, filter: filterOf(of) };
  const reply = await request("/v1/ask", posted(body, signal), bytes(pictures));
  yield* events(reply.body.pipeThrough(new TextDecoderStream()));
}

async function* events(stream) {
  const reader = stream.getReader();
  let text = "";
  while (true) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The connection broke off in the middle of the answer.");
    });
    text += value ?? "";
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      if (name) yield { name, data: JSON.parse(data) };
    }
    if (done) return;
  }
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Problem(400, "The picture cannot be read."));
    reader.readAsDataURL(file);
  });
}

export const collection = async () => (await json("/v1/collections")).collections[0];
export const files = (wanted) => json(`/v1/items?${new URLSearchParams(wanted)}`);
export const item = (id) => json(`/v1/items/${id}`);
export const waveform = (id) => json(`/v1/items/${id}/waveform`);
export const job = (id) => json(`/v1/jobs/${id}`);
export const contents = (id, offset = null, limit = 200) =>
  json(`/v1/items/${id}/contents?limit=${limit}${offset === null ? "" : `&offset=${offset}`}`);

/** Upload one file. progress is told the share that has been sent. Gives the job. */
export function upload(file, progress) {
  const form = new FormData();
  form.append("files", file, file.name);
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    sending.onload = () =>
      sending.status === 202
        ? resolve(JSON.parse(sending.responseText))
        : reject(problem(sending.status, sending.responseText, sending.getResponseHeader("Retry-After")));
    sending.onerror = () => whyNot(file.size).then(reject);
    sending.open("POST", "/v1/items");
    sending.send(form);
  });
}
