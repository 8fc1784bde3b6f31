// Sound and film: loudness as a drawing, and playing from the moment that was found.

import { waveform } from "./api.js";
import { h, icon, shape } from "./dom.js";
import { clock } from "./words.js";

let playing = null;
const visible = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      visible.unobserve(target);
      target.dispatchEvent(new Event("visible"));
    }
  },
  { rootMargin: "200px" },
);

/** Call back once, when an element comes near the window. */
export function whenVisible(node, call) {
  node.addEventListener("visible", call, { once: true });
  visible.observe(node);
}

/** Play a sound or film from a second on; what played before stops. */
export async function playFrom(player, start) {
  if (playing && playing !== player) playing.pause();
  playing = player;
  if (player.readyState === 0)
    await new Promise((resolve) => {
      player.addEventListener("loadedmetadata", resolve, { once: true });
      player.addEventListener("error", resolve, { once: true });
      player.load();
    });
  player.currentTime = start;
  await player.play().catch(() => {}); // stopped again, or nothing that this browser plays
}

/** The loudness of a recording with moments marked; a click plays from there. moments: [[start, end, id]] */
export function wave(id, moments, player) {
  const mark = h("span", { class: "playhead", hidden: true });
  const drawing = h("div", { class: "wave loading" }, mark);
  whenVisible(drawing, async () => {
    const drawn = await waveform(id).catch(() => null);
    drawing.classList.remove("loading");
    if (!drawn) return;
    const span = drawn.end - drawn.start;
    drawing.prepend(
      bars(
        drawn.peaks,
        moments.map(([start, end]) => [(start - drawn.start) / span, ((end ?? start) - drawn.start) / span]),
      ),
    );
    player.addEventListener("timeupdate", () => {
      mark.hidden = false;
      mark.style.left = `${Math.min(100, Math.max(0, ((player.currentTime - drawn.start) / span) * 100))}%`;
    });
    drawing.addEventListener("click", (event) => {
      const box = drawing.getBoundingClientRect();
      playFrom(player, drawn.start + ((event.clientX - box.left) / box.width) * span);
    });
  });
  return drawing;
}

function bars(peaks, spans) {
  const drawing = shape("svg", {
    viewBox: `0 0 ${peaks.length} 100`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  const inside = peaks.map((_, at) =>
    spans.some(([start, end]) => (at + 1) / peaks.length > start && at / peaks.length < end),
  );
  for (const chosen of [false, true]) {
    const path = peaks.map((peak, at) => (inside[at] === chosen ? line(at, peak) : "")).join("");
    drawing.append(shape("path", { d: path || "M0 0", class: chosen ? "inside" : "outside" }));
  }
  return drawing;
}

function line(at, peak) {
  const height = Math.max(2, peak * 96);
  return `M${at + 0.5} ${50 - height / 2}v${height}`;
}

/** A button that plays and pauses from a moment. */
export function playButton(player, start, label) {
  const button = h("button", { type: "button", class: "play round", "aria-label": label, title: label }, icon("play"));
  button.addEventListener("click", () => (player.paused ? playFrom(player, start) : player.pause()));
  player.addEventListener("play", () => button.replaceChildren(icon("pause")));
  player.addEventListener("pause", () => button.replaceChildren(icon("play")));
  return button;
}

/** A line of the whole length with moments on it. moments: [[start, end, …]]; jump is given a moment. */
export function track(moments, seconds, jump) {
  const length = Math.max(seconds, ...moments.map(([start, end]) => end ?? start), 0.1);
  return h(
    "div",
    { class: "track", role: "group", "aria-label": "Moments" },
    ...moments.map((moment) => {
      const [start, end] = moment;
      return h("button", {
        type: "button",
        class: "moment",
        "aria-label": `Play at ${clock(start)}`,
        title: clock(start),
        onclick: () => jump(moment),
        style: {
          left: `${(start / length) * 100}%`,
          width: `${(Math.max((end ?? start) - start, length / 100) / length) * 100}%`,
        },
      });
    }),
  );
}
