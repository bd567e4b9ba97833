/** The choice of data to train on: what the server has, or pictures that are sent. */
import { call } from "./api.js";
import { button, el, entered, field, fill, say, toast } from "./dom.js";
import { choose } from "./pick.js";

const WORLD = "world:";
const PART = 24 << 20; // bytes of a call
const COUNT = 200; // files of a call
const KEPT = /\.(png|jpe?g|jpe|jfif|webp|bmp|gif|tiff?|avif|ppm|pgm|txt|jsonl?|csv)$/i;

/** A name that the server takes, made of any text. */
export function plainName(text, otherwise) {
  const name = text.normalize("NFKD").replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[-.]+|-+$/g, "").slice(0, 60);
  return name || otherwise;
}

/** A name, with a number behind it where it is taken. */
function freeName(name, taken) {
  let free = name;
  for (let k = 2; taken.includes(free); k += 1) free = `${name}-${k}`;
  return free;
}

/** A field that chooses data, with `more` buttons; `changed(name)` hears which. It has `load()` and `value`. */
export function sourceField(id, changed = () => {}, ...more) {
  const select = el("select", { class: "input", id });
  const options = el("input", { class: "input", placeholder: "styles=ink+flat,size=32,n=2000", id: `${id}-world`, label: "Settings of the world" });
  const worldField = field("Settings of the world", options, "Scenes that are drawn from seeds: no download, and their truth is known.");
  const status = el("p", { class: "soft small", role: "status", hidden: true });
  const sending = el("div", { class: "row", hidden: true },
    button("Send a folder", async () => send(await choose({ folder: true })), { kind: "small", symbol: "picture" }),
    button("Send a .zip", async () => send(await choose({ accept: ".zip" })), { kind: "small" }));
  const node = el("div", { class: "stack" }, field("Pictures to learn from", select), worldField, el("div", { class: "row" }, sending, ...more), status);

  const value = () => (select.value === "world" && options.value.trim() ? WORLD + options.value.trim() : select.value);
  const tell = () => { worldField.hidden = select.value !== "world"; changed(value()); };

  async function send(files) {
    if (!files.length) return;
    const parts = batches(files);
    const path = files[0].webkitRelativePath || files[0].name;
    status.hidden = false;
    try {
      const { data: known } = await call("GET", "/v1/data");
      const name = freeName(plainName(path.split("/")[0].replace(/\.zip$/i, ""), "pictures"), known);
      let taken = 0;
      let left = 0;
      for (const [k, part] of parts.entries()) {
        say(status, "Sending {name}: part {k} of {n}…", { name, k: k + 1, n: parts.length });
        const form = new FormData();
        for (const file of part) form.append("files", file, file.webkitRelativePath.split("/").slice(1).join("/") || file.name);
        const told = await call("POST", `/v1/data/${name}${k ? "?more=true" : ""}`, form);
        taken += told.taken;
        left += told.left_out;
      }
      say(status, "{taken} files of {name} are there; {left} were left out.", { name, taken, left });
      await node.load(name);
    } catch (error) {
      status.hidden = true;
      toast(error.message, { bad: true });
    }
  }

  node.load = async (chosen) => {
    const found = await call("GET", "/v1/data");
    fill(select, found.data.map((name) => [name, name]));
    if (chosen) select.value = chosen;
    sending.hidden = !found.takes_data;
    worldField.hidden = select.value !== "world";
    if (chosen) tell();
    return found;
  };
  Object.defineProperty(node, "value", { get: value });
  node.send = send;
  select.addEventListener("change", tell);
  options.addEventListener("change", tell);
  options.addEventListener("keydown", (event) => {
    if (!entered(event)) return;
    event.preventDefault(); // it starts no training
    tell();
  });
  return node;
}

/** Files in parts that a call may have; what is no picture and no caption stays here. */
function batches(files) {
  const kept = files.filter((file) => KEPT.test(file.name) || /\.zip$/i.test(file.name));
  const parts = [[]];
  let size = 0;
  for (const file of kept) {
    if (parts.at(-1).length && (size + file.size > PART || parts.at(-1).length >= COUNT)) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1).push(file);
    size += file.size;
  }
  return parts;
}
