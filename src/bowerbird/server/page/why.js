// Why a hit was found: its score per source of evidence.

import { h } from "./dom.js";

const NAMES = {
  lexical: ["words", "The words themselves"],
  text: ["meaning", "What it is about"],
  tokens: ["close reading", "Word by word, in context"],
  image: ["looks", "What it looks like"],
  audio: ["sound", "What it sounds like"],
};

function reason(field) {
  return NAMES[field] ?? [field, field];
}

/** Why a hit matched: its scores, those of the strongest evidence first. */
export function why(matched) {
  const scores = Object.entries(matched).sort((a, b) => b[1] - a[1]);
  if (!scores.length) return null;
  const most = Math.max(...scores.map(([, score]) => Math.abs(score)), 1e-9);
  const said = scores.map(([field, score]) => `${reason(field)[0]} ${score.toFixed(2)}`).join(", ");
  return h(
    "details",
    { class: "why" },
    h(
      "summary",
      { title: said },
      h(
        "span",
        { class: "bars", "aria-hidden": "true" },
        ...scores
          .slice(0, 4)
          .map(([, score]) => h("i", { style: { height: `${Math.max(12, (score / most) * 100)}%` } })),
      ),
      h(
        "span",
        {},
        h("span", { class: "hidden" }, "Matched by "),
        scores
          .slice(0, 2)
          .map(([field]) => reason(field)[0])
          .join(" + "),
      ),
    ),
    h(
      "dl",
      {},
      ...scores.map(([field, score]) => {
        const [name, meaning] = reason(field);
        return h(
          "div",
          {},
          h("dt", {}, name, h("small", {}, meaning)),
          h(
            "dd",
            {},
            h("i", { "aria-hidden": "true", style: { width: `${Math.max(4, (score / most) * 100)}%` } }),
            score.toFixed(2),
          ),
        );
      }),
    ),
  );
}
