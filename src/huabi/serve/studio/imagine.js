/** Imagine: words, or a label, become pictures that can be watched while they form. */
import { base64, call, pictureUrl } from "./api.js";
import { button, el, entered, fill, icon, picture, say, toast } from "./dom.js";
import { Forming } from "./forming.js";
import { choose, droppable } from "./pick.js";
import { settings } from "./settings.js";
import { model, models, onModels, takes } from "./store.js";
import { view } from "./viewer.js";
import { cancel, onWork, work } from "./work.js";

const PREVIEWS = 12;
const DRAFT = "huabi.draft"; // what was typed, so that a reload loses nothing
const GALLERY = 60;
const OWN = ["imagine", "generate", "vary", "edit"]; // tasks whose settings the form knows
const VARIED = { little: 0.35, some: 0.5, much: 0.75 };

/** Builds the tab into `page`; returns what is done when it is opened. */
export function imagine(page) {
  const tab = new Imagine(page);
  takes("imagine", "recipe", (shown) => tab.restore(shown.recipe, shown.model));
  return () => tab.loadGallery();
}

class Imagine {
  constructor(page) {
    this.prompt = el("textarea", { id: "prompt", label: "Prompt", rows: 2, placeholder: "A red house by a lake at dusk, ink · 湖边的红房子，水墨", maxLength: 4000 });
    this.model = el("select", { class: "input", id: "model", label: "Model" });
    this.label = el("select", { class: "input", id: "label", label: "Label" });
    this.settings = settings();
    this.go = el("button", { class: "button main", type: "submit", id: "generate" }, icon("imagine"), el("span", { t: "Generate" }));
    this.more = el("button", { class: "ghost", type: "button", "aria-expanded": "false", "aria-controls": "settings", on: { click: () => this.toggle() } }, icon("settings"), el("span", { t: "Settings" }));
    this.form = el("form", { class: "panel prompt", noValidate: true }, this.prompt,
      el("div", { class: "row" }, this.model, this.label, this.more, button("From a picture", () => this.pick(), { kind: "ghost", symbol: "picture", hint: "Settings from a picture of Huabi's" }),
        el("span", { class: "grow" }), this.go), this.settings.node);
    this.batches = el("div", { class: "stack", id: "batches" });
    this.gallery = el("div", { class: "gallery", id: "gallery" });
    this.past = el("section", { class: "stack", hidden: true }, el("h2", { t: "Gallery" }), this.gallery);
    this.none = el("div", { class: "empty" }, icon("imagine"), el("h2", { t: "What shall it be?" }),
      el("p", { t: "Say it in English or Chinese and press Enter. Or drop a picture of Huabi's here: its settings come back." }));
    page.append(el("h1", { t: "Imagine" }), this.form, this.none, this.batches, this.past);
    this.wire(page);
  }

  wire(page) {
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.generate(); });
    this.prompt.addEventListener("keydown", (event) => {
      if (entered(event)) { event.preventDefault(); this.generate(); }
    });
    this.settings.node.addEventListener("keydown", (event) => { if (event.key === "Escape") { this.toggle(false); this.more.focus(); } });
    this.prompt.addEventListener("input", () => this.keep());
    this.model.addEventListener("change", () => this.adapt());
    droppable(page, ([file]) => file && this.read(file), "dropping");
    this.prompt.value = remembered();
    onModels(() => {
      const first = models("imagine"); // who can be told stands before who cannot
      fill(this.model, [...new Set([...first, ...models("generate")])].map((one) => [one.id, one.id]));
      this.adapt();
    });
    onWork((job) => { if (job.task !== "train") this.loadGallery().catch(() => {}); });
  }

  toggle(open = this.settings.node.hidden) {
    this.settings.node.hidden = !open;
    this.more.setAttribute("aria-expanded", String(open));
  }

  keep() {
    try {
      sessionStorage.setItem(DRAFT, this.prompt.value);
    } catch {
      // then a reload loses it
    }
  }

  adapt() {
    const chosen = model(this.model.value);
    const words = Boolean(chosen?.tasks.includes("imagine"));
    this.prompt.disabled = Boolean(chosen) && !words;
    this.prompt.hidden = Boolean(chosen) && !words;
    this.label.hidden = !chosen?.labels.length;
    fill(this.label, [["", "any label", true], ...(chosen?.labels ?? []).map((one) => [one, one])]);
    this.settings.adapt(chosen);
  }

  /** The job that the form asks for; options inside the prompt are read by the server, as the command line reads them. */
  async asked() {
    const chosen = model(this.model.value);
    if (!chosen) throw new Error("No model here draws pictures yet: train one, or start the studio with --model.");
    const said = this.settings.read(chosen);
    if (this.label.value) said.label = this.label.value;
    if (!chosen.tasks.includes("imagine")) {
      const { n, ...request } = said;
      return { task: "generate", model: chosen.id, n, previews: PREVIEWS, request };
    }
    const prompt = this.prompt.value.trim();
    const given = await this.settings.given();
    if (!prompt && !said.mood && !said.label && !Object.keys(given).length) throw new Error("Say first what it shall be.");
    const { n, request, notes } = await call("POST", "/v1/prompt", { prompt, model: chosen.id, ...said });
    if (prompt) for (const note of notes) toast(note);
    return { task: "imagine", model: chosen.id, n, previews: PREVIEWS, request: { ...request, ...given } };
  }

  async generate() {
    try {
      await this.draw(await this.asked());
    } catch (error) {
      complain(error);
    }
  }

  /** Draws a job's pictures into a batch on the page, above the others. */
  async draw(body) {
    this.none.hidden = true;
    const batch = new Batch(body, this);
    this.batches.prepend(batch.node);
    await batch.run();
  }

  async upscale(shown) {
    await this.draw({ task: "restore", n: 1, request: { image: await base64(pictureUrl(shown.id)), task: "upscale", scale: 2 } });
  }

  async vary(shown, strength = VARIED.some) {
    const image = await base64(pictureUrl(shown.id));
    const own = model(shown.model)?.tasks.includes("vary") ? shown.model : undefined;
    const other = models("vary")[0]?.id;
    const again = ["imagine", "generate"].includes(shown.task);
    if (own || (other && !again)) await this.draw({ task: "vary", model: own ?? other, n: 4, previews: PREVIEWS, request: { image, strength } });
    else if (again) await this.draw(this.seeds(shown));
    else throw new Error("No model here varies pictures: train vae or text_to_image.");
  }

  /** Other seeds of the same settings: what there is to vary where a model takes no pictures. */
  seeds(shown) {
    const { seed, ...request } = shown.recipe.request;
    return { task: shown.task, model: shown.model, n: 4, previews: PREVIEWS, request };
  }

  open(shown) {
    view(shown, (close) => [
      ...(OWN.includes(shown.task) ? [button("Use these settings", () => { close(); this.restore(shown.recipe, shown.model); }, { kind: "main", symbol: "settings" })] : []),
      button("Upscale", () => { close(); this.upscale(shown).catch(complain); }),
      button("Vary a little", () => { close(); this.vary(shown, VARIED.little).catch(complain); }),
      button("Vary a lot", () => { close(); this.vary(shown, VARIED.much).catch(complain); }),
    ]);
  }

  /** Puts a recipe's settings into the form. */
  restore(recipe, name) {
    const known = model(name);
    if (known && known.tasks.some((task) => ["imagine", "generate"].includes(task))) this.model.value = name;
    this.adapt();
    const request = recipe.request ?? {};
    this.prompt.value = [request.prompt ?? "", ...this.settings.put(request, model(this.model.value)?.size)].join(" ").trim();
    this.label.value = request.label ?? "";
    if (this.label.selectedIndex < 0) this.label.value = "";
    this.toggle(true);
    this.keep();
    this.prompt.focus();
    window.scrollTo({ top: 0 });
  }

  async pick() {
    const [file] = await choose();
    if (file) await this.read(file);
  }

  async read(file) {
    try {
      const { recipe, model: name } = await call("POST", "/v1/recipe", { image: await base64(file) });
      if (!recipe) throw new Error("This picture holds no recipe of Huabi's.");
      if (!OWN.includes(recipe.task)) throw new Error("This picture was made from another one: its settings do not fit here.");
      this.restore(recipe, name);
      if (!model(name)) {
        toast("Its settings are back, but the model that drew it is not here: another one would draw.", { bad: true });
        return;
      }
      const given = Object.keys(recipe.inputs ?? {}).length;
      toast(given ? "Its settings are back; the picture or sound that it was drawn from is to be chosen again." : "Its settings are back.");
    } catch (error) {
      complain(error);
    }
  }

  async loadGallery() {
    const { pictures } = await call("GET", `/v1/pictures?limit=${GALLERY}`);
    this.past.hidden = !pictures.length;
    const there = new Map([...this.gallery.children].map((node) => [node.dataset.id, node]));
    pictures.forEach((shown, place) => { // those that stay are not moved, so that none loses the focus
      const node = there.get(shown.id) ?? this.thumb(shown);
      if (this.gallery.children[place] !== node) this.gallery.insertBefore(node, this.gallery.children[place] ?? null);
    });
    while (this.gallery.children.length > pictures.length) this.gallery.lastChild.remove();
    if (pictures.length) this.none.hidden = true;
  }

  thumb(shown) {
    const image = picture(pictureUrl(shown.id), shown.recipe.request.prompt || shown.recipe.request.label || shown.task, shown.recipe.size?.[1]);
    image.loading = "lazy";
    return el("button", { type: "button", class: "frame", "data-id": shown.id, on: { click: () => this.open(shown) } }, image);
  }
}

/** The pictures of one job, from the first preview to the last. */
class Batch {
  constructor(body, tab) {
    this.body = body;
    this.tab = tab;
    this.words = el("p", {}, body.request.prompt || body.request.label || "");
    if (!this.words.textContent) say(this.words, { restore: "Upscaled", vary: "Variations" }[body.task] ?? "Without words");
    this.status = el("span", { class: "soft small", role: "status", t: "Waiting…" });
    this.bar = el("progress", { max: 1, value: 0, label: "Progress" });
    this.stop = button("Stop", () => this.job && cancel(this.job).catch(complain), { kind: "small" });
    this.again = el("button", { type: "button", class: "ghost", hidden: true, label: "Reroll", on: { click: () => this.reroll() } }, icon("again"), el("span", { t: "Reroll" }));
    this.forming = new Forming(body.n);
    this.grid = el("div", { class: `candidates ${body.n === 1 ? "one" : ""}` }, this.forming.places);
    this.node = el("section", { class: "batch" }, el("header", {}, this.words, el("div", { class: "row" }, this.status, this.stop, this.again)), this.bar, this.grid);
  }

  reroll() {
    const { seed, ...request } = this.body.request;
    this.tab.draw({ ...this.body, request });
  }

  seen(event) {
    if (event.type === "progress" || event.type === "preview") {
      say(this.status, "Step {step} of {of}", event);
      this.bar.value = event.of ? event.step / event.of : 0;
    }
    this.forming.seen(event);
  }

  async run() {
    try {
      const { pictures, job } = await work(this.body, (event) => this.seen(event), (begun) => { this.job = begun.id; });
      this.finish(pictures, job);
    } catch (error) {
      this.fail(error);
    }
    this.stop.hidden = true;
    this.bar.hidden = true;
    this.again.hidden = this.body.task === "restore"; // it would come out the same
  }

  finish(pictures, job) {
    const seconds = job.finished - job.started;
    say(this.status, "{seconds} s", { seconds: seconds < 10 ? seconds.toFixed(1) : Math.round(seconds) });
    this.forming.done(pictures.map((made) => this.done({ id: made.id, recipe: made.recipe, task: this.body.task, model: job.model })));
  }

  done(shown) {
    const image = picture(pictureUrl(shown.id), this.words.textContent, shown.recipe.size?.[1]);
    const { seed } = shown.recipe.request;
    const near = shown.recipe.near && el("span", { class: "near", hint: "Nearly a training picture: give it to nobody as new.", label: "Nearly a training picture: give it to nobody as new.", role: "img" }, "≈");
    const act = (words, hint, run) => el("button", { type: "button", class: "mini", label: hint, hint, on: { click: () => run(shown).catch(complain) } }, words);
    return el("figure", { class: "candidate" },
      el("button", { type: "button", class: "frame", label: "Open the picture", on: { click: () => this.tab.open(shown) } }, image),
      el("figcaption", {}, el("span", { class: "numbers" }, seed === undefined ? "" : String(seed), near || ""),
        el("span", { class: "row" }, act("U", "Upscale", (one) => this.tab.upscale(one)), act("V", "Vary", (one) => this.tab.vary(one)))));
  }

  fail(error) {
    if (error.code === "cancelled") say(this.status, "Stopped.");
    else say(this.status, "Failed.");
    this.grid.replaceWith(error.code === "cancelled" ? "" : el("p", { class: "error", role: "alert", t: error.message }));
  }
}

function complain(error) {
  toast(error.message, { bad: true });
}

function remembered() {
  try {
    return sessionStorage.getItem(DRAFT) ?? "";
  } catch {
    return "";
  }
}
