/** Picking a picture: by a click, or by dropping it. */
import { base64, stored } from "./api.js";
import { el, icon, picture, toast } from "./dom.js";

export const KINDS = ["image/png", "image/jpeg", "image/webp"];

/** Asks for files. */
export function choose({ accept = KINDS.join(","), multiple = false, folder = false } = {}) {
  return new Promise((resolve) => {
    const input = el("input", { type: "file", accept: folder ? "" : accept, multiple: multiple || folder });
    input.webkitdirectory = folder;
    input.addEventListener("change", () => resolve([...input.files]));
    input.addEventListener("cancel", () => resolve([]));
    input.click();
  });
}

/** Lets files be dropped on an element. */
export function droppable(node, act, mark = "over") {
  let depth = 0;
  node.addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; node.classList.add(mark); });
  node.addEventListener("dragover", (event) => event.preventDefault());
  node.addEventListener("dragleave", () => { depth -= 1; if (!depth) node.classList.remove(mark); });
  node.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    node.classList.remove(mark);
    act([...event.dataTransfer.files]);
  });
}

/** A place for one picture; `changed(file)` hears which. Its `file` is the one there now, or null. */
export function slot(words, changed = () => {}) {
  const node = el("button", { type: "button", class: "drop", label: words });
  const empty = () => node.replaceChildren(icon("picture"), el("span", { t: words }), el("small", { t: "Click, or drop a PNG, JPEG or WebP here" }));
  node.file = null;
  node.put = (file) => {
    if (file && !KINDS.includes(file.type)) {
      toast("This is no PNG, JPEG or WebP.", { bad: true });
      return;
    }
    if (node.url) URL.revokeObjectURL(node.url);
    node.file = file;
    node.url = file && URL.createObjectURL(file);
    node.classList.toggle("filled", Boolean(file));
    if (file) node.replaceChildren(picture(node.url, ""));
    else empty();
    changed(file);
  };
  node.base64 = () => base64(node.file);
  node.addEventListener("click", async () => { const [file] = await choose(); if (file) node.put(file); });
  droppable(node, ([file]) => file && node.put(file));
  empty();
  return node;
}

/** A stored picture as a file. */
export async function fileOf(url) {
  const blob = await stored(url);
  return new File([blob], "huabi.png", { type: blob.type });
}
