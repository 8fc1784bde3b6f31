// A sheet to draw on: with a finger, a mouse, a pen, or the arrow keys.

import { $, h, icon, iconButton } from "./dom.js";

const SIZE = 512;
const INKS = [
  ["black", "#1a1a1a"],
  ["red", "#d8332a"],
  ["blue", "#2f56d8"],
  ["green", "#2c9445"],
  ["yellow", "#f0b90b"],
  ["brown", "#8a5a2b"],
];
const STEP = 8;

/** Let the user draw; done is given the picture. */
export function draw(done) {
  const sheet = new Sheet();
  const dialog = $("sketch");
  const use = () =>
    sheet.canvas.toBlob((blob) => {
      dialog.close();
      done(new File([blob], "drawing.png", { type: "image/png" }));
    });
  const inks = h(
    "fieldset",
    { class: "inks" },
    h("legend", { class: "hidden" }, "Ink"),
    ...INKS.map(([name, value], at) =>
      h(
        "label",
        { title: name },
        h("input", {
          type: "radio",
          name: "ink",
          value,
          checked: at === 0,
          "aria-label": name,
          onchange: () => (sheet.ink = value),
        }),
        h("span", { style: { "--ink-colour": value } }),
      ),
    ),
  );
  const width = h("input", {
    type: "range",
    min: 2,
    max: 40,
    value: 6,
    "aria-label": "Width of the pen",
    oninput: () => (sheet.width = Number(width.value)),
  });
  dialog.replaceChildren(
    h(
      "header",
      {},
      h("h2", { id: "sketch-title" }, "Draw what you are looking for"),
      iconButton("close", "Close", () => dialog.close()),
    ),
    h("div", { class: "sheet" }, sheet.canvas, sheet.cursor),
    h(
      "p",
      { class: "hint", id: "sketch-help" },
      "With the keyboard: arrows move the pen, space lifts it or puts it down.",
    ),
    h(
      "footer",
      {},
      inks,
      width,
      iconButton("undo", "Undo", () => sheet.undo()),
      h("button", { type: "button", class: "plain", onclick: () => sheet.clear() }, "Clear"),
      h("button", { type: "button", class: "primary", onclick: use }, icon("search"), "Use this drawing"),
    ),
  );
  dialog.showModal();
  sheet.canvas.focus();
}

class Sheet {
  strokes = [];
  ink = INKS[0][1];
  width = 6;
  at = { x: SIZE / 2, y: SIZE / 2 };
  down = false;

  constructor() {
    this.canvas = h("canvas", {
      width: SIZE,
      height: SIZE,
      tabindex: 0,
      role: "img",
      "aria-label": "Sheet to draw on",
      "aria-describedby": "sketch-help",
    });
    this.cursor = h("span", { class: "cursor", hidden: true });
    this.pen = this.canvas.getContext("2d");
    this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.redraw();
  }

  begin(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.cursor.hidden = true;
    this.start(this.placeOf(event));
  }

  move(event) {
    if (!event.buttons || !this.canvas.hasPointerCapture(event.pointerId)) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.extend(this.placeOf(one));
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * SIZE, y: ((event.clientY - box.top) / box.height) * SIZE };
  }

  key(event) {
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    if (event.key === " ") {
      this.down = !this.down;
      if (this.down) this.start(this.at);
    } else {
      const inside = (value) => Math.min(SIZE, Math.max(0, value));
      this.at = { x: inside(this.at.x + step[0]), y: inside(this.at.y + step[1]) };
      if (this.down) this.extend(this.at);
    }
    this.cursor.hidden = false;
    this.cursor.classList.toggle("down", this.down);
    this.cursor.style.left = `${(this.at.x / SIZE) * 100}%`;
    this.cursor.style.top = `${(this.at.y / SIZE) * 100}%`;
  }

  start(place) {
    this.strokes.push({ ink: this.ink, width: this.width, places: [place] });
    this.redraw();
  }

  extend(place) {
    this.strokes.at(-1)?.places.push(place);
    this.redraw();
  }

  undo() {
    this.strokes.pop();
    this.redraw();
  }

  clear() {
    this.strokes = [];
    this.redraw();
  }

  redraw() {
    const pen = this.pen;
    pen.fillStyle = "white";
    pen.fillRect(0, 0, SIZE, SIZE);
    pen.lineCap = pen.lineJoin = "round";
    for (const { ink, width, places } of this.strokes) {
      pen.strokeStyle = ink;
      pen.lineWidth = width;
      pen.beginPath();
      pen.moveTo(places[0].x, places[0].y + 0.01); // so that a dot is one
      for (const { x, y } of places) pen.lineTo(x, y);
      pen.stroke();
    }
  }
}
