/** Models: what is offered, what each can do, its size and labels. */
import { button, el, icon, toast } from "./dom.js";
import { hand, models as known, onModels, refresh } from "./store.js";

const TASKS = { imagine: "words to picture", generate: "new pictures", edit: "edit", vary: "vary", translate: "translate", restore: "restore", stylize: "stylize", enhance: "enhance", paint: "paint" };
const LABELS = 12; // that are shown at once

function card(model) {
  const labels = model.labels.slice(0, LABELS);
  const rest = model.labels.length - labels.length;
  const size = model.built_in ? el("span", { t: "any size" }) : el("span", {}, `${model.size[1]} × ${model.size[0]}`);
  return el("article", { class: "panel card" },
    el("div", { class: "row apart" }, el("h2", {}, model.id), el("span", { class: "soft small numbers" }, size)),
    el("div", { class: "tags" }, model.tasks.map((task) => el("span", { class: "tag", t: TASKS[task] ?? task }))),
    model.undoes.length ? el("p", { class: "soft small" }, model.undoes.join(" · ")) : null,
    labels.length ? el("div", {}, el("h3", { t: "Labels" }), el("p", { class: "soft small" }, labels.join(", "), rest > 0 ? ` +${rest}` : "")) : null);
}

/** Builds the tab. */
export function models(page) {
  const mine = el("div", { class: "cards" });
  const others = el("div", { class: "cards" });
  const none = el("div", { class: "empty" }, icon("models"), el("h2", { t: "No model of your own yet" }),
    el("p", { t: "Train one on a folder of pictures; it appears here as soon as it draws." }),
    button("Train a model", () => hand("train", "nothing"), { kind: "main" }));
  page.append(el("div", { class: "row apart" }, el("h1", { t: "Models" }), button("Look again", () => refresh().catch((error) => toast(error.message, { bad: true })), { kind: "small", symbol: "again" })),
    none, mine, el("h2", { t: "Without training" }), others);
  onModels(() => {
    const trained = known().filter((model) => !model.built_in);
    none.hidden = trained.some((model) => !model.came);
    mine.replaceChildren(...trained.map(card));
    others.replaceChildren(...known().filter((model) => model.built_in).map(card));
  });
  return refresh;
}
