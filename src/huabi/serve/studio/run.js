/** A run: its curves as they grow, what it draws, its alarms; stop and resume. */
import { blobUrl, call } from "./api.js";
import { button, el, say, toast } from "./dom.js";
import { chart, figure, short } from "./chart.js";
import { refresh } from "./store.js";
import { cancel, ENDS, work } from "./work.js";

const EVERY = 1200; // milliseconds between two looks
const MEASURED = 500; // pictures that are drawn to measure a run

/** One run on the page at a time. */
export class Run {
  constructor(changed) {
    this.changed = changed;
    this.title = el("h2");
    this.state = el("span", { class: "tag" });
    this.note = el("p", { class: "soft small", role: "status" });
    this.bar = el("progress", { max: 1, value: 0, label: "Progress" });
    this.curves = el("div", { id: "curves" });
    this.tiles = el("div", { class: "tiles" });
    this.alarms = el("div", { class: "stack" });
    this.preview = el("div", { class: "preview" });
    this.stop = button("Stop", () => this.halt(), { kind: "small", id: "run-stop" });
    this.resume = button("Resume", () => this.goOn(), { kind: "small main", id: "run-resume" });
    this.measure = button("Measure", () => this.evaluate(), { kind: "small", id: "run-measure", hint: "How near its pictures come to the real ones" });
    this.scores = el("div", { class: "stack", id: "run-scores" });
    this.node = el("section", { class: "panel stack", hidden: true, id: "run" },
      el("div", { class: "row apart" }, el("div", { class: "row" }, this.title, this.state), el("div", { class: "row" }, this.stop, this.resume, this.measure)),
      this.bar, this.tiles, this.note, this.alarms, this.scores, this.curves, this.preview);
  }

  begin(name, job) {
    this.name = name;
    this.job = job;
    this.rows = [];
    this.shown = 0;
    this.step = 0;
    this.title.textContent = name;
    this.node.hidden = false;
    for (const part of [this.curves, this.tiles, this.alarms, this.preview, this.scores]) part.replaceChildren();
    say(this.note, "");
    this.bar.value = 0;
  }

  /** Shows a run that nobody trains now. */
  async open(name) {
    clearTimeout(this.timer);
    this.begin(name, null);
    await this.look();
    this.tell(null);
  }

  /** Shows a run while a job trains it. */
  follow(name, job) {
    clearTimeout(this.timer);
    if (this.name !== name) this.begin(name, job);
    this.job = job;
    this.tell({ state: "queued" });
    this.keepWatching();
  }

  keepWatching() {
    const watched = this.job;
    this.watch().catch((error) => {
      if (error.status) toast(error.message, { bad: true });
      else if (this.job === watched) this.timer = setTimeout(() => this.keepWatching(), EVERY); // a lost connection
    });
  }

  async watch() {
    const watched = this.job;
    const job = await call("GET", `/v1/jobs/${watched}`);
    if (this.job !== watched) return;
    await this.look();
    if (this.job !== watched) return; // another run was chosen meanwhile
    this.tell(job);
    if (ENDS.includes(job.state)) {
      this.job = null;
      await this.settled();
      await Promise.all([this.changed(), refresh()]);
    } else this.timer = setTimeout(() => this.keepWatching(), EVERY);
  }

  /** A last look, once the process that was stopped has saved what it had. */
  async settled() {
    await this.look();
    this.tell(this.last);
  }

  /** Takes in what the log has more; a run that has not begun yet has none. */
  async look() {
    const { name } = this;
    try {
      const log = await call("GET", `/v1/runs/${name}/log?after=${this.rows.at(-1)?.step ?? 0}`);
      if (this.name !== name) return;
      this.log = log;
      this.rows = [...this.rows.filter((row) => row.step <= log.step), ...log.rows];
      await this.draw(log);
    } catch (error) {
      if (error.status !== 400) throw error;
      if (this.name === name) this.log = null;
    }
  }

  async draw(log) {
    const names = [...new Set(this.rows.flatMap((row) => Object.keys(row.losses)))].slice(0, 6);
    const curves = Object.fromEntries(names.map((name) => [name, this.rows.filter((row) => name in row.losses).map((row) => [row.step, row.losses[name]])]));
    if (this.rows.length) this.curves.replaceChildren(el("h3", { t: "Losses" }), chart(curves, "Losses"));
    const tile = (value, words) => el("div", { class: "tile" }, el("b", {}, value), el("span", { t: words }));
    this.tiles.replaceChildren(tile(short(log.step), "step"), tile(log.planned ? short(log.planned) : "–", "planned"), tile(clock(log.seconds), "time"), tile(log.images_per_second ? short(log.images_per_second) : "–", "pictures/s"));
    this.bar.value = log.planned ? log.step / log.planned : 0;
    this.alarms.replaceChildren(...log.alarms.slice(-4).map((line) => el("p", { class: line.endsWith(": over") ? "soft small" : "warn" }, line)));
    const newest = log.previews.at(-1);
    if (newest && newest !== this.shown) await this.show(newest);
  }

  async show(step) {
    const { name } = this;
    const url = await blobUrl(`/v1/runs/${name}/previews/${step}`);
    if (this.name !== name) {
      URL.revokeObjectURL(url);
      return;
    }
    this.shown = step;
    const image = el("img", { src: url, alt: "", class: "pixels" });
    image.addEventListener("load", () => URL.revokeObjectURL(url));
    this.preview.replaceChildren(el("h3", { t: "What it draws at step {step}", tv: { step } }), image);
  }

  tell(job) {
    this.last = job;
    const over = !job || ENDS.includes(job.state);
    const words = !over ? (job.state === "queued" ? "queued" : "training") : this.log?.finished ? "finished" : job?.state === "failed" ? "failed" : "stopped";
    say(this.state, words);
    this.state.className = `tag ${over ? (this.log?.finished ? "done" : words) : "running"}`;
    this.stop.hidden = over;
    this.resume.hidden = !over || !this.log || this.log.finished;
    this.measure.hidden = !over || !this.log?.step;
    this.bar.hidden = over;
    if (job?.error) say(this.note, job.error.message);
    else say(this.note, over || this.log?.step ? "" : (job.progress?.line ?? ""));
    this.note.className = job?.error ? "error" : "soft small";
  }

  async halt() {
    if (!this.job) return;
    this.stop.disabled = true;
    try {
      await cancel(this.job);
      toast("It saves and stops; it can be resumed.");
    } catch (error) {
      toast(error.message, { bad: true });
    }
    this.stop.disabled = false;
  }

  /** This run in the list of runs, whose data the server knows. */
  async known() {
    const { runs } = await call("GET", "/v1/runs");
    const run = runs.find((one) => one.name === this.name);
    if (!run?.data) throw new Error("Its pictures are not among this server's data; go on with it on the command line.");
    return run;
  }

  /** Draws pictures with it and measures them against those that it was kept from. */
  async evaluate() {
    this.measure.disabled = true;
    const waiting = el("p", { class: "soft small", role: "status", t: "It draws {n} pictures and measures them…", tv: { n: MEASURED } });
    this.scores.replaceChildren(waiting);
    const measured = this.name;
    try {
      const { name, data } = await this.known();
      const { result } = await work({ task: "evaluate", name, against: data, n: MEASURED }, (event) => event.line && say(waiting, event.line));
      if (this.name !== measured) return;
      this.scores.replaceChildren(el("h3", { t: "Measured" }), ...result.scores.map((score) => el("div", { class: "row apart" },
        el("span", {}, score.on ? `${score.name} · ${score.on}` : score.name), el("span", { class: "numbers" }, figure(score)))));
    } catch (error) {
      this.scores.replaceChildren();
      toast(error.message, { bad: true });
    } finally {
      this.measure.disabled = false;
    }
  }

  async goOn() {
    try {
      const run = await this.known();
      const job = await call("POST", "/v1/jobs", { task: "train", family: run.family, data: run.data, name: run.name, resume: true });
      this.follow(run.name, job.id);
      await this.changed();
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }
}

function clock(seconds) {
  const whole = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}` : `${Math.floor(whole / 60)}:${two(whole % 60)}`;
}
