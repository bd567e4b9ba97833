/** Jobs: what was asked for, how far it is, and a way to stop it. */
import { call, pictureUrl } from "./api.js";
import { button, el, icon, say, toast } from "./dom.js";
import { cancel, ENDS, onWork } from "./work.js";

const TASKS = { imagine: "Imagine", generate: "New pictures", edit: "Edit", vary: "Vary", translate: "Translate", restore: "Restore", stylize: "Stylize", enhance: "Enhance", paint: "Paint", train: "Training", evaluate: "Evaluation", compare: "Comparison" };
const EVERY = 1500; // milliseconds between two looks while the tab is open

/** Builds the tab. */
export function jobs(page) {
  const list = el("div", { class: "panel" });
  const none = el("div", { class: "empty" }, icon("jobs"), el("h2", { t: "Nothing to do" }), el("p", { t: "Pictures, trainings and comparisons that you ask for stand here." }));
  page.append(el("h1", { t: "Jobs" }), none, list);
  const rows = new Map();
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    if (!page.hidden) timer = setTimeout(() => look().catch(() => {}), EVERY); // also where this look fails
    const [{ jobs: found }, { pictures }] = await Promise.all([call("GET", "/v1/jobs?limit=60"), call("GET", "/v1/pictures?limit=200")]);
    none.hidden = found.length > 0;
    list.hidden = !found.length;
    const now = found.map((job) => {
      const row = rows.get(job.id) ?? new Row(look);
      rows.set(job.id, row);
      row.show(job, pictures.filter((shown) => shown.job === job.id));
      return row.node;
    });
    if (now.some((node, place) => list.children[place] !== node) || list.children.length !== now.length) list.replaceChildren(...now);
  }

  onWork(() => { if (!page.hidden) look().catch(() => {}); });
  return look;
}

class Row {
  constructor(look) {
    this.name = el("strong");
    this.model = el("span", { class: "soft" });
    this.state = el("span", { class: "tag" });
    this.note = el("p", { class: "soft small" });
    this.bar = el("progress", { max: 1, value: 0, label: "Progress", hidden: true });
    this.strip = el("div", { class: "strip" });
    this.stop = button("Cancel", async () => {
      try {
        await cancel(this.id);
        await look();
      } catch (error) {
        toast(error.message, { bad: true });
      }
    }, { kind: "small" });
    this.node = el("article", { class: "job" }, el("div", {}, el("div", { class: "row" }, this.name, this.model, this.state), this.note, this.bar, this.strip), this.stop);
  }

  show(job, pictures) {
    this.id = job.id;
    this.node.dataset.id = job.id;
    say(this.name, TASKS[job.task] ?? job.task);
    this.model.textContent = job.model;
    say(this.state, job.state);
    this.state.className = `tag ${job.state}`;
    this.stop.hidden = ENDS.includes(job.state);
    const { step, of, line } = job.progress ?? {};
    this.bar.hidden = !of;
    if (of) this.bar.value = step / of;
    if (job.error) say(this.note, job.error.message);
    else if (line) say(this.note, line);
    else if (of) say(this.note, "Step {step} of {of}", { step, of });
    else say(this.note, "{when}", { when: new Date(job.created * 1000).toLocaleString() });
    this.note.className = job.error ? "error" : "soft small";
    if (this.strip.children.length !== pictures.length) {
      this.strip.replaceChildren(...pictures.map((shown) => el("img", { src: pictureUrl(shown.id), alt: "", loading: "lazy", width: 44, height: 44 })));
    }
  }
}
