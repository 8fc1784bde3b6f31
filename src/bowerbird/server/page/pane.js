// The pane: one place, large. Beside the results where there is room, over them elsewhere.

import { contents, item } from "./api.js";
import { $, h, icon, iconButton } from "./dom.js";
import { moreLike } from "./finder.js";
import { hits } from "./results.js";
import { stageFor } from "./stages.js";
import { go, state } from "./state.js";
import { why } from "./why.js";
import { dayOf, placeOf, titleOf } from "./words.js";

const BESIDE = matchMedia("(min-width: 1100px)");
const TOLD = {
  author: "By",
  date: "Date",
  language: "Language",
  album: "Album",
  genre: "Genre",
  pages: "Pages",
  description: "About",
  url: "From",
};
let shown = "";
let opener = null;
let stage = null;
let filled = null; // {found, held} of what is shown

export function buildPane() {
  const pane = $("pane");
  pane.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  pane.addEventListener("keydown", onKey);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && pane.open && BESIDE.matches && !document.querySelector("dialog:modal")) close();
  });
  BESIDE.addEventListener("change", () => {
    if (pane.open) {
      pane.close();
      present();
    }
  });
}

/** Open, change or close the pane as the state says. */
export async function showPane() {
  const pane = $("pane");
  if (state.open === shown) return;
  shown = state.open;
  stage?.stop?.();
  stage = filled = null;
  if (!shown) {
    if (pane.open) pane.close();
    document.body.classList.remove("beside");
    mark("");
    opener?.isConnected && opener.focus({ preventScroll: true });
    return;
  }
  if (!pane.open) opener = document.activeElement;
  const mine = shown;
  pane.setAttribute("aria-busy", "true");
  if (!pane.open) pane.replaceChildren(h("h2", { id: "pane-title", class: "hidden" }, "Loading"));
  present();
  mark(mine);
  try {
    const [found, held] = await Promise.all([item(mine), contents(mine)]);
    if (mine !== shown) return;
    filled = { found, held };
    fill(found, held);
  } catch (error) {
    if (mine === shown)
      pane.replaceChildren(
        bar("This cannot be shown", []),
        h("p", { class: "trouble" }, error.detail ?? String(error)),
      );
  } finally {
    pane.removeAttribute("aria-busy");
  }
}

/** Results have come after the pane: now it can say why this is one of them. */
export function completePane() {
  mark(shown);
  if (filled && hits.some((hit) => hit.best === shown) && !$("pane").querySelector(".why")) {
    stage?.stop?.();
    fill(filled.found, filled.held);
  }
}

function present() {
  const pane = $("pane");
  document.body.classList.toggle("beside", BESIDE.matches);
  if (!pane.open) BESIDE.matches ? pane.show() : pane.showModal();
}

function close() {
  go({ open: "" });
}

/** Show which card the pane belongs to. */
function mark(id) {
  for (const one of document.querySelectorAll("[data-id]")) one.classList.toggle("shown", one.dataset.id === id);
}

function fill(found, held) {
  const at = hits.findIndex((hit) => hit.best === found.id);
  const hit = hits[at] ?? null;
  const place = h("span", { class: "where" });
  stage = stageFor(found, held, hit, (text) => (place.textContent = text));
  place.textContent ||= placeOf(found.locator);
  const title = held.title || titleOf(found);
  $("pane").replaceChildren(
    bar(title, walk(at), h("p", { class: "source" }, h("span", { title: found.source }, found.source), place)),
    stage.node,
    h(
      "footer",
      {},
      actions(found, hit, title),
      hit && why(hit.matched),
      known({ ...held.metadata, ...found.metadata }),
    ),
  );
  $("pane").scrollTop = 0;
  $("pane-title").focus({ preventScroll: true });
  stage.ready?.();
}

function bar(title, buttons, ...below) {
  return h(
    "header",
    {},
    h(
      "div",
      { class: "line" },
      h("h2", { id: "pane-title", tabindex: -1 }, title),
      ...buttons,
      iconButton("close", "Close", close),
    ),
    ...below,
  );
}

/** Buttons to the result before and after. */
function walk(at) {
  if (at < 0 || hits.length < 2) return [];
  const step = (by, name, label) =>
    iconButton(name, label, () => go({ open: hits[at + by].best }, { replace: true }), { disabled: !hits[at + by] });
  return [
    step(-1, "left", "Result before"),
    h("span", { class: "nth" }, `${at + 1} / ${hits.length}`),
    step(1, "right", "Next result"),
  ];
}

function actions(found, hit, title) {
  const like = found.modality === "text" || found.modality === "table" || !hit ? found.id : hit.id;
  return h(
    "div",
    { class: "actions" },
    found.kind !== "document" &&
      h(
        "button",
        { type: "button", class: "plain", onclick: () => moreLike(like, title) },
        icon("like"),
        "More like this",
      ),
    h(
      "button",
      { type: "button", class: "plain", onclick: () => go({ source: found.source, open: "", mode: "search" }) },
      icon("search"),
      "Only this file",
    ),
    found.links.media &&
      h("a", { class: "plain", href: found.links.media, target: "_blank", rel: "noopener" }, icon("file"), "The file"),
  );
}

/** What is known of a file: only what people ask for. */
function known(metadata) {
  const rows = Object.entries(TOLD).filter(
    ([key]) => ["string", "number"].includes(typeof metadata[key]) && metadata[key] !== "",
  );
  if (!rows.length) return null;
  return h(
    "dl",
    { class: "known" },
    ...rows.map(([key, name]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, key === "date" ? dayOf(metadata.date) : value(metadata[key]))),
    ),
  );
}

function value(text) {
  return /^https?:\/\//.test(text)
    ? h("a", { href: text, target: "_blank", rel: "noopener noreferrer" }, text)
    : String(text);
}

function onKey(event) {
  if (event.target.closest("input, textarea, video, audio")) return;
  const turn = { ArrowLeft: -1, PageUp: -1, ArrowRight: 1, PageDown: 1 }[event.key];
  if (turn && stage?.turn) {
    event.preventDefault();
    stage.turn(turn);
  }
}
