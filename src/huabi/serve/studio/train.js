/** Train: data, a look at them, a family and a budget; then the curves as they grow. */
import { call } from "./api.js";
import { button, el, field, fill, icon, say, toast } from "./dom.js";
import { Run } from "./run.js";
import { plainName, sourceField } from "./source.js";
import { takes } from "./store.js";

const BUDGETS = [["2m", "2 minutes"], ["10m", "10 minutes"], ["30m", "30 minutes"], ["1h", "an hour"], ["3h", "3 hours"], ["8h", "8 hours"]];
const SIZES = [8, 16, 32, 64, 128, 256];

/** Builds the tab; returns what is done when it is opened. */
export function train(page) {
  const tab = new Training(page);
  takes("train", "run", (name) => tab.show(name));
  return () => tab.load();
}

class Training {
  constructor(page) {
    const look = button("Look at the pictures", () => this.look(this.source.value), { kind: "small", id: "look" });
    this.source = sourceField("data", (name) => this.look(name), look);
    this.family = el("select", { class: "input", id: "family" });
    this.budget = el("select", { class: "input", id: "budget" });
    this.size = el("select", { class: "input", id: "size" });
    this.name = el("input", { class: "input", id: "run-name", autocomplete: "off", required: true, pattern: "[A-Za-z0-9_][A-Za-z0-9_.\\-]*", maxLength: 60 });
    this.report = el("div", { class: "stack" });
    this.go = button("Start training", () => {}, { type: "submit", kind: "main", id: "train-go", symbol: "train" });
    this.closed = el("p", { class: "warn", hidden: true, t: "This server trains nothing: start it with --runs DIR." });
    this.list = el("div", { class: "list", id: "runs" });
    this.run = new Run(() => this.listRuns());
    fill(this.budget, BUDGETS.map(([value, words]) => [value, words, true]));
    fill(this.size, [["", "as advised", true], ...SIZES.map((side) => [String(side), `${side} × ${side}`])]);
    this.budget.value = "10m";
    this.past = el("section", { class: "stack", hidden: true }, el("h2", { t: "Runs" }), this.list);
    this.none = el("div", { class: "empty" }, icon("train"), el("h2", { t: "A picture-maker of your own" }),
      el("p", { t: "Choose pictures, look at what is found in them, and train. Stop whenever you like: it goes on where it was." }));
    const form = el("form", { class: "panel stack", on: { submit: (event) => { event.preventDefault(); this.start(); } } }, this.source,
      this.report,
      field("Family", this.family), el("div", { class: "row" }, wide(field("Time", this.budget)), wide(field("Size", this.size))), field("Name of the model", this.name), this.closed, el("div", { class: "row" }, this.go));
    page.append(el("h1", { t: "Train" }), el("div", { class: "columns even" }, form, el("div", { class: "stack" }, this.none, this.run.node, this.past)));
  }

  async load() {
    const { trains } = await this.source.load();
    this.closed.hidden = trains;
    this.go.disabled = !trains;
    await Promise.all([trains ? this.listRuns() : null, this.family.options.length ? null : this.look(this.source.value)]);
  }

  /** Looks at data, and tells what is in them and which families can learn them. */
  async look(name) {
    this.report.replaceChildren(el("p", { class: "soft small", role: "status", t: "Looking at the pictures…" }));
    try {
      const found = await call("GET", `/v1/data/${encodeURIComponent(name)}/preflight`);
      if (name === this.source.value) this.tell(found); // else other pictures were chosen meanwhile
    } catch (error) {
      this.report.replaceChildren(el("p", { class: "error", role: "alert", t: error.message }));
    }
  }

  tell(found) {
    const tile = (value, words) => el("div", { class: "tile" }, el("b", {}, String(value)), el("span", { t: words }));
    const labels = Object.keys(found.classes);
    const tiles = [tile(found.usable, "usable pictures"), tile(labels.length, "labels"), tile(found.captions, "captions"), tile(`${found.size}`, "advised size")];
    const lines = found.lines.slice(1);
    this.report.replaceChildren(el("div", { class: "tiles" }, tiles), labels.length ? el("p", { class: "soft small" }, labels.slice(0, 12).join(", ")) : "",
      lines.length ? el("ul", { class: "list small" }, lines.map((line) => el("li", { class: "soft" }, line))) : el("p", { class: "soft small", t: "Nothing amiss." }));
    const fit = found.families.filter((one) => !one.lacks.length);
    fill(this.family, fit.map((one) => [one.family, `${one.family} — ${one.title}`]));
    this.family.value = fit.some((one) => one.family === found.family) ? found.family : fit[0]?.family;
    this.name.value ||= plainName(`${found.name.split(":")[0]}-${this.family.value}`, "model");
  }

  async start() {
    try {
      const body = { task: "train", family: this.family.value, data: this.source.value, name: this.name.value.trim(), budget: this.budget.value };
      if (this.size.value) body.size = Number(this.size.value);
      if (!body.name) throw new Error("Give the model a name.");
      await this.begin(body);
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }

  async begin(body) {
    this.go.disabled = true;
    try {
      const job = await call("POST", "/v1/jobs", body);
      this.none.hidden = true;
      this.run.follow(body.name, job.id);
      this.name.value = "";
    } finally {
      this.go.disabled = false;
    }
    await this.listRuns();
  }

  show(name) {
    this.none.hidden = true;
    this.run.open(name).catch((error) => toast(error.message, { bad: true }));
  }

  async listRuns() {
    const [{ runs }, { jobs }] = await Promise.all([call("GET", "/v1/runs"), call("GET", "/v1/jobs?limit=200")]);
    const active = new Map(jobs.filter((job) => job.task === "train" && ["queued", "running"].includes(job.state)).map((job) => [job.model, job]));
    this.past.hidden = !runs.length;
    if (runs.length) this.none.hidden = true;
    this.list.replaceChildren(...runs.map((run) => this.row(run, active.get(run.name))));
    const [job] = active.values();
    if (job && !this.run.name) this.run.follow(job.model, job.id);
  }

  row(run, job) {
    const state = job ? "training" : run.finished ? "finished" : "stopped";
    const tag = el("span", { class: `tag ${job ? "running" : run.finished ? "done" : ""}`, t: state });
    return el("button", { type: "button", class: "pick", "data-name": run.name, on: { click: () => (job ? this.run.follow(run.name, job.id) : this.show(run.name)) } },
      el("span", {}, el("strong", {}, run.name), el("br"), el("span", { class: "soft small" }, `${run.family} · ${run.size[1]} × ${run.size[0]}`)), tag);
  }
}

function wide(node) {
  node.classList.add("grow");
  return node;
}
