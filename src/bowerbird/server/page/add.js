// Adding files: each is sent by itself, so that each has its progress and its reason.

import { collection, job, upload } from "./api.js";
import { $, h, icon } from "./dom.js";
import { learn } from "./home.js";
import { go } from "./state.js";
import { count, sizeOf } from "./words.js";

const AT_ONCE = 2;
const POLL = 700;
const queue = [];
let active = 0;
let list = null;
let largest = Promise.resolve(Infinity); // bytes of an upload, once the server has said so

export function showAdd() {
  const place = $("add");
  if (place.firstChild) return;
  const picker = h("input", {
    type: "file",
    multiple: true,
    hidden: true,
    tabindex: -1,
    "aria-label": "Files to add",
    onchange: () => {
      addFiles([...picker.files]);
      picker.value = "";
    },
  });
  list = h("ul", { class: "uploads", "aria-label": "Files that were added" });
  place.append(
    h(
      "div",
      { class: "bay" },
      h("img", { src: "/page/bower.svg", alt: "", width: 76, height: 76 }),
      h("h2", {}, "Drop files here"),
      h("p", {}, "Documents, pages, pictures, tables, mail, sound and film. They stay on this server."),
      h("button", { type: "button", class: "primary", onclick: () => picker.click() }, icon("add"), "Choose files"),
      picker,
    ),
    h("p", { class: "sum", role: "status" }),
    list,
  );
  largest = collection().then(
    (about) => about.limits?.upload ?? Infinity,
    () => Infinity,
  );
}

export function addFiles(files) {
  showAdd();
  for (const file of files) {
    const row = rowOf(file);
    list.prepend(row.node);
    queue.push({ file, row });
  }
  sum();
  next();
}

function rowOf(file) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": `Progress of ${file.name}` });
  const state = h("span", { class: "state" }, "Waiting");
  const action = h("span", { class: "action" });
  const node = h(
    "li",
    {},
    icon("file"),
    h("span", { class: "name", title: file.name }, file.name),
    h("span", { class: "size" }, sizeOf(file.size)),
    state,
    bar,
    action,
  );
  const show = (kind, text, ...actions) => {
    node.className = kind;
    state.textContent = text;
    action.replaceChildren(...actions);
    bar.hidden = kind === "stored" || kind === "failed";
    if (bar.hidden) sum();
  };
  return { node, bar, show };
}

function next() {
  while (active < AT_ONCE && queue.length) {
    const one = queue.shift();
    active += 1;
    bring(one).finally(() => {
      active -= 1;
      next();
    });
  }
}

async function bring({ file, row }) {
  const again = h(
    "button",
    {
      type: "button",
      class: "plain",
      onclick: () => {
        queue.push({ file, row });
        next();
      },
    },
    "Try again",
  );
  try {
    if (!file.size) return row.show("failed", "The file is empty.");
    const limit = await largest;
    if (file.size > limit) return row.show("failed", `Too big: this server takes ${sizeOf(limit)} at once.`);
    const acknowledged = await sent(file, row);
    const done = await indexed(acknowledged.id, row);
    if (done.state === "failed") return row.show("failed", done.reason);
    const open = h(
      "button",
      { type: "button", class: "plain", onclick: () => go({ mode: "search", words: "", open: done.item }) },
      "Show",
    );
    row.show("stored", "Can be found", open);
    await learn();
  } catch (error) {
    row.show(
      "failed",
      error.status === 0
        ? "The server does not answer."
        : error.status === 413
          ? `Too big. ${error.detail}`
          : (error.detail ?? String(error)),
      again,
    );
  }
}

/** Send a file; a busy server is asked again when it says. */
async function sent(file, row) {
  for (let tries = 0; ; tries++) {
    try {
      row.show("sending", "Sending");
      return await upload(file, (share) => {
        row.bar.value = share;
        row.show("sending", `Sending, ${Math.round(share * 100)} %`);
      });
    } catch (error) {
      if (error.status !== 429 || tries === 20) throw error;
      row.show("waiting", "The server is busy; waiting");
      await pause((error.retry || 5) * 1000);
    }
  }
}

async function indexed(id, row) {
  row.bar.removeAttribute("value");
  row.show("indexing", "Reading");
  for (let wait = POLL; ; wait = Math.min(wait * 1.3, 4000)) {
    const known = await job(id);
    if (known.state === "done") return known.files[0];
    row.show(
      "indexing",
      known.state === "queued" ? "Waiting to be read" : `Reading: ${count(known.items, "place")} so far`,
    );
    await pause(wait);
  }
}

function sum() {
  const rows = [...list.children];
  const of = (kind) => rows.filter((row) => row.className === kind).length;
  const failed = of("failed") ? `, ${of("failed")} could not be added` : "";
  $("add").querySelector(".sum").textContent = rows.length
    ? `${of("stored")} of ${count(rows.length, "file")} added${failed}`
    : "";
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
