// Puts the page together: whatever changes the state, this shows it.

import { showAdd } from "./add.js";
import { forgetAnswer, showAnswer } from "./ask.js";
import { $, h, icon } from "./dom.js";
import { buildDrop } from "./drop.js";
import { showFilters } from "./filters.js";
import { buildFinder, draft, showFinder } from "./finder.js";
import { learn, showHome } from "./home.js";
import { clearNotice } from "./notices.js";
import { buildPane, completePane, showPane } from "./pane.js";
import { forget, showResults } from "./results.js";
import { address, asks, EMPTY, go, onChange, queryKey, shelfFilter, state } from "./state.js";

const MODES = { search: "Search", ask: "Ask", add: "Add" };
const GREETINGS = {
  search: "What are you looking for?",
  ask: "What would you like to know?",
  add: "Add to the collection",
};
let shown = null; // the query on the page

function show() {
  document.title = state.words ? `${state.words} · bowerbird` : "bowerbird";
  showModes();
  showFinder();
  showFilters();
  const key = asks(state) ? queryKey(state) : `${state.mode} ${shelfFilter(state)}`;
  if (key !== shown) {
    shown = key;
    showMain();
  }
  showPane();
}

function showMain() {
  clearNotice();
  const asked = state.mode !== "add" && asks(state);
  document.body.classList.toggle("asked", asked);
  document.body.dataset.mode = state.mode;
  $("greeting").textContent = GREETINGS[state.mode];
  $("add").hidden = state.mode !== "add";
  $("found").hidden = state.mode === "add";
  if (state.mode !== "ask" || !asked) forgetAnswer();
  if (!asked || state.mode === "ask") forget();
  if (state.mode === "add") showAdd();
  else if (!asked) showHome();
  else if (state.mode === "ask" && state.words) showAnswer();
  else showResults().then(completePane);
}

function showModes() {
  const links = Object.entries(MODES).map(([mode, name]) => {
    const to = { ...state, mode, open: "", k: EMPTY.k };
    const change = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go({ mode, open: "", k: EMPTY.k, words: draft() });
    };
    return h(
      "a",
      { href: address(to), "aria-current": mode === state.mode ? "page" : null, onclick: change },
      icon(mode),
      h("span", {}, name),
    );
  });
  $("modes").replaceChildren(...links);
}

const THEMES = {
  auto: ["light dark", "Colours as the system has them"],
  sun: ["light", "Light colours"],
  moon: ["dark", "Dark colours"],
};

function buildTheme() {
  const names = Object.keys(THEMES);
  let chosen = localStorage.getItem("theme");
  if (!names.includes(chosen)) chosen = "auto";
  const set = () => {
    document.documentElement.style.colorScheme = THEMES[chosen][0];
    $("theme").replaceChildren(icon(chosen));
    $("theme").setAttribute("aria-label", THEMES[chosen][1]);
    $("theme").title = THEMES[chosen][1];
  };
  $("theme").addEventListener("click", () => {
    chosen = names[(names.indexOf(chosen) + 1) % names.length];
    localStorage.setItem("theme", chosen);
    set();
  });
  set();
}

buildTheme();
buildFinder();
buildPane();
buildDrop();
document.querySelector(".brand").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  $("words").value = "";
  go({ ...EMPTY });
});
onChange(show);
show();
if (asks(state)) learn().catch(() => {}); // the search tells what is wrong
if (!asks(state) && matchMedia("(pointer: fine)").matches) $("words").focus();
