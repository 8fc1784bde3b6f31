// Files dropped anywhere: into the query, or into the collection where files are added.

import { addFiles } from "./add.js";
import { $ } from "./dom.js";
import { addMedia } from "./finder.js";
import { go, state } from "./state.js";

let depth = 0;

export function buildDrop() {
  addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    depth += 1;
    $("drop").hidden = false;
    $("drop").firstElementChild.textContent = state.mode === "add" ? "Drop to add" : "Drop to search with it";
  });
  addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) $("drop").hidden = true;
  });
  addEventListener("drop", async (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    depth = 0;
    $("drop").hidden = true;
    const files = [...event.dataTransfer.files];
    if (state.mode !== "add" && (await addMedia(files))) return;
    go({ mode: "add", open: "" });
    addFiles(files);
  });
}
