/** The settings of the Imagine tab: which fields a model has, what they say, and how a recipe fills them. */
import { base64 } from "./api.js";
import { el, field, fill, slider } from "./dom.js";
import { KINDS } from "./pick.js";

const RATIOS = [["", "the model's own", true], ["1:1", "1:1"], ["3:2", "3:2"], ["2:3", "2:3"], ["4:3", "4:3"], ["3:4", "3:4"], ["16:9", "16:9"], ["9:16", "9:16"]];
const MOODS = ["calm", "joyful", "sad", "angry", "mysterious", "festive"];
const STYLES = ["flat", "pencil", "ink", "oil", "pixel", "crayon"];
const USUAL = { chaos: 0, stylize: 100 }; // what a recipe says of options that nobody said
const PICTURES = 4; // when nobody says how many
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
function sized(ratio, [rows, columns]) {
  const [width, height] = ratio.split(":").map(Number);
  const side = (part, other) => Math.max(UNIT, Math.round(Math.sqrt((rows * columns * part) / other) / UNIT) * UNIT);
  return [side(height, width), side(width, height)];
}

/** The drawer: `node`, `adapt(model)`, `read(model)`, `given()`, and `put(request)`, which returns what it has no fields for as options of a prompt. */
export function settings() {
  const n = slider("Pictures", { min: 1, max: 8, step: 1, value: PICTURES });
  const seed = el("input", { class: "input", name: "seed", inputMode: "numeric", pattern: "[0-9]*", placeholder: "by chance" });
  const steps = number("steps", 1, 1000);
  const guidance = number("guidance", 0, 30, 0.1);
  const ratio = el("select", { class: "input", name: "ar" });
  const negative = el("input", { class: "input", name: "negative", placeholder: "what shall not be there" });
  const [mood, moods] = offered("mood", MOODS);
  const [style, styles] = offered("style", STYLES);
  const inputs = { seed, steps, guidance, negative, mood, style };
  fill(ratio, RATIOS);
  const files = {
    reference: el("input", { class: "input", name: "reference", type: "file", accept: KINDS.join(",") }),
    sound: el("input", { class: "input", name: "sound", type: "file", accept: "audio/*" }),
  };
  const wide = field("Keep out", negative);
  wide.classList.add("wide");
  const ofWords = [wide, field("Mood", mood), field("Style", style), field("Width to height", ratio),
    field("A picture to resemble", files.reference), field("A sound to be heard there", files.sound)];
  const node = el("div", { class: "drawer", hidden: true, id: "settings" }, n, field("Seed", seed),
    field("Steps", steps), field("Guidance", guidance), ...ofWords, moods, styles);

  const read = (model) => {
    const words = model.tasks.includes("imagine");
    const request = {};
    for (const name of ["seed", "steps", "guidance"]) {
      const said = inputs[name].value.trim();
      if (said) request[name] = Number(said);
      if (said && Number.isNaN(request[name])) throw new Error("Seed, steps and guidance are numbers.");
    }
    if (words) {
      for (const name of ["negative", "mood", "style"]) if (inputs[name].value.trim()) request[name] = inputs[name].value.trim();
      if (ratio.value) request.ar = ratio.value;
    }
    const count = Number(n.input.value);
    if (!words || count !== PICTURES) request.n = count;
    return request;
  };
  const given = async () => {
    const found = {};
    for (const [name, input] of Object.entries(files)) if (input.files.length) found[name] = await base64(input.files[0]);
    return found;
  };
  return {
    node,
    read,
    given,
    adapt: (model) => { for (const one of ofWords) one.hidden = !model?.tasks.includes("imagine"); },
    put: (request, size) => {
      for (const [name, input] of Object.entries(inputs)) input.value = request[name] ?? "";
      for (const input of Object.values(files)) input.value = "";
      const asked = request.size ?? null;
      ratio.value = asked ? (RATIOS.find(([value]) => value && same(sized(value, size ?? asked), asked))?.[0] ?? "") : "";
      const rest = Object.entries(USUAL).filter(([name, usual]) => (request[name] ?? usual) !== usual).map(([name]) => `--${name} ${request[name]}`);
      return asked && !ratio.value ? [...rest, `--ar ${asked[1]}:${asked[0]}`] : rest;
    },
    forgetSeed: () => { seed.value = ""; },
  };
}

function same(one, other) {
  return one[0] === other[0] && one[1] === other[1];
}
