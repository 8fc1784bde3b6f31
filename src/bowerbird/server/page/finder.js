// The one box: words, pictures, sounds, clips, drawings and stored items, in any mix.

import { item } from "./api.js";
import { $, h, icon, iconButton } from "./dom.js";
import { draw } from "./sketch.js";
import { asks, go, state } from "./state.js";
import { titleOf } from "./words.js";

const SIDE = 1024; // of pictures as they are sent; encoders look at far less
const NAMES = { image: "picture", audio: "sound", video: "clip" };
const MODES = {
  search: {
    label: "Search",
    placeholder: "Words, or drop a picture, a sound, a clip…",
    short: "Words or pictures",
    icon: "search",
  },
  ask: { label: "Ask", placeholder: "Ask a question…", short: "Ask a question…", icon: "ask" },
};
const NARROW = matchMedia("(max-width: 600px)");
const titles = new Map(); // of stored items that are asked with

let words, chips, form, submit, picker;

export function buildFinder() {
  words = h("textarea", {
    id: "words",
    rows: 1,
    "aria-label": "Words to look for",
    spellcheck: "false",
    maxlength: 4000,
    enterkeyhint: "search",
    autocomplete: "off",
    onkeydown: onKey,
    oninput: fit,
  });
  chips = h("ul", { class: "chips", "aria-label": "What the query is made of" });
  submit = h("button", { type: "submit", class: "primary round" });
  picker = h("input", {
    type: "file",
    accept: "image/*,audio/*,video/*",
    multiple: true,
    hidden: true,
    tabindex: -1,
    "aria-label": "Pictures, sounds and clips",
    onchange: () => {
      addMedia(picker.files);
      picker.value = "";
    },
  });
  const tools = h(
    "div",
    { class: "tools" },
    iconButton("clip", "Search with a picture, sound or clip", () => picker.click()),
    iconButton("draw", "Draw what you are looking for", () => draw((file) => addMedia([file], "drawing"))),
    submit,
  );
  form = h(
    "form",
    { class: "box", role: "search", onsubmit },
    chips,
    h("div", { class: "line" }, words, tools),
    picker,
  );
  $("finder").replaceChildren(form, h("p", { id: "hint", class: "hint" }));
  addEventListener("paste", onPaste);
  addEventListener("keydown", (event) => {
    const writing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      words.focus();
    }
  });
}

export function showFinder() {
  const mode = MODES[state.mode] ?? MODES.search;
  $("finder").hidden = state.mode === "add";
  if (words.value.trim() !== state.words) words.value = state.words;
  words.placeholder =
    state.likes.length || state.media.length
      ? "Add words, such as: at night"
      : NARROW.matches
        ? mode.short
        : mode.placeholder;
  submit.replaceChildren(icon(mode.icon));
  submit.setAttribute("aria-label", mode.label);
  submit.title = mode.label;
  showChips();
  fit();
}

/** The words in the box, searched for or not. */
export function draft() {
  return words.value.trim();
}

function showChips() {
  chips.replaceChildren(...state.likes.map((id) => likeChip(id)), ...state.media.map((one) => mediaChip(one)));
  chips.hidden = !chips.children.length;
  const left = state.media.some((one) => one.kind !== "image") || state.likes.length;
  const hints = [];
  if (state.mode === "ask" && left) hints.push("Questions take words and pictures; the other parts are left out.");
  if (state.media.length && asks(state)) hints.push("What you uploaded is not part of this page’s address.");
  $("hint").textContent = hints.join(" ");
}

function chip(picture, label, remove) {
  return h(
    "li",
    { class: "chip" },
    picture,
    h("span", { class: "name" }, label),
    iconButton("close", `Remove ${label}`, () => {
      remove();
      words.focus();
    }),
  );
}

function likeChip(id) {
  const name = h("span", {}, titles.get(id) ?? "a stored item");
  if (!titles.has(id)) {
    item(id)
      .then((found) => {
        titles.set(id, titleOf(found));
        showChips();
      })
      .catch(() => titles.set(id, "an item that is gone"));
  }
  const picture = h("img", { src: `/v1/items/${id}/thumbnail`, alt: "", onerror: (event) => event.target.remove() });
  return chip(picture, `like ${name.textContent}`, () => go({ likes: state.likes.filter((one) => one !== id) }));
}

function mediaChip(one) {
  const picture = one.kind === "image" ? h("img", { src: one.url, alt: "" }) : icon(one.kind);
  return chip(picture, one.name, () => go({ media: state.media.filter((other) => other !== one) }));
}

/** Take pictures, sounds and clips into the query. Other files are for adding. */
export async function addMedia(given, name = "") {
  const found = [];
  for (const file of given) {
    const kind = file.type.split("/")[0];
    if (!(kind in NAMES)) continue;
    const sent = kind === "image" ? await shrunk(file) : file;
    found.push({ kind, file: sent, name: name || file.name || `a ${NAMES[kind]}`, url: URL.createObjectURL(sent) });
  }
  if (found.length)
    go({
      media: [...state.media, ...found],
      words: draft(),
      open: "",
      mode: state.mode === "add" ? "search" : state.mode,
    });
  return found.length;
}

/** A picture no larger than it will be looked at; as it is where the browser cannot read it. */
async function shrunk(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
    if (scale === 1 && file.size < 500_000) return file;
    const canvas = new OffscreenCanvas(Math.round(picture.width * scale), Math.round(picture.height * scale));
    const pen = canvas.getContext("2d");
    pen.fillStyle = "white";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  } catch {
    return file;
  }
}

/** Search for more of a stored item. */
export function moreLike(id, title) {
  titles.set(id, title);
  go({ mode: "search", words: "", likes: [id], media: [], open: "", k: 24 });
  scrollTo({ top: 0 });
}

function onsubmit(event) {
  event.preventDefault();
  go({ words: draft(), open: "", k: 24 });
}

function onKey(event) {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
  if (event.key === "Backspace" && !words.value) {
    if (state.media.length) go({ media: state.media.slice(0, -1) });
    else if (state.likes.length) go({ likes: state.likes.slice(0, -1) });
  }
}

function onPaste(event) {
  const pasted = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.split("/")[0] in NAMES);
  if (!pasted.length || state.mode === "add") return;
  event.preventDefault();
  addMedia(pasted, "pasted picture");
}

/** As many lines as the words need. */
function fit() {
  words.style.height = "auto";
  words.style.height = `${Math.min(words.scrollHeight, 160)}px`;
}
