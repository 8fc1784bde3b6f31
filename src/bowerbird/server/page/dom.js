// Elements from data. Text is only ever set as text: nothing that comes from a collection becomes markup.

import { ICONS } from "./icons.js";

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "currentTime", "open"]);

/** An element. props: attributes; on… are listeners; style is an object of CSS properties. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (PROPERTIES.has(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A drawing of icons.js; decoration, so a name for it stands beside it. */
export function icon(name) {
  const svg = shape("svg", { class: "icon", "aria-hidden": "true", viewBox: "0 0 24 24" });
  const [lines, filled] = [ICONS[name]].flat();
  if (lines) svg.append(shape("path", { d: lines }));
  if (filled) svg.append(shape("path", { d: filled, fill: "currentColor" }));
  return svg;
}

/** An element of SVG. */
export function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** A button that shows an icon, and its name to those who do not see it. */
export function iconButton(name, label, onclick, more = {}) {
  return h(
    "button",
    { type: "button", class: "quiet round", "aria-label": label, title: label, onclick, ...more },
    icon(name),
  );
}

/** Text with spans [start, end) of code points marked. */
export function marked(text, spans) {
  const letters = [...text];
  const pieces = [];
  let at = 0;
  for (const [start, end] of spans) {
    if (start < at) continue;
    pieces.push(letters.slice(at, start).join(""), h("mark", {}, letters.slice(start, end).join("")));
    at = end;
  }
  pieces.push(letters.slice(at).join(""));
  return pieces.filter((piece) => piece !== "");
}

/** The words that spans of a text mark, in lower case. */
export function markedWords(text, spans) {
  const letters = [...text];
  return new Set(spans.map(([start, end]) => letters.slice(start, end).join("").toLowerCase()));
}

export function $(id) {
  return document.getElementById(id);
}
