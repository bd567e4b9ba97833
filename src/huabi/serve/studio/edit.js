/** Canvas: draw, repaint what is masked, colour by strokes, and go on beyond the edges. */
import { base64, pictureUrl } from "./api.js";
import { Surface } from "./canvas.js";
import { button, choices, el, entered, field, fill, icon, picture, say, slider, toast } from "./dom.js";
import { Forming } from "./forming.js";
import { choose, droppable, fileOf } from "./pick.js";
import { models, onModels, takes } from "./store.js";
import { view } from "./viewer.js";
import { cancel, work } from "./work.js";

const MODES = [["mask", "Repaint"], ["scribble", "Colour"], ["expand", "Expand"], ["paint", "Draw"]];
const NOTES = {
  mask: "Paint over what shall become another, then say what it shall be.",
  scribble: "Draw a few strokes in the colours that you want: they spread along the edges of the picture.",
  expand: "The picture goes on beyond its edges.",
  paint: "Draw on the picture. Then repaint, or let a model go on from it.",
};
const COLOURS = ["#1d1f23", "#ffffff", "#d1432c", "#e8a13a", "#f0d84c", "#3f9b57", "#3477c4", "#7d4fa8", "#8a5a3c"];
const SIDES = { "On every side": [1, 1, 1, 1], "At the left": [1, 0, 0, 0], "Above": [0, 1, 0, 0], "At the right": [0, 0, 1, 0], "Below": [0, 0, 0, 1] };
const SKETCHED = 0.6; // of the strength: what was drawn is seen in what comes of it
const COLOURING = "scribble"; // the model that needs no training

/** Builds the tab. */
export function canvas(page) {
  const tab = new Editor(page);
  takes("canvas", "picture", (file) => tab.load(file));
}

class Editor {
  constructor(page) {
    this.surface = new Surface();
    this.mode = "mask";
    this.busy = false;
    this.colour = COLOURS[2];
    this.prompt = el("textarea", { class: "input", rows: 2, label: "Prompt", placeholder: "What shall be there", id: "edit-prompt" });
    this.model = el("select", { class: "input", label: "Model", id: "edit-model" });
    this.size = slider("Brush", { min: 4, max: 120, step: 1, value: 40 }, (v) => `${v} px`);
    this.strength = slider("Strength", { min: 0, max: 1, step: 0.05, value: 1 }, (v) => v.toFixed(2));
    this.expand = slider("Pixels to add", { min: 8, max: 256, step: 8, value: 64 });
    this.sides = el("select", { class: "input", label: "Where", id: "edit-sides" });
    fill(this.sides, Object.keys(SIDES).map((name) => [name, name, true]));
    this.n = slider("Pictures", { min: 1, max: 4, step: 1, value: 2 });
    this.note = el("p", { class: "soft small" });
    this.go = button("Generate", () => this.generate(), { kind: "main", id: "edit-go" });
    this.stop = button("Stop", () => this.job && cancel(this.job).catch(complain), { hidden: true });
    this.status = el("p", { class: "soft small", role: "status" });
    this.results = el("div", { class: "candidates few", id: "edit-results" });
    this.modes = choices("What to do", MODES, this.mode, (mode) => this.turn(mode));
    this.build(page);
    this.wire(page);
    this.turn(this.mode);
  }

  build(page) {
    this.eraser = el("button", { type: "button", class: "button small", "aria-pressed": "false", label: "Eraser", hint: "Eraser", on: { click: () => this.erase() } }, icon("eraser"));
    this.undo = button("", () => this.surface.undo(), { symbol: "undo", kind: "small", label: "Undo", hint: "Undo" });
    this.redo = button("", () => this.surface.redo(), { symbol: "redo", kind: "small", label: "Redo", hint: "Redo" });
    this.swatches = el("div", { class: "swatches", role: "group", label: "Colour" }, COLOURS.map((colour) => this.swatch(colour)),
      el("input", { type: "color", value: this.colour, label: "Another colour", on: { input: (event) => this.paintWith(event.target.value) } }));
    const tools = el("div", { class: "row apart" }, this.modes, el("div", { class: "row" }, this.undo, this.redo, this.eraser,
      button("All", () => this.surface.whole(this.surface.brush), { kind: "small", hint: "The whole picture with the brush" }),
      button("New", () => this.blank(), { kind: "small" }), button("Open", () => this.open(), { kind: "small", symbol: "picture" })));
    this.area = el("div", { class: "stack" }, tools, this.surface.node, this.status, this.results);
    this.fields = { prompt: field("Prompt", this.prompt), sides: field("Where", this.sides) };
    page.append(el("h1", { t: "Canvas" }), el("div", { class: "columns" }, this.area,
      el("div", { class: "panel stack" }, this.note, this.swatches, this.size, this.fields.prompt, this.expand, this.fields.sides, this.strength, this.n,
        field("Model", this.model), el("div", { class: "row" }, this.go, this.stop))));
  }

  swatch(colour) {
    const node = el("button", { type: "button", class: "swatch", "data-colour": colour, "aria-label": colour, on: { click: () => this.paintWith(colour) } });
    node.style.background = colour;
    return node;
  }

  wire(page) {
    droppable(this.area, ([file]) => file && this.load(file), "dropping");
    this.size.input.addEventListener("input", () => this.dip());
    this.model.addEventListener("change", () => this.adapt());
    this.prompt.addEventListener("keydown", (event) => {
      if (entered(event)) { event.preventDefault(); this.generate(); }
    });
    page.addEventListener("keydown", (event) => {
      if (event.target.matches("textarea, input") || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
      event.preventDefault();
      if (event.shiftKey) this.surface.redo();
      else this.surface.undo();
    });
    this.surface.changed = () => {
      this.undo.disabled = !this.surface.done.length;
      this.redo.disabled = !this.surface.undone.length;
    };
    this.surface.changed();
    onModels(() => this.offer());
  }

  turn(mode) {
    this.mode = mode;
    this.modes.press(mode);
    say(this.note, NOTES[mode]);
    const draws = mode === "scribble" || mode === "paint";
    this.swatches.hidden = !draws;
    this.size.hidden = mode === "expand";
    this.expand.hidden = this.fields.sides.hidden = mode !== "expand";
    this.erase(false);
    this.offer();
    if (mode === "scribble") this.model.value = COLOURING;
    this.adapt();
    this.paintWith(this.colour);
    this.strength.set(mode === "paint" ? SKETCHED : 1);
  }

  /** The models for this mode; strokes need none that is trained. */
  offer() {
    const found = models("edit").filter((one) => this.mode === "scribble" || one.id !== COLOURING);
    const first = found.filter((one) => one.id === COLOURING);
    fill(this.model, [...first, ...found.filter((one) => one.id !== COLOURING)].map((one) => [one.id, one.id === COLOURING ? "Without training" : one.id, one.id === COLOURING]));
    this.go.disabled = this.busy || !found.length;
    if (!this.busy) say(this.status, found.length ? "" : "No model here repaints pictures: train diffusion or text_to_image, or start the studio with --model.");
  }

  /** What needs no training takes no words, and always colours alike. */
  adapt() {
    for (const one of [this.fields.prompt, this.strength, this.n]) one.hidden = this.model.value === COLOURING;
  }

  erase(on = !this.surface.brush.erase) {
    this.surface.brush.erase = on;
    this.eraser.setAttribute("aria-pressed", String(on));
    this.eraser.classList.toggle("main", on);
  }

  paintWith(colour) {
    this.colour = colour;
    for (const one of this.swatches.querySelectorAll(".swatch")) one.setAttribute("aria-pressed", String(one.dataset.colour === colour));
    this.erase(false);
    this.dip();
  }

  dip() {
    const layer = this.mode === "expand" ? "mask" : this.mode;
    Object.assign(this.surface.brush, { layer, colour: this.colour, size: Number(this.size.input.value) });
  }

  async open() {
    const [file] = await choose();
    if (file) await this.load(file);
  }

  async load(file) {
    try {
      await this.surface.load(file);
    } catch {
      toast("This is no PNG, JPEG or WebP.", { bad: true });
    }
  }

  blank() {
    const known = models("edit").find((one) => one.id === this.model.value && !one.built_in);
    const [height, width] = known?.size ?? [512, 512];
    this.surface.clear(width, height);
    this.turn("paint");
  }

  async request() {
    const request = { image: await base64(await this.surface.picture()) };
    if (this.model.value !== COLOURING) {
      if (this.prompt.value.trim()) request.prompt = this.prompt.value.trim();
      request.strength = Number(this.strength.input.value);
    }
    if (this.surface.has("mask") && this.mode !== "scribble") request.mask = await base64(await this.surface.mask());
    if (this.mode === "mask" && !request.mask) throw new Error("Paint first over what shall become another.");
    if (this.mode === "scribble" && !this.surface.has("scribble")) throw new Error("Draw a few coloured strokes first.");
    if (this.mode === "scribble") request.scribble = await base64(await this.surface.scribble());
    if (this.mode === "expand") request.expand = SIDES[this.sides.value].map((side) => side * Number(this.expand.input.value));
    return request;
  }

  async generate() {
    if (this.go.disabled) return;
    if (this.busy) return;
    this.busy = true;
    this.job = null;
    this.go.disabled = true;
    this.stop.hidden = false;
    say(this.status, "Waiting…");
    const n = this.model.value === COLOURING ? 1 : Number(this.n.input.value);
    const forming = new Forming(n);
    const seen = (event) => {
      if (event.of) say(this.status, "Step {step} of {of}", event);
      forming.seen(event);
    };
    try {
      const body = { task: "edit", model: this.model.value, n, previews: 8, request: await this.request() };
      this.results.prepend(...forming.places);
      const made = await work(body, seen, (job) => { this.job = job.id; });
      forming.done(made.pictures.map((one) => this.result({ id: one.id, recipe: one.recipe, model: made.job.model, task: "edit" })));
    } catch (error) {
      forming.gone();
      if (error.code !== "cancelled") complain(error);
    }
    this.busy = false;
    this.offer();
    this.stop.hidden = true;
  }

  result(shown) {
    const take = async () => this.load(await fileOf(pictureUrl(shown.id)));
    return el("figure", { class: "candidate" },
      el("button", { type: "button", class: "frame", label: "Open the picture", on: { click: () => view(shown) } }, picture(pictureUrl(shown.id), "", shown.recipe.size?.[1])),
      el("figcaption", {}, el("span", { class: "numbers" }, String(shown.recipe.request.seed ?? "")), button("Go on with this", () => take().catch(complain), { kind: "small" })));
  }
}

function complain(error) {
  toast(error.message, { bad: true });
}
