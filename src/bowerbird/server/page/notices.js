// What is said when something is not as it should be: what happened, and what to do.

import { alive } from "./api.js";
import { $, h, icon } from "./dom.js";

let waiting = 0;

export function clearNotice() {
  waiting += 1;
  $("notice").replaceChildren();
}

/** actions: [[label, function]] */
export function notice(picture, title, text, actions = [], alert = true) {
  clearNotice();
  const buttons = actions.map(([label, onclick]) => h("button", { type: "button", class: "plain", onclick }, label));
  $("notice").append(
    h(
      "div",
      { class: "notice", role: alert ? "alert" : null },
      icon(picture),
      h(
        "div",
        {},
        h("h2", {}, title),
        h("p", {}, text),
        buttons.length > 0 && h("p", { class: "actions" }, ...buttons),
      ),
    ),
  );
}

/** Say what a Problem means; again is what failed. */
export function tellProblem(problem, again) {
  if (problem.status === 0) {
    notice("away", "The server is away", "It does not answer. This page goes on as soon as it is back.", [
      ["Try now", again],
    ]);
    whenBack(again);
  } else if (problem.status === 429 || (problem.status === 503 && problem.retry)) {
    countDown(problem.retry || 5, again);
  } else if (problem.status === 413) {
    notice("alert", "That is too big", `${problem.detail} Use a shorter clip or a smaller file.`);
  } else if (problem.status === 401) {
    notice("alert", "A token is needed", "Load the page anew and give the token as the password.", [
      ["Load anew", () => location.reload()],
    ]);
  } else if (problem.status >= 500) {
    notice("alert", "The server failed at this", problem.detail, [["Try again", again]]);
  } else {
    notice("alert", "This cannot be searched", problem.detail);
  }
}

async function whenBack(again) {
  const mine = waiting;
  for (let pause = 1000; mine === waiting; pause = Math.min(pause * 1.5, 15000)) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (mine === waiting && (await alive())) {
      if (mine === waiting) again();
      return;
    }
  }
}

async function countDown(seconds, again) {
  notice("alert", "The server is busy", "");
  const mine = waiting;
  const text = $("notice").querySelector("p");
  for (let left = Math.ceil(seconds); left > 0; left--) {
    text.textContent = `Many people are searching. Trying again in ${left} s.`;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (mine !== waiting) return;
  }
  again();
}
