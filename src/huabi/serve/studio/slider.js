/** Before and after, with a line between that can be moved by mouse, finger and arrow keys. */
import { el, picture } from "./dom.js";

/** Two pictures of one place, laid over each other. */
export function beforeAfter(before, after) {
  const under = picture(after, "");
  const over = picture(before, "");
  over.classList.add("before");
  const knife = el("span", { class: "knife" });
  const input = el("input", { type: "range", min: 0, max: 100, step: 1, value: 50, label: "Before and after" });
  const move = () => {
    over.style.clipPath = `inset(0 ${100 - input.value}% 0 0)`;
    knife.style.left = `${input.value}%`;
  };
  input.addEventListener("input", move);
  move();
  return el("div", { class: "compare" }, under, over, knife,
    el("span", { class: "label left", t: "Before" }), el("span", { class: "label right", t: "After" }), input);
}
