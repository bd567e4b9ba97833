/** Transform: one picture in, a better or another one out, before and after under a slider. */
import { base64, pictureUrl } from "./api.js";
import { button, choices, el, field, fill, icon, picture, say, slider, toast } from "./dom.js";
import { choose, fileOf, slot } from "./pick.js";
import { beforeAfter } from "./slider.js";
import { model, models, onModels, takes } from "./store.js";
import { cancel, work } from "./work.js";

const TASKS = [["enhance", "Enhance"], ["restore", "Restore"], ["stylize", "Stylize"], ["paint", "Paint"], ["translate", "Translate"]];
const DAMAGES = [["denoise", "Noise"], ["deblur", "Blur"], ["dejpeg", "JPEG's blocks"], ["upscale", "Too few pixels"], ["colourise", "No colour"], ["mend", "Age and scratches"]];
const BRUSHES = [["oil", "Oil"], ["ink", "Ink"], ["watercolor", "Watercolour"], ["crayon", "Crayon"], ["pencil", "Pencil"]];
const AMOUNTS = [["exposure", "Exposure"], ["white_balance", "White balance"], ["contrast", "Contrast"], ["sharpness", "Sharpness"], ["denoise", "Noise"]];
const STYLES = 8;
const PREVIEWS = 8;
const unit = (value) => ({ min: 0, max: 1, step: 0.05, value });
const share = (v) => v.toFixed(2);

/** Builds the tab. */
export function transform(page) {
  const tab = new Transformer(page);
  takes("transform", "picture", (file) => tab.source.put(file));
}

class Transformer {
  constructor(page) {
    this.task = "enhance";
    this.busy = false;
    this.source = slot("The picture", () => this.forget());
    this.model = el("select", { class: "input", label: "Model", id: "transform-model" });
    this.modelField = field("Model", this.model);
    this.go = button("Transform", () => this.run(), { kind: "main", id: "transform-go", symbol: "transform" });
    this.stop = button("Stop", () => this.job && cancel(this.job).catch(complain), { hidden: true });
    this.status = el("p", { class: "soft small", role: "status" });
    this.bar = el("progress", { max: 1, value: 0, label: "Progress", hidden: true });
    this.result = el("section", { class: "stack", hidden: true });
    this.panels = { enhance: this.enhance(), restore: this.restore(), stylize: this.stylize(), paint: this.paint(), translate: this.translate() };
    this.area = el("div", { class: "stack" }, this.result, this.source, this.bar, this.status);
    this.modes = choices("What to do", TASKS, this.task, (task) => this.turn(task));
    page.append(el("h1", { t: "Transform" }), this.modes, el("div", { class: "columns" },
      this.area,
      el("form", { class: "panel stack", on: { submit: (event) => { event.preventDefault(); this.run(); } } },
        ...Object.values(this.panels).map((panel) => panel.node), this.modelField, el("div", { class: "row" }, this.go, this.stop))));
    onModels(() => this.turn(this.task));
  }

  forget() {
    this.result.hidden = true;
    this.area.classList.remove("changed");
  }

  enhance() {
    const amounts = AMOUNTS.map(([name, words]) => [name, slider(words, unit(1), share)]);
    const scale = slider("How much larger", { min: 1, max: 4, step: 1, value: 1 }, (v) => `${v} ×`);
    const read = async () => ({ ...Object.fromEntries(amounts.map(([name, one]) => [name, Number(one.input.value)])), scale: Number(scale.input.value) });
    return { node: el("div", { class: "stack" }, el("p", { class: "soft small", t: "Each amount is how much is done of what the picture itself is found to need." }), ...amounts.map(([, one]) => one), scale), read };
  }

  restore() {
    const damage = el("select", { class: "input", id: "damage", on: { change: () => this.offer() } });
    fill(damage, DAMAGES.map(([value, words]) => [value, words, true]));
    const scale = slider("How many times the sides", { min: 2, max: 4, step: 1, value: 2 }, (v) => `${v} ×`);
    const strength = slider("Strength", unit(1), share);
    scale.input.addEventListener("input", () => this.offer());
    this.damage = damage;
    this.scaleField = scale;
    const read = async () => ({ task: damage.value, strength: Number(strength.input.value), ...(damage.value === "upscale" ? { scale: Number(scale.input.value) } : {}) });
    return { node: el("div", { class: "stack" }, field("What is to be undone", damage), scale, strength), read };
  }

  stylize() {
    const rows = el("div", { class: "styles", id: "styles" });
    const strength = slider("Strength", unit(1), share);
    const keep = el("input", { type: "checkbox" });
    const add = async () => { for (const file of await choose({ multiple: true })) this.style(rows, file); };
    const read = async () => {
      const styles = [...rows.children];
      const request = { strength: Number(strength.input.value), keep_colours: keep.checked };
      request.styles = await Promise.all(styles.map((row) => base64(row.file)));
      if (styles.length > 1) request.weights = styles.map((row) => Number(row.weight.value));
      return request;
    };
    return { node: el("div", { class: "stack" }, rows, button("Add a style picture", add, { symbol: "picture", id: "add-style" }), strength, el("label", { class: "check" }, keep, el("span", { t: "Keep the picture's colours" }))), read };
  }

  style(rows, file) {
    if (rows.children.length >= STYLES) {
      toast("A picture takes at most {most} styles: remove one first.", { bad: true, values: { most: STYLES } });
      return;
    }
    const url = URL.createObjectURL(file);
    const weight = slider("Weight", { min: 0.05, max: 1, step: 0.05, value: 0.5 }, share);
    const row = el("div", { class: "style" }, el("img", { src: url, alt: "" }), weight,
      el("button", { type: "button", class: "ghost icon", label: "Remove", on: { click: () => { URL.revokeObjectURL(url); row.remove(); } } }, icon("close")));
    Object.assign(row, { file, weight: weight.input });
    rows.append(row);
  }

  paint() {
    const brush = choices("Brush", BRUSHES, "oil", () => {});
    const detail = slider("Detail", unit(0.5), share);
    return { node: el("div", { class: "stack" }, brush, detail), read: async () => ({ brush: brush.value, detail: Number(detail.input.value) }) };
  }

  translate() {
    this.to = el("select", { class: "input", id: "to" });
    this.model.addEventListener("change", () => this.domains());
    return { node: el("div", { class: "stack" }, field("It becomes", this.to)), read: async () => (this.to.value ? { to: this.to.value } : {}) };
  }

  domains() {
    const kinds = model(this.model.value)?.domains ?? [];
    fill(this.to, [["", "the model's own", true], ...kinds.map((kind) => [kind, kind])]);
  }

  turn(task) {
    this.task = task;
    for (const [name, panel] of Object.entries(this.panels)) panel.node.hidden = name !== task;
    this.offer();
  }

  /** The models that can do what is chosen; where there are several, the server's choice stands first. */
  offer() {
    const upscales = this.damage.value === "upscale";
    this.scaleField.hidden = !upscales;
    const scale = upscales ? Number(this.scaleField.input.value) : 0;
    const fits = (one) => one.undoes.includes(this.damage.value) && (!scale || [0, scale].includes(one.scale));
    const found = models(this.task).filter((one) => this.task !== "restore" || fits(one));
    fill(this.model, found.map((one) => [one.id, one.id]));
    this.modelField.hidden = found.length < 2;
    this.go.disabled = this.busy || !found.length;
    if (!this.busy) say(this.status, found.length ? "" : "No model here does this yet: train one under Train.");
    this.domains();
  }

  async run() {
    try {
      if (!this.source.file) throw new Error("Choose a picture first.");
      if (this.go.disabled) return;
      this.busy = true;
      this.job = null;
      await this.made({ image: await this.source.base64(), ...(await this.panels[this.task].read()) });
    } catch (error) {
      if (error.code !== "cancelled") complain(error);
      this.forget();
    }
    this.busy = false;
    this.bar.hidden = true;
    this.stop.hidden = true;
    this.offer();
  }

  async made(request) {
    this.go.disabled = true;
    this.stop.hidden = false;
    this.bar.hidden = false;
    this.bar.removeAttribute("value");
    say(this.status, "Waiting…");
    const { file, url: before } = this.source;
    const forming = picture("", "");
    const seen = (event) => {
      if (!event.of) return;
      this.bar.value = event.step / event.of;
      say(this.status, "Step {step} of {of}", event);
      if (event.type !== "preview" || this.source.file !== file) return;
      forming.src = `data:image/png;base64,${event.images[0]}`;
      this.result.hidden = false;
      this.result.replaceChildren(el("div", { class: "compare" }, forming));
    };
    const body = { task: this.task, model: this.model.value, previews: PREVIEWS, request };
    const { pictures } = await work(body, seen, (job) => { this.job = job.id; });
    if (this.source.file !== file) {
      toast("Another picture was chosen meanwhile: what came of the first is in the gallery.");
      return;
    }
    const url = pictureUrl(pictures[0].id);
    const on = async () => this.source.put(await fileOf(url));
    this.result.hidden = false;
    this.area.classList.add("changed");
    this.result.replaceChildren(beforeAfter(before, url), el("div", { class: "row" },
      el("a", { class: "button", href: url, download: "huabi.png" }, icon("save"), el("span", { t: "Save" })), button("Go on with this", () => on().catch(complain))));
  }
}

function complain(error) {
  toast(error.message, { bad: true });
}
