// What the pane shows of a place: a page to turn, a picture, a recording with its moments, or text to read on.
//
// A stage is {node, turn?, ready?, stop?}: turn goes that many pages on, ready runs once the node is shown.

import { contents, item } from "./api.js";
import { region } from "./cards.js";
import { h, icon, iconButton, marked, markedWords } from "./dom.js";
import { playFrom, track, wave } from "./players.js";
import { hits } from "./results.js";
import { go } from "./state.js";
import { table } from "./tables.js";
import { clock, fileName, placeOf } from "./words.js";

const PLAIN = "?box=0,0,0,0"; // the page without marks; they are drawn over it here

/** The stage of an item; told is given the place as it changes. */
export function stageFor(found, held, hit, told) {
  const entry = held.entries[held.position - held.offset];
  if (entry?.kind === "page") return pages(found, held, told);
  if (entry?.kind === "shot" || entry?.kind === "segment") return recording(found, held, entry);
  if (found.kind === "image" || (held.total === 1 && entry?.kind === "image")) return picture(found, entry);
  return reading(found, held, hit);
}

function pages(found, held, told) {
  let at = held.position;
  let entries = held.entries;
  let offset = held.offset;
  const sheet = h("div", { class: "page-sheet" });
  const field = h("input", {
    type: "number",
    min: 1,
    max: held.total,
    "aria-label": "Page",
    onchange: () => showAt(Number(field.value) - 1),
  });
  const before = iconButton("left", "Page before", () => turn(-1));
  const after = iconButton("right", "Next page", () => turn(1));
  const zoom = iconButton("zoom", "Larger", () => zoom.setAttribute("aria-pressed", sheet.classList.toggle("large")), {
    "aria-pressed": "false",
  });
  const words = h("details", { class: "page-words" }, h("summary", {}, "Words on this page"), h("p", {}));
  words.addEventListener("toggle", () => words.open && read());
  const bar = h(
    "div",
    { class: "pager", role: "group", "aria-label": "Pages" },
    before,
    h("label", {}, field, ` / ${held.total}`),
    after,
    zoom,
  );
  const node = h(
    "div",
    { class: "stage pages" },
    bar,
    h("div", { class: "viewport", tabindex: 0, role: "region", "aria-label": "Page" }, sheet),
    words,
  );

  async function read() {
    const text = (await item(entries[at - offset].id).catch(() => null))?.text ?? "";
    words.lastChild.textContent = text || "No words.";
  }

  async function showAt(to) {
    at = Math.min(held.total - 1, Math.max(0, Math.round(to) || 0));
    if (!entries[at - offset]) {
      const next = await contents(found.id, Math.max(0, at - 50), 100).catch(() => null);
      if (!next) return;
      [entries, offset] = [next.entries, next.offset];
    }
    show();
  }

  const turn = (by) => showAt(at + by);

  function show() {
    const entry = entries[at - offset];
    const page = entry.locator.page ?? at + 1;
    field.value = at + 1;
    before.disabled = at === 0;
    after.disabled = at === held.total - 1;
    const small = h("img", { class: "small", src: entry.thumbnail, alt: `Page ${page} of ${fileName(held.source)}` });
    const large = h("img", { class: "large", src: `/v1/items/${entry.id}/page.png${PLAIN}`, alt: "" });
    large.addEventListener("load", () => small.classList.add("covered"));
    large.addEventListener("error", () => large.remove());
    const best = entry.locator.page === found.locator.page ? found.locator.box : null;
    const others = hits.filter((hit) => hit.id === entry.id && hit.best !== found.id).map((hit) => hit.locator.box);
    const outlines = [...others.map((box) => region(box)), region(best)].filter(Boolean);
    sheet.replaceChildren(small, large, ...outlines);
    told(`page ${page}`);
    if (words.open) read();
    return best ? outlines.at(-1) : null;
  }

  const target = show();
  return { node, turn, ready: () => target?.scrollIntoView({ block: "center", behavior: "instant" }) };
}

function picture(found, entry) {
  const id = entry?.id ?? found.id;
  const shown = h("img", {
    src: entry?.thumbnail ?? found.links.thumbnail ?? "",
    alt: found.title || fileName(found.source),
  });
  const large = new Image();
  large.addEventListener("load", () => (shown.src = large.src));
  large.src = `/v1/items/${id}/page.png${PLAIN}`;
  const words = found.text.trim();
  return {
    node: h(
      "div",
      { class: "stage picture" },
      h("div", { class: "print" }, shown, region(found.locator.box)),
      words && h("p", { class: "words" }, words),
    ),
  };
}

function recording(found, held, entry) {
  const film = entry.kind === "shot";
  const start = found.locator.start ?? entry.locator.start ?? 0;
  const source = found.links.media;
  const player = h(film ? "video" : "audio", {
    controls: true,
    playsinline: true,
    preload: "metadata",
    src: source,
    "aria-label": held.title || fileName(held.source),
  });
  player.addEventListener(
    "loadedmetadata",
    () => {
      if (!player.currentTime) player.currentTime = start;
    },
    { once: true },
  );
  const seconds = held.metadata.seconds ?? 0;
  const mine = hits.filter((hit) => hit.source === found.source && hit.locator.start !== undefined);
  const moments = (mine.length ? mine.map((hit) => hit.locator) : [found.locator]).map(({ start: from, end }) => [
    from ?? 0,
    end,
  ]);
  const jump = ([from]) => playFrom(player, from);
  const list = h(
    "ol",
    { class: "moments" },
    ...held.entries.map((one) => {
      const from = one.locator.start ?? 0;
      const chosen = moments.some(([at]) => Math.abs(at - from) < 0.01);
      return h(
        "li",
        {},
        h(
          "button",
          {
            type: "button",
            class: one.id === found.id ? "chosen here" : chosen ? "chosen" : null,
            onclick: () => jump([from]),
          },
          one.thumbnail && film && h("img", { src: one.thumbnail, alt: "", loading: "lazy" }),
          h("span", { class: "time" }, icon("play"), placeOf(one.locator) || clock(from)),
          one.text && h("span", { class: "said" }, one.text),
        ),
      );
    }),
  );
  const node = h(
    "div",
    { class: `stage recording ${film ? "film" : "sound"}` },
    source ? player : h("p", {}, "This recording is inside an archive; it cannot be played here."),
    film ? track(moments, seconds, jump) : wave(found.kind === "segment" ? found.id : entry.id, moments, player),
    list,
  );
  return { node, stop: () => player.pause() };
}

/** Passages, tables and pictures of a document, one after the other. */
function reading(found, held, hit) {
  const node = h("div", { class: "stage reading" });
  const words = hit ? markedWords(hit.snippet, hit.words) : new Set();
  for (const entry of held.entries) node.append(piece(entry, entry.id === found.id, found, hit, words));
  const target = node.querySelector(".target");
  if (held.offset > 0) node.prepend(h("p", { class: "cut" }, "…"));
  if (held.offset + held.entries.length < held.total) node.append(h("p", { class: "cut" }, "…"));
  return { node, ready: () => target?.scrollIntoView({ block: "center", behavior: "instant" }) };
}

function piece(entry, target, found, hit, words) {
  const label = { class: target ? "piece target" : "piece" };
  if (entry.kind === "table") {
    const whole =
      target && found.tables[0]
        ? { ...found.tables[0], first: found.locator.rows?.[0] ?? 1, total: found.tables[0].rows.length }
        : entry.table;
    return h("div", label, whole ? table(whole, target ? words : new Set(), target) : null);
  }
  if (entry.thumbnail)
    return h(
      "figure",
      label,
      h("img", { src: entry.thumbnail, alt: entry.title, loading: "lazy" }),
      h(
        "figcaption",
        {},
        h(
          "button",
          { type: "button", class: "plain", onclick: () => go({ open: entry.id }) },
          entry.title || "Picture",
        ),
      ),
    );
  return h("p", label, ...(target && hit ? marked(entry.text, spansIn(entry.text, hit)) : [entry.text]));
}

/** Where the words of a snippet stand in the whole text. */
function spansIn(text, hit) {
  const start = text.indexOf(hit.snippet);
  if (start < 0) return [];
  const before = [...text.slice(0, start)].length;
  return hit.words.map(([from, to]) => [from + before, to + before]);
}
