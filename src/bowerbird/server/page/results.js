// Results as a wall of cards, each in the column that is shortest, so that they read from left to right.

import { search } from "./api.js";
import { card } from "./cards.js";
import { $, h } from "./dom.js";
import { clearNotice, notice, tellProblem } from "./notices.js";
import { go, state, wanted } from "./state.js";
import { count } from "./words.js";

const WIDTH = 290; // of a column, at least
const GAP = 22;
const MERGED = ["audio", "video"]; // one card per recording, with its moments
const MOST = 200; // hits that the server gives at once

export let hits = [];
let running = null;
let walls = [];

/** Search, and show what is found. */
export async function showResults() {
  running?.abort();
  const mine = (running = new AbortController());
  $("found").classList.add("waiting");
  $("found").setAttribute("aria-busy", "true");
  $("status").textContent = "Searching…";
  try {
    const reply = await search(state, mine.signal);
    clearNotice();
    hits = reply.hits.filter((hit) => !state.likes.includes(hit.id) && !state.likes.includes(hit.best));
    show(reply.took_ms);
  } catch (error) {
    if (error.name === "AbortError") return;
    hits = [];
    $("found").replaceChildren();
    $("status").textContent = "";
    tellProblem(error, showResults);
  } finally {
    if (mine === running) {
      $("found").classList.remove("waiting");
      $("found").removeAttribute("aria-busy");
    }
  }
}

function show(took) {
  if (!hits.length) return nothing();
  const groups = grouped(hits, state.by === "document");
  const sum = count(hits.length, "result") + (state.by === "document" ? ` in ${count(groups.length, "document")}` : "");
  $("status").textContent = `${sum} in ${Math.round(took)} ms`;
  $("found").replaceChildren(
    h("h2", { class: "hidden" }, "Results"),
    wall(groups.map(([first, ...others]) => card(first, others))),
    more(),
  );
  arrange();
}

export function forget() {
  running?.abort();
  hits = [];
  walls = [];
  $("status").textContent = "";
  $("found").classList.remove("waiting");
}

/** Hits in groups, in the order of the best of each. */
function grouped(found, byDocument) {
  const groups = new Map();
  for (const hit of found) {
    const together = byDocument || MERGED.includes(hit.modality);
    const key = together ? `${hit.source}\n${hit.locator.member ?? ""}` : hit.best;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(hit);
  }
  return [...groups.values()];
}

function more() {
  const asked = wanted(state);
  if (hits.length + state.likes.length < asked || asked >= MOST) return "";
  return h(
    "p",
    { class: "further" },
    h(
      "button",
      { type: "button", class: "plain", onclick: () => go({ k: Math.min(MOST, asked * 2) }, { replace: true }) },
      "Show more",
    ),
  );
}

function nothing() {
  $("found").replaceChildren();
  $("status").textContent = "";
  const filtered = state.kinds.length || state.source || state.from || state.to;
  notice(
    "search",
    "Nothing was found",
    filtered ? "Nothing that the filters let through matches." : "Try other words, or a picture.",
    filtered ? [["Search without filters", () => go({ kinds: [], source: "", from: "", to: "" })]] : [],
    false,
  );
  $("status").textContent = "Nothing was found";
}

/** A list of cards, laid out by `arrange`. */
export function wall(cards) {
  const list = h("ol", { class: "wall" }, ...cards.map((one) => h("li", {}, one)));
  walls = [list, ...walls.filter((one) => one.isConnected)];
  for (const entry of list.children) sizes.observe(entry.firstElementChild);
  return list;
}

let due = 0;
const sizes = new ResizeObserver(() => {
  cancelAnimationFrame(due);
  due = requestAnimationFrame(arrange);
});

/** Put every card under the shortest column; the first is wider where there is room. */
export function arrange() {
  for (const list of walls) {
    if (!list.isConnected) continue;
    for (const face of list.querySelectorAll(".face.table")) fade(face);
    const columns = Math.max(1, Math.floor((list.clientWidth + GAP) / (WIDTH + GAP)));
    list.style.setProperty("--columns", columns);
    list.classList.toggle("featured", columns >= 3 && list.children.length > 2);
    const ends = new Array(columns).fill(1);
    [...list.children].forEach((entry, at) => {
      const wide = at === 0 && list.classList.contains("featured") ? 2 : 1;
      const column = wide === 2 ? 0 : ends.indexOf(Math.min(...ends));
      const start = Math.max(...ends.slice(column, column + wide));
      const rows = Math.ceil(entry.firstElementChild.offsetHeight + GAP);
      entry.style.gridColumn = `${column + 1} / span ${wide}`;
      entry.style.gridRow = `${start} / span ${rows}`;
      ends.fill(start + rows, column, column + wide);
    });
  }
}

/** A table that is wider than its card fades out at the edge. */
function fade(face) {
  const over = face.scrollWidth > face.clientWidth + 1;
  face.classList.toggle("faded", over);
  if (over) face.style.setProperty("--seen", `${face.clientWidth - 60}px`);
}

addEventListener("resize", arrange);
