/** Compare: every family on the same pictures for the same time, and who comes first. */
import { call } from "./api.js";
import { button, el, field, fill, icon, say, toast } from "./dom.js";
import { figure } from "./chart.js";
import { plainName, sourceField } from "./source.js";
import { cancel, followed } from "./work.js";

const BUDGETS = [["2m", "2 minutes"], ["5m", "5 minutes"], ["10m", "10 minutes"], ["30m", "30 minutes"], ["1h", "an hour"]];

/** Builds the tab; returns what is done when it is opened. */
export function compare(page) {
  const tab = new Comparing(page);
  return () => tab.load();
}

class Comparing {
  constructor(page) {
    this.source = sourceField("compare-data", () => this.families());
    this.budget = el("select", { class: "input", id: "compare-budget" });
    this.name = el("input", { class: "input", id: "compare-name", maxLength: 60, autocomplete: "off" });
    this.samples = el("input", { class: "input", type: "number", min: 2, max: 10000, value: 500, id: "compare-n" });
    this.kinds = el("div", { class: "stack", role: "group", label: "Families" });
    this.go = button("Start the comparison", () => {}, { type: "submit", kind: "main", id: "compare-go", symbol: "compare" });
    this.stop = button("Stop", () => this.job && cancel(this.job).catch(complain), { hidden: true });
    this.status = el("p", { class: "soft small", role: "status" });
    this.report = el("div", { class: "stack", id: "report" });
    this.none = el("div", { class: "empty" }, icon("compare"), el("h2", { t: "Which family is the best here?" }),
      el("p", { t: "Each one trains for the same time on the same pictures and is measured alike. Ties are called ties." }));
    fill(this.budget, BUDGETS.map(([value, words]) => [value, words, true]));
    const form = el("form", { class: "panel stack", on: { submit: (event) => { event.preventDefault(); this.start(); } } }, this.source,
      el("div", { class: "stack" }, el("h3", { t: "Families" }), this.kinds), field("Time for each", this.budget), field("Pictures to measure", this.samples), field("Name", this.name), el("div", { class: "row" }, this.go, this.stop));
    page.append(el("h1", { t: "Compare" }), el("div", { class: "columns" }, el("div", { class: "stack" }, this.none, this.status, this.report), form));
  }

  async load() {
    const { trains } = await this.source.load();
    this.go.disabled = !trains || Boolean(this.job);
    if (!this.kinds.children.length) await this.families();
    if (!this.job) await this.latest();
  }

  /** The families that fit the data and draw new pictures. */
  async families() {
    const asked = this.source.value;
    this.kinds.replaceChildren(el("p", { class: "soft small", role: "status", t: "Looking at the pictures…" }));
    try {
      const found = await call("GET", `/v1/data/${encodeURIComponent(asked)}/preflight`);
      if (asked !== this.source.value) return; // other pictures were chosen meanwhile
      const fit = found.families.filter((one) => !one.lacks.length && one.compares);
      this.kinds.replaceChildren(...fit.map((one) => el("label", { class: "check" }, el("input", { type: "checkbox", value: one.family, checked: true }), el("span", {}, one.family))));
      this.name.value = plainName(`${found.name.split(":")[0]}-compared`, "compared");
    } catch (error) {
      this.kinds.replaceChildren();
      complain(error);
    }
  }

  /** Takes up a comparison that runs, or shows the last one. */
  async latest() {
    const { jobs } = await call("GET", "/v1/jobs?limit=200");
    const mine = jobs.filter((job) => job.task === "compare");
    const running = mine.find((job) => ["queued", "running"].includes(job.state));
    if (running) this.follow(running.id);
    else if (!this.report.children.length && mine.some((job) => job.state === "done")) {
      const { result } = await call("GET", `/v1/jobs/${mine.find((job) => job.state === "done").id}/result`);
      this.show(result);
    }
  }

  async start() {
    const families = [...this.kinds.querySelectorAll("input:checked")].map((box) => box.value);
    try {
      if (!families.length) throw new Error("Choose at least one family.");
      const body = { task: "compare", data: this.source.value, name: this.name.value.trim(), families, budget: this.budget.value, n: Number(this.samples.value) };
      const job = await call("POST", "/v1/jobs", body);
      await this.follow(job.id);
    } catch (error) {
      complain(error);
    }
  }

  async follow(id) {
    this.job = id;
    this.go.disabled = true;
    this.stop.hidden = false;
    this.none.hidden = true;
    say(this.status, "Waiting…");
    try {
      const { result } = await followed(id, (event) => event.line && say(this.status, event.line));
      this.show(result);
      say(this.status, "");
    } catch (error) {
      say(this.status, error.code === "cancelled" ? "Stopped." : error.message);
    }
    this.job = null;
    this.go.disabled = false;
    this.stop.hidden = true;
  }

  show(facts) {
    this.none.hidden = true;
    const rows = new Map(facts.families.map((row) => [row.family, row]));
    const scores = new Map(facts.ranking.flat().map((name) => [name, scoreOf(rows.get(name), facts)]));
    const most = Math.max(1e-9, ...[...scores.values()].map((one) => one?.high ?? one?.value ?? 0));
    let place = 1;
    const ranked = [];
    for (const group of facts.ranking) {
      for (const name of group) ranked.push(rank(place, group.length > 1, rows.get(name), scores.get(name), most));
      place += group.length;
    }
    const absent = facts.families.filter((row) => !scores.has(row.family));
    this.report.replaceChildren(el("section", { class: "panel" }, el("h2", { t: "Ranking" }),
      el("p", { class: "soft small", t: "{measure}, smaller is better · {count} pictures of each · {data}", tv: { measure: facts.measure ?? "–", count: facts.count, data: facts.data } }), ...ranked,
      ...absent.map((row) => el("p", { class: "soft small" }, `${row.family}: ${row.why || row.state}`))),
    ...(facts.advice ? [el("p", { class: "panel flat" }, [facts.advice].flat().join(" "))] : []));
  }
}

function scoreOf(row, facts) {
  return row?.evaluation?.scores.find((one) => one.name === facts.measure && one.on === facts.on);
}

function rank(place, tie, row, score, most) {
  const span = el("i");
  const mark = el("b");
  const along = (value) => `${(100 * Math.max(0, value)) / most}%`;
  if (score) {
    mark.style.left = along(score.value);
    if (score.low !== null && score.high !== null) {
      span.style.left = along(score.low);
      span.style.width = `calc(${along(score.high)} - ${along(score.low)})`;
    }
  }
  return el("div", { class: "rank" }, el("span", { class: "place" }, String(place)),
    el("div", { class: "stack" }, el("div", { class: "row apart" }, el("div", { class: "row" }, el("strong", {}, row.family), tie ? el("span", { class: "tag", t: "tie" }) : null),
      el("span", { class: "numbers" }, score ? figure(score) : "")), el("div", { class: "whisker" }, span, mark), el("p", { class: "soft small" }, row.title)));
}


function complain(error) {
  toast(error.message, { bad: true });
}
