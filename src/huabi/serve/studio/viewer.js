/** One picture, large, with what it was drawn from and what can be done with it. */
import { pictureUrl } from "./api.js";
import { button, el, icon, picture, toast } from "./dom.js";
import { fileOf } from "./pick.js";
import { hand } from "./store.js";

const SHOWN = ["prompt", "negative", "label", "style", "mood", "seed", "steps", "guidance", "task", "brush", "scale", "strength"];
const NAMES = { prompt: "Prompt", negative: "Keep out", label: "Label", style: "Style", mood: "Mood", seed: "Seed", steps: "Steps", guidance: "Guidance", task: "Task", brush: "Brush", scale: "Scale", strength: "Strength" };

function facts(shown) {
  const list = el("dl");
  const add = (name, value) => list.append(el("dt", { t: name }), el("dd", {}, String(value)));
  for (const name of SHOWN) {
    const value = shown.recipe.request?.[name];
    if (value !== undefined && value !== null && value !== "") add(NAMES[name], value);
  }
  if (shown.recipe.near) add("Nearly the training picture", shown.recipe.near);
  if (shown.model) add("Model", shown.model);
  if (shown.recipe.size) add("Size", `${shown.recipe.size[1]} × ${shown.recipe.size[0]}`);
  return list;
}

/** Opens a picture {id, recipe, model}; `more` are further buttons, made with a function that closes it. */
export function view(shown, more = () => []) {
  const url = pictureUrl(shown.id);
  const dialog = el("dialog", { class: "viewer", label: "Picture" });
  const close = () => dialog.close();
  const send = async (tab, what) => {
    try {
      const file = await fileOf(url);
      close();
      hand(tab, what, file);
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  const save = el("a", { class: "button", href: url, download: `huabi-${shown.recipe.request?.seed ?? shown.id.slice(0, 6)}.png` }, icon("save"), el("span", { t: "Save" }));
  dialog.append(
    el("button", { type: "button", class: "ghost icon close", label: "Close", on: { click: close } }, icon("close")),
    el("div", { class: "inside" },
      el("div", { class: "shown" }, picture(url, shown.recipe.request?.prompt || "", shown.recipe.size?.[1])),
      el("div", { class: "facts" }, el("h2", { t: "How it was made" }), facts(shown),
        el("div", { class: "row" }, ...more(close), save,
          button("Edit", () => send("canvas", "picture"), { symbol: "canvas" }),
          button("Transform", () => send("transform", "picture"), { symbol: "transform" })))));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) close(); });
  document.body.append(dialog);
  dialog.showModal();
}
