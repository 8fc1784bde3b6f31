// An answer as it comes, with numbered citations that lead to their places.

import { ask, search } from "./api.js";
import { card, link } from "./cards.js";
import { $, h } from "./dom.js";
import { clearNotice, tellProblem } from "./notices.js";
import { arrange, wall } from "./results.js";
import { state } from "./state.js";
import { placeOf, titleOf } from "./words.js";

const MARK = /\[(\d{1,4})\]/;
const PICTURED = ["image", "video", "page"];
let running = null;

/** Ask, and show the answer. */
export async function showAnswer() {
  running?.abort();
  const mine = (running = new AbortController());
  const text = h("div", { class: "said", "aria-busy": "true" }, h("p", { class: "thinking" }, "Looking for an answer"));
  const place = $("answer");
  place.hidden = false;
  place.replaceChildren(h("h2", {}, state.words), text);
  $("found").replaceChildren();
  $("status").textContent = "";
  const answer = { text: "", citations: new Map(), done: null };
  try {
    for await (const { name, data } of ask(state, mine.signal)) {
      if (mine !== running) return;
      take(answer, name, data);
      text.replaceChildren(...paragraphs(answer));
    }
    clearNotice();
    text.removeAttribute("aria-busy");
    await end(place, answer, mine.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    text.removeAttribute("aria-busy");
    if (!answer.text) place.hidden = true;
    tellProblem(error, showAnswer);
  }
}

export function forgetAnswer() {
  running?.abort();
  running = null;
  $("answer").hidden = true;
  $("answer").replaceChildren();
}

function take(answer, name, data) {
  if (name === "token") answer.text += data.text;
  if (name === "citation") answer.citations.set(data.n, data);
  if (name === "done") Object.assign(answer, { done: data, text: data.answer });
  if (name === "error")
    throw Object.assign(new Error(data.detail), { status: data.status, detail: data.detail, retry: 0 });
}

/** The text with its marks as links; after a paragraph, the pictures that it cites. */
function paragraphs(answer) {
  const seen = new Set();
  return answer.text
    .split(/\n\s*\n/)
    .filter((one) => one.trim())
    .flatMap((one) => {
      const pieces = one
        .split(new RegExp(MARK, "g"))
        .map((piece, at) => (at % 2 ? citation(answer, Number(piece)) : piece));
      const cited = [...one.matchAll(new RegExp(MARK, "g"))].map((match) => answer.citations.get(Number(match[1])));
      const pictures = cited.filter(
        (hit) => hit?.links.thumbnail && PICTURED.includes(hit.modality) && !seen.has(hit.n) && seen.add(hit.n),
      );
      return [
        h("p", {}, ...pieces),
        pictures.length > 0 && h("div", { class: "shown-with" }, ...pictures.map(figure)),
      ].filter(Boolean);
    });
}

function citation(answer, number) {
  const hit = answer.citations.get(number);
  if (!hit) return h("span", { class: "cite" }, number);
  const to = link(hit, number);
  to.className = "cite";
  to.title = `${titleOf(hit)}, ${placeOf(hit.locator)}`;
  to.setAttribute("aria-label", `Source ${number}: ${to.title}`);
  return to;
}

function figure(hit) {
  const to = link(
    hit,
    h("img", { src: hit.links.thumbnail, alt: `${titleOf(hit)} ${placeOf(hit.locator)}`, loading: "lazy" }),
  );
  return h("figure", {}, to, h("figcaption", {}, citationNumber(hit), `${titleOf(hit)} ${placeOf(hit.locator)}`));
}

function citationNumber(hit) {
  return h("span", { class: "number" }, hit.n);
}

/** After the last word: who wrote it, its sources; or that there is no answer, and what comes closest. */
async function end(place, answer, signal) {
  const cited = [...answer.citations.values()].sort((a, b) => a.n - b.n);
  const supported = answer.done?.supported ?? false;
  $("status").textContent = supported
    ? `Answered from ${cited.length === 1 ? "one source" : `${cited.length} sources`}`
    : "No answer in this collection";
  if (supported) {
    place.append(
      h(
        "p",
        { class: "by" },
        answer.done.model
          ? `Written by ${answer.done.model} from the sources below.`
          : "Quoted word for word from the sources below; no language model is set up.",
      ),
    );
    $("found").replaceChildren(h("h2", { class: "over" }, "Sources"), wall(cited.map((hit) => card(hit, [], hit.n))));
  } else {
    place.querySelector(".said").classList.add("unsupported");
    place.append(h("p", { class: "by" }, "What comes closest is below."));
    const near = await search({ ...state, k: 6, likes: [], kinds: [] }, signal);
    $("found").replaceChildren(
      h("h2", { class: "over" }, "What comes closest"),
      wall(near.hits.map((hit) => card(hit))),
    );
  }
  arrange();
}
