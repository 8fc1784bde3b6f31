// What may be found: kinds, source, dates; and how it is laid out.

import { files } from "./api.js";
import { $, h, icon } from "./dom.js";
import { draft } from "./finder.js";
import { go, state } from "./state.js";
import { MODALITIES, MODALITY_OF } from "./words.js";

let about = null;

/** counts: kinds of items in the collection, as /v1/collections gives them. */
export function showFilters(counts) {
  about = counts ?? about;
  const place = $("filters");
  place.hidden = state.mode === "add";
  if (!about || place.hidden) return;
  if (!place.firstChild) build(place);
  for (const button of place.querySelectorAll("[data-kind]")) {
    const kind = button.dataset.kind;
    button.setAttribute("aria-pressed", kind ? state.kinds.includes(kind) : !state.kinds.length);
  }
  place.querySelector("#kinds").hidden = state.mode === "ask";
  const set = [state.source, state.from, state.to].filter(Boolean).length;
  place.querySelector("summary span").textContent = set ? `Source and date (${set})` : "Source and date";
  for (const name of ["source", "from", "to"]) {
    const field = $(`only-${name}`);
    if (document.activeElement !== field) field.value = state[name];
  }
  const grouped = place.querySelector("#grouped");
  grouped.hidden = state.mode === "ask";
  grouped.setAttribute("aria-pressed", state.by === "document");
}

function build(place) {
  const sums = {};
  for (const [kind, number] of Object.entries(about)) {
    const modality = MODALITY_OF[kind];
    if (modality) sums[modality] = (sums[modality] ?? 0) + number;
  }
  const kinds = Object.keys(MODALITIES).filter((kind) => sums[kind]);
  const toggle = (kind) =>
    h(
      "button",
      { type: "button", class: "toggle", "data-kind": kind, onclick: () => press(kind) },
      kind && icon(kind),
      kind ? MODALITIES[kind] : "Everything",
    );
  const more = h("details", { class: "more" }, h("summary", {}, h("span", {}, "Source and date")), fields());
  addEventListener("click", (event) => more.contains(event.target) || (more.open = false));
  more.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    more.open = false;
    more.firstChild.focus();
  });
  place.append(
    h("div", { id: "kinds", class: "kinds", role: "group", "aria-label": "Kinds" }, toggle(""), ...kinds.map(toggle)),
    more,
    h(
      "button",
      {
        type: "button",
        id: "grouped",
        class: "toggle",
        onclick: () => change({ by: state.by === "document" ? "page" : "document" }),
      },
      icon("file"),
      "By document",
    ),
  );
}

/** Change what may be found; words that are typed but not yet searched for are taken along. */
function change(filters) {
  go({ ...filters, words: draft(), open: "" });
}

function press(kind) {
  const others = state.kinds.filter((one) => one !== kind);
  change({ kinds: !kind ? [] : others.length < state.kinds.length ? others : [...state.kinds, kind] });
}

function fields() {
  const known = h("datalist", { id: "sources" });
  const source = h("input", {
    id: "only-source",
    type: "text",
    list: "sources",
    placeholder: "part of a path, or *.pdf",
    autocomplete: "off",
    maxlength: 300,
    onchange: () => change({ source: source.value.trim() }),
    oninput: () => suggest(source.value, known),
  });
  const date = (name) =>
    h("input", { id: `only-${name}`, type: "date", onchange: (event) => change({ [name]: event.target.value }) });
  return h(
    "div",
    { class: "fields" },
    h("label", {}, "Only from", source),
    known,
    h("label", {}, "Not before", date("from")),
    h("label", {}, "Not after", date("to")),
    h("button", { type: "button", class: "plain", onclick: () => change({ source: "", from: "", to: "" }) }, "Clear"),
  );
}

async function suggest(text, list) {
  if (/[*?]/.test(text)) return;
  const found = await files({ match: text.slice(0, 200), limit: 12 }).catch(() => ({ files: [] }));
  list.replaceChildren(...found.files.map((file) => h("option", { value: file.source })));
}
