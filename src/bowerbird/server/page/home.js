// Before anything is asked: what the collection holds.

import { collection, files } from "./api.js";
import { $, h, icon } from "./dom.js";
import { showFilters } from "./filters.js";
import { clearNotice, notice, tellProblem } from "./notices.js";
import { address, asks, go, shelfFilter, state } from "./state.js";
import { count, fileName, titleOf } from "./words.js";

const PIECE = 48;
let about = null;

/** Learn what the collection holds. */
export async function learn() {
  about = await collection();
  showFilters(about.kinds);
  return about;
}

export async function showHome() {
  try {
    await learn();
    const filter = shelfFilter(state);
    const { files: listed, total } = await files({ filter, limit: PIECE });
    if (asks(state) || state.mode === "add" || filter !== shelfFilter(state)) return;
    clearNotice();
    if (!about.files) return welcome();
    $("status").textContent = filter
      ? `${total} of ${count(about.files, "file")} in ${about.name}`
      : `${count(about.files, "file")} in ${about.name}, ${count(about.items, "place")} to be found`;
    const shelf = h("ul", { class: "shelf" }, ...listed.map(tile));
    $("found").replaceChildren(
      h("h2", { class: "hidden" }, "In this collection"),
      shelf,
      further(shelf, listed.length, total, filter),
    );
  } catch (error) {
    tellProblem(error, showHome);
  }
}

function welcome() {
  $("status").textContent = "";
  $("found").replaceChildren();
  notice(
    "add",
    "Nothing here yet",
    "Add documents, pictures, sounds and films; then look for them with words, pictures or a drawing.",
    [["Add files", () => go({ mode: "add" })]],
    false,
  );
}

function tile(file) {
  const suffix = fileName(file.source).split(".").pop().slice(0, 5);
  const name = titleOf(file);
  const picture = file.cover
    ? h("img", { src: file.cover, alt: "", loading: "lazy" })
    : h("span", { class: "spine" }, h("span", {}, name), h("small", {}, icon(kindOf(suffix)), suffix));
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go({ open: file.id });
  };
  return h(
    "li",
    {},
    h(
      "a",
      {
        class: file.kind === "image" && suffix !== "svg" ? "tile photo" : "tile",
        href: address({ ...state, open: file.id }),
        title: file.source,
        onclick: open,
      },
      h("span", { class: "cover" }, picture),
      h("span", { class: "name" }, name),
    ),
  );
}

function kindOf(suffix) {
  const name = suffix.toLowerCase();
  if (["csv", "xlsx", "tsv", "ods", "parquet"].includes(name)) return "table";
  if (["mp3", "oga", "ogg", "wav", "flac", "m4a", "opus"].includes(name)) return "audio";
  return "text";
}

function further(shelf, shown, total, filter) {
  if (shown >= total) return "";
  const button = h("button", { type: "button", class: "plain" }, `Show more of ${count(total, "file")}`);
  const place = h("p", { class: "further" }, button);
  button.addEventListener("click", async () => {
    const next = await files({ filter, limit: PIECE, offset: shown }).catch((error) => tellProblem(error, showHome));
    if (!next) return;
    shelf.append(...next.files.map(tile));
    place.replaceWith(further(shelf, shown + next.files.length, total, filter));
  });
  return place;
}
