// Tables as tables, with the words that were looked for marked in their cells.

import { h, marked } from "./dom.js";
import { count } from "./words.js";

const NUMBER = /^[-+]?[\d.,]+ ?%?$/;

/** Rows of a table, as a table. words: in lower case, to be marked. more: whether to say how many rows there are. */
export function table(excerpt, words = new Set(), whole = false) {
  const rest = excerpt.total - excerpt.rows.length;
  const head =
    excerpt.header.length > 0 &&
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col", class: "row" }, "#"),
        ...excerpt.header.map((cell, at) =>
          h("th", { scope: "col", class: figures(excerpt.rows, at) ? "figure" : null }, ...markWords(cell, words)),
        ),
      ),
    );
  const body = excerpt.rows.map((row, at) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "row" }, (excerpt.first ?? 1) + at),
      ...row.map((cell) => h("td", { class: NUMBER.test(cell) ? "figure" : null }, ...markWords(cell, words))),
    ),
  );
  return h(
    "div",
    {
      class: whole ? "sheet-of-rows" : "face table",
      ...(whole ? { tabindex: 0, role: "region", "aria-label": "Table" } : {}),
    },
    h(
      "table",
      {},
      h("caption", { class: excerpt.caption ? null : "hidden" }, excerpt.caption || "Rows"),
      head,
      h("tbody", {}, ...body),
    ),
    !whole && rest > 0 && h("p", { class: "rest" }, `${count(rest, "more row")}`),
  );
}

function figures(rows, column) {
  return rows.length > 0 && rows.every((row) => NUMBER.test(row[column] ?? ""));
}

function markWords(cell, words) {
  const spans = [];
  for (const match of cell.matchAll(/[\p{L}\p{N}]+/gu)) {
    if (words.has(match[0].toLowerCase())) {
      const start = [...cell.slice(0, match.index)].length;
      spans.push([start, start + [...match[0]].length]);
    }
  }
  return marked(cell, spans);
}
