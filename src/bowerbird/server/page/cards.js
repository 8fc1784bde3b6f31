// A hit as a card: what it looks like, where it is from, and why it was found.

import { contents } from "./api.js";
import { h, icon, iconButton, marked, markedWords } from "./dom.js";
import { moreLike } from "./finder.js";
import { playButton, track, wave, whenVisible, playFrom } from "./players.js";
import { address, go, state } from "./state.js";
import { table } from "./tables.js";
import { why } from "./why.js";
import { clock, count, dayOf, fileName, MODALITIES, placeOf, saysFile, titleOf } from "./words.js";

/** A card of the best hit of a group. others: further places in the same document, or moments of the recording. */
export function card(hit, others = [], number = 0) {
  const label = number ? h("span", { class: "number", title: `Source ${number}` }, number) : null;
  return h(
    "article",
    { class: `card is-${hit.modality}`, "data-id": hit.best, "data-source": hit.source },
    face(hit, others),
    h(
      "div",
      { class: "body" },
      h("h3", {}, label, link(hit, titleOf(hit))),
      from(hit),
      words(hit),
      places(others, hit),
      foot(hit),
    ),
  );
}

/** A link that opens a place in the pane; its address can be passed on. */
export function link(hit, ...shown) {
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go({ open: hit.best });
  };
  return h("a", { class: "open", href: address({ ...state, open: hit.best }), onclick: open }, ...shown);
}

function face(hit, others) {
  if (hit.modality === "video") return film(hit, others);
  if (hit.modality === "audio") return sound(hit, others);
  if (hit.links.thumbnail) return picture(hit);
  if (hit.table) return table(hit.table, markedWords(hit.snippet, hit.words));
  return null;
}

function picture(hit) {
  const what = hit.modality === "page" ? `${placeOf(hit.locator)} of ${fileName(hit.source)}` : titleOf(hit);
  return h(
    "div",
    { class: `face ${hit.modality}` },
    h(
      "div",
      { class: "print" },
      h("img", { src: hit.links.thumbnail, alt: what, loading: "lazy", decoding: "async" }),
      region(hit.locator.box),
    ),
  );
}

/** The outline around a box (fractions of the page). */
export function region(box) {
  if (!box) return null;
  const [x0, y0, x1, y1] = box;
  return h("span", {
    class: "region",
    style: { left: `${x0 * 100}%`, top: `${y0 * 100}%`, width: `${(x1 - x0) * 100}%`, height: `${(y1 - y0) * 100}%` },
  });
}

function sound(hit, others) {
  const player = h("audio", { src: hit.links.media, preload: "none" });
  const moments = [hit, ...others].map(momentOf);
  return h(
    "div",
    { class: "face audio" },
    player,
    hit.links.media &&
      playButton(player, hit.locator.start ?? 0, `Play ${titleOf(hit)} at ${clock(hit.locator.start ?? 0)}`),
    wave(hit.id, moments, player),
  );
}

function film(hit, others) {
  const start = hit.locator.start ?? 0;
  const poster = h("img", { src: hit.links.thumbnail, alt: `Still at ${clock(start)}`, loading: "lazy" });
  const screen = h("div", { class: "screen" }, poster, h("span", { class: "time" }, placeOf(hit.locator)));
  const face = h("div", { class: "face video" }, screen);
  let player = null;
  const play = (from) => {
    if (!player) {
      player = h("video", {
        src: hit.links.media,
        controls: true,
        playsinline: true,
        preload: "metadata",
        "aria-label": titleOf(hit),
      });
      screen.replaceChildren(player);
    }
    playFrom(player, from);
  };
  if (hit.links.media) {
    screen.append(
      h(
        "button",
        {
          type: "button",
          class: "play round",
          "aria-label": `Play ${titleOf(hit)} at ${clock(start)}`,
          onclick: () => play(start),
        },
        icon("play"),
      ),
    );
    const moments = [hit, ...others].map(momentOf);
    whenVisible(face, async () => {
      const held = await contents(hit.id, 0, 1).catch(() => null);
      face.append(track(moments, held?.metadata.seconds ?? 0, ([from]) => play(from)));
    });
  }
  return face;
}

function momentOf(hit) {
  return [hit.locator.start ?? 0, hit.locator.end, hit.best];
}

function from(hit) {
  const place = placeOf(hit.locator);
  const day = dayOf(hit.date);
  const parts = [place, saysFile(titleOf(hit), hit.source) ? "" : fileName(hit.source), day].filter(Boolean);
  return h(
    "p",
    { class: "from", title: hit.source },
    icon(hit.modality),
    h("span", {}, h("span", { class: "hidden" }, `${MODALITIES[hit.modality]}: `), parts.join(" · ") || hit.source),
  );
}

function words(hit) {
  const shown = hit.quote && !hit.snippet ? hit.quote : hit.snippet;
  if (!shown || (hit.table && !hit.links.thumbnail)) return null;
  if (hit.table) return h("div", { class: "inner" }, table(hit.table, markedWords(hit.snippet, hit.words)));
  return h("p", { class: "snippet" }, ...marked(shown, shown === hit.snippet ? hit.words : []));
}

/** Further places in the same document. */
function places(others, hit) {
  if (!others.length || ["audio", "video"].includes(hit.modality)) return null;
  const shown = others
    .slice(0, 8)
    .map((other) =>
      h(
        "li",
        {},
        link(
          other,
          other.links.thumbnail && h("img", { src: other.links.thumbnail, alt: "", loading: "lazy" }),
          h("span", {}, placeOf(other.locator) || other.snippet.slice(0, 60) || titleOf(other)),
        ),
      ),
    );
  return h("div", { class: "places" }, h("p", {}, `and ${count(others.length, "more place")}`), h("ul", {}, ...shown));
}

function foot(hit) {
  const actions = [
    hit.kind !== "document" &&
      iconButton("like", `More like ${titleOf(hit)}`, () => moreLike(similar(hit), titleOf(hit))),
  ];
  return h("footer", {}, why(hit.matched), h("div", { class: "actions" }, ...actions));
}

/** What stands for a hit in a search for more of it: a passage for its words, a page or picture for its looks. */
function similar(hit) {
  return hit.modality === "text" || hit.modality === "table" ? hit.best : hit.id;
}
