// Places, times, sizes and scores as people read them.

export const MODALITIES = {
  page: "Pages",
  image: "Pictures",
  text: "Text",
  table: "Tables",
  audio: "Sound",
  video: "Film",
};
export const MODALITY_OF = {
  page: "page",
  image: "image",
  figure: "image",
  passage: "text",
  table: "table",
  segment: "audio",
  shot: "video",
};

/** 75.2 → 1:15 */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, at) => (at ? String(part).padStart(2, "0") : part)).join(":");
}

export function fileName(source) {
  return source.split("/").pop();
}

/** The place inside a source: page 3, 0:16–0:23, rows 41–48. */
export function placeOf(locator) {
  const parts = [];
  if (locator.member) parts.push(locator.member);
  if (locator.page && !locator.rows) parts.push(`page ${locator.page}`);
  if (locator.rows) parts.push(`rows ${locator.rows[0]}–${locator.rows[1]}`);
  if (locator.start !== undefined && locator.start !== null) {
    const times = [locator.start, locator.end ?? locator.start].map(clock);
    parts.push([...new Set(times)].join("–"));
  }
  return parts.join(" · ");
}

export function titleOf(thing) {
  return !thing.title || saysFile(thing.title, thing.source) ? fileName(thing.source) : thing.title;
}

/** Whether a title is the file's name, so that the name need not be said again. */
export function saysFile(title, source) {
  const name = fileName(source);
  return title === name || title === name.replace(/\.[^.]*$/, "");
}

export function sizeOf(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < 3) [value, unit] = [value / 1000, unit + 1];
  return `${value < 10 && unit ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

export function dayOf(date) {
  const parsed = /^\d{4}(-\d{2}(-\d{2})?)?/.exec(date ?? "");
  return parsed ? parsed[0] : "";
}
