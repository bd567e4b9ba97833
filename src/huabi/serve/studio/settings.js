/** The settings of the Imagine tab: which fields a model has, what they say, and how a recipe fills them. */
import { el, field, fill, slider } from "./dom.js";

const RATIOS = [["", "the model's own", true], ["1:1", "1:1"], ["3:2", "3:2"], ["2:3", "2:3"], ["4:3", "4:3"], ["3:4", "3:4"], ["16:9", "16:9"], ["9:16", "9:16"]];
const MOODS = ["calm", "joyful", "sad", "angry", "lonely", "mysterious", "romantic", "tense"];
const STYLES = ["flat", "pencil", "ink", "oil", "pixel", "crayon"];
const UNIT = 8; // pixels that sides are a multiple of

function number(name, min, max, step = 1) {
  return el("input", { class: "input", type: "number", min, max, step, name, placeholder: "the model's own", inputMode: "decimal" });
}

function offered(name, words) {
  const id = `list-${name}`;
  const list = el("datalist", { id }, ...words.map((word) => el("option", { value: word })));
  const input = el("input", { class: "input", name, autocomplete: "off", placeholder: "none" });
  input.setAttribute("list", id);
  return [input, list];
}

/** Rows and columns of a ratio, as large in all as the model's own size. */
export function sized(ratio, [rows, columns]) {
  const [width, height] = ratio.split(":").map(Number);
  const side = (part, other) => Math.max(UNIT, Math.round(Math.sqrt((rows * columns * part) / other) / UNIT) * UNIT);
  return [side(height, width), side(width, height)];
}

/** The drawer: `node`, `adapt(model)`, `read(model)` and `put(request)`. */
export function settings() {
  const n = slider("Pictures", { min: 1, max: 8, step: 1, value: 4 });
  const seed = el("input", { class: "input", name: "seed", inputMode: "numeric", pattern: "[0-9]*", placeholder: "by chance" });
  const steps = number("steps", 1, 1000);
  const guidance = number("guidance", 0, 30, 0.1);
  const ratio = el("select", { class: "input", name: "ar" });
  const negative = el("input", { class: "input", name: "negative", placeholder: "what shall not be there" });
  const [mood, moods] = offered("mood", MOODS);
  const [style, styles] = offered("style", STYLES);
  const inputs = { seed, steps, guidance, negative, mood, style };
  fill(ratio, RATIOS);
  const wide = field("Keep out", negative);
  wide.classList.add("wide");
  const ofWords = [wide, field("Mood", mood), field("Style", style), field("Width to height", ratio)];
  const node = el("div", { class: "drawer", hidden: true, id: "settings" }, n, field("Seed", seed),
    field("Steps", steps), field("Guidance", guidance), ...ofWords, moods, styles);

  const read = (model) => {
    const words = model.tasks.includes("imagine");
    const request = {};
    for (const name of ["seed", "steps", "guidance"]) if (inputs[name].value.trim()) request[name] = Number(inputs[name].value);
    if (words) {
      for (const name of ["negative", "mood", "style"]) if (inputs[name].value.trim()) request[name] = inputs[name].value.trim();
      if (ratio.value) request.size = sized(ratio.value, model.size);
    }
    return { n: Number(n.input.value), request };
  };
  return {
    node,
    read,
    adapt: (model) => { for (const one of ofWords) one.hidden = !model?.tasks.includes("imagine"); },
    put: (request, size) => {
      for (const [name, input] of Object.entries(inputs)) input.value = request[name] ?? "";
      const asked = request.size ?? null;
      ratio.value = asked ? (RATIOS.find(([value]) => value && same(sized(value, size ?? asked), asked))?.[0] ?? "") : "";
    },
    forgetSeed: () => { seed.value = ""; },
  };
}

function same(one, other) {
  return one[0] === other[0] && one[1] === other[1];
}
