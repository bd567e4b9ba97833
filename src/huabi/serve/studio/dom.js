/** Elements, icons and words on the page; data become text alone, never markup. */
import { t } from "./i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const FEW = 100; // pixels of a side below which they are shown as squares
const ICONS = {
  imagine: "M12 3l1.9 5.6L19.500 10.500l-5.600 1.900L12 18l-1.900-5.600L4.500 10.500l5.600-1.900zM19 16v4M17 18h4",
  canvas: "M4 20l1-4L16.500 4.500a2.100 2.100 0 0 1 3 3L8 19zM14 7l3 3",
  transform: "M4 8h13l-3.500-3.500M20 16H7l3.500 3.500",
  train: "M4 19V5M4 19h16M7.500 15l3.500-5 3 3 5-7",
  compare: "M6 20V10M12 20V4M18 20v-7",
  models: "M12 3l8 4.500v9L12 21l-8-4.500v-9zM4 7.500l8 4.500 8-4.500M12 12v9",
  jobs: "M9 6h11M9 12h11M9 18h11M4.500 6h.01M4.500 12h.01M4.500 18h.01",
  close: "M6 6l12 12M18 6L6 18",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  again: "M20 11a8 8 0 1 0-2.300 6.300M20 5v6h-6",
  undo: "M9 14L4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "M15 14l5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15 9h.01",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  brush: "M4 20c1-3 2-5 4.500-5s3.500 2 2.500 3.500S7 21 4 20zM11 14l8-9.500 1 1-8 9.500",
  eraser: "M8 20h12M5 15l9-10 6 5.500L12 20H8z",
};

/** A new element; `t`, `label`, `placeholder` and `hint` are words that change with the language. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (name === "t") say(node, value, props.tv);
    else if (name === "tv") continue;
    else if (name === "label" || name === "placeholder" || name === "hint") node.setAttribute(`data-${name}`, value);
    else if (name in node && name !== "list" && name !== "form") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  translateOne(node);
  return node;
}

/** Makes an element say words, in which {names} stand for `values`, in the language of the page. */
export function say(node, words, values) {
  node.dataset.t = words;
  if (values) node.dataset.tv = JSON.stringify(values);
  else delete node.dataset.tv;
  node.textContent = t(words, values);
}

function translateOne(node) {
  if (node.dataset.t) node.textContent = t(node.dataset.t, node.dataset.tv && JSON.parse(node.dataset.tv));
  if (node.dataset.label) node.setAttribute("aria-label", t(node.dataset.label));
  if (node.dataset.hint) node.setAttribute("title", t(node.dataset.hint));
  if (node.dataset.placeholder) node.setAttribute("placeholder", t(node.dataset.placeholder));
}

/** Puts everything on the page into the language that is chosen now. */
export function translate() {
  for (const node of document.querySelectorAll("[data-t], [data-label], [data-placeholder], [data-hint]")) translateOne(node);
}

/** A line icon of 24 x 24, which screen readers pass over. */
export function icon(name) {
  const svg = shape("svg", { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 1.8, "aria-hidden": "true" });
  svg.append(shape("path", { d: ICONS[name], "stroke-linecap": "round", "stroke-linejoin": "round" }));
  return svg;
}

/** An SVG element with attributes. */
export function shape(tag, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

/** A button of words and perhaps an icon. */
export function button(words, act, { kind = "", symbol = "", ...rest } = {}) {
  return el("button", { type: "button", class: `button ${kind}`, on: { click: act }, ...rest },
    symbol ? icon(symbol) : null, words ? el("span", { t: words }) : null);
}

/** A labelled control. */
export function field(words, control, note = "") {
  return el("label", { class: "field" }, el("span", { t: words }), control, note ? el("small", { t: note }) : null);
}

/** A labelled slider whose value is shown; returns the field, and the input as its `input`. */
export function slider(words, { min, max, step, value }, show = (v) => v) {
  const shown = el("b", { "aria-hidden": "true" }); // an <output> would take the label for itself
  const input = el("input", { type: "range", min, max, step, value });
  const tell = () => {
    const text = String(show(Number(input.value)));
    shown.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", tell);
  tell();
  const whole = el("label", { class: "field" }, el("span", {}, el("span", { t: words }), shown), input);
  whole.input = input;
  whole.set = (v) => { input.value = v; tell(); };
  return whole;
}

/** A row of buttons of which one is pressed; `options` are [value, words]. */
export function choices(words, options, chosen, act) {
  const row = el("div", { class: "choices", role: "group", label: words });
  const press = (value) => {
    row.value = value;
    for (const one of row.children) one.setAttribute("aria-pressed", String(one.dataset.value === value));
  };
  for (const [value, name] of options) {
    row.append(el("button", { type: "button", t: name, "data-value": value, on: { click: () => { press(value); act(value); } } }));
  }
  row.press = press;
  press(chosen);
  return row;
}

/** Whether a key press is an Enter that ends what was typed, and not one that ends the writing of a Chinese word. */
export function entered(event) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229; // Safari says 229 alone
}

/** Fills a <select> with [value, text] pairs and keeps what was chosen where it is still there. */
export function fill(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map(([value, text, words]) => (words ? el("option", { value, t: text }) : el("option", { value }, text))));
  if (options.some(([value]) => value === before)) select.value = before;
}

/** One line at the foot of the page, which goes by itself unless it is an error. */
export function toast(words, { bad = false, values } = {}) {
  const place = document.getElementById("toasts");
  const note = el("div", { class: `toast ${bad ? "bad" : ""}` }, el("p", { t: words, tv: values }));
  const close = () => note.remove();
  note.append(el("button", { type: "button", label: "Close", on: { click: close } }, icon("close")));
  place.replaceChildren(...[...place.children].slice(-1), note);
  if (!bad) setTimeout(close, 5000);
}

/** An image of a recipe's size, whose few pixels stay square where it is small. */
export function picture(src, alt, width = 0) {
  const image = el("img", { src, alt, decoding: "async" });
  const judge = () => image.classList.toggle("pixels", (width || image.naturalWidth) < FEW);
  image.addEventListener("load", judge);
  return image;
}
