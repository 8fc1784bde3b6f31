// What is asked and shown, and its address. Uploaded media are kept in memory only: an address cannot hold them.

export const EMPTY = {
  mode: "search", // or ask, add
  words: "",
  likes: [], // ids of stored items
  media: [], // {kind, file, name, url}
  kinds: [], // modalities
  source: "",
  from: "",
  to: "",
  by: "page", // or document
  k: 24,
  open: "", // the id of the place in the pane
};

const LISTS = { likes: "like", kinds: "in" };
const TEXTS = { mode: "mode", words: "q", source: "source", from: "from", to: "to", by: "by", open: "open" };
const ID = /^[0-9a-f]{24}$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const KINDS = ["page", "image", "text", "table", "audio", "video"];
const kept = new Map();
const listeners = [];
let serial = 0;

export let state = { ...EMPTY, ...read(location.search), media: kept.get(history.state?.media) ?? [] };

/** Change the state, its address and what is shown. */
export function go(change, { replace = false } = {}) {
  state = { ...state, ...change };
  const key = state.media.length ? `${++serial}` : "";
  if (key) kept.set(key, state.media);
  history[replace ? "replaceState" : "pushState"]({ media: key }, "", address(state));
  tell();
}

/** Be told after every change. */
export function onChange(listener) {
  listeners.push(listener);
}

function tell() {
  for (const listener of listeners) listener(state);
}

addEventListener("popstate", (event) => {
  state = { ...EMPTY, ...read(location.search), media: kept.get(event.state?.media) ?? [] };
  tell();
});

/** The address of a state. */
export function address(of) {
  const found = new URLSearchParams();
  for (const [name, key] of Object.entries(TEXTS)) if (of[name] && of[name] !== EMPTY[name]) found.set(key, of[name]);
  for (const [name, key] of Object.entries(LISTS)) if (of[name].length) found.set(key, of[name].join(","));
  const query = found.toString();
  return query ? `/?${query}` : "/";
}

/** What an address says; anything that makes no sense is left out. */
function read(query) {
  const given = new URLSearchParams(query);
  const found = {};
  for (const [name, key] of Object.entries(TEXTS)) if (given.has(key)) found[name] = given.get(key);
  for (const [name, key] of Object.entries(LISTS)) if (given.has(key)) found[name] = given.get(key).split(",");
  if (!["search", "ask", "add"].includes(found.mode)) delete found.mode;
  if (!["page", "document"].includes(found.by)) delete found.by;
  for (const name of ["from", "to"]) if (!DATE.test(found[name])) delete found[name];
  if (!ID.test(found.open)) delete found.open;
  if (found.likes) found.likes = found.likes.filter((id) => ID.test(id));
  if (found.kinds) found.kinds = found.kinds.filter((kind) => KINDS.includes(kind));
  return found;
}

/** Whether anything is asked. */
export function asks(of) {
  return Boolean(of.words.trim() || of.likes.length || of.media.length);
}

/** How many hits are asked for: enough to find more than one document. */
export function wanted(of) {
  return of.by === "document" ? Math.max(of.k, 100) : of.k;
}

/** What names the hits of a state: as long as it stays, they do. */
export function queryKey(of) {
  const media = of.media.map((one) => one.url).join(" ");
  return JSON.stringify([of.mode, of.words, of.likes, media, of.kinds, of.source, of.from, of.to, wanted(of)]);
}

/** Filters as an expression of the server. */
export function filterOf(of) {
  const parts = [];
  const text = of.source.trim().replaceAll("'", "''");
  if (text) parts.push(/[*?]/.test(text) ? `source ~ '${text}'` : `source ~ '*${text}*'`);
  if (of.from) parts.push(`date >= '${of.from}'`);
  if (of.to) parts.push(`date < '${dayAfter(of.to)}'`);
  return parts.join(" and ");
}

/** Filters with the kinds among them: what a file must hold to be on the shelf. */
export function shelfFilter(of) {
  const kinds = of.kinds.map((kind) => `'${kind}'`).join(", ");
  return [filterOf(of), kinds && `modality in (${kinds})`].filter(Boolean).join(" and ");
}

function dayAfter(day) {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + 1);
  return date.toISOString().slice(0, 10);
}
