/** The frame: tabs, language, key. */
import { askBy, call } from "./api.js";
import { el, icon, say, toast, translate } from "./dom.js";
import { language, speak } from "./i18n.js";
import { onWork } from "./work.js";
import { refresh } from "./store.js";
import { imagine } from "./imagine.js";
import { canvas } from "./edit.js";
import { transform } from "./transform.js";
import { train } from "./train.js";
import { compare } from "./compare.js";
import { models } from "./models.js";
import { jobs } from "./jobs.js";

const TABS = { imagine, canvas, transform, train, compare, models, jobs };
const NAMES = { imagine: "Imagine", canvas: "Canvas", transform: "Transform", train: "Train", compare: "Compare", models: "Models", jobs: "Jobs" };
const pages = new Map();
const LOOK = 10_000; // milliseconds between two looks at how many jobs are at work
const badge = el("span", { class: "count", hidden: true });

function build() {
  const bar = document.getElementById("tabs");
  const main = document.getElementById("main");
  bar.dataset.label = "Parts of the studio";
  for (const name of Object.keys(TABS)) {
    const tab = el("button", { type: "button", class: "tab", role: "tab", id: `tab-${name}`, "aria-controls": `page-${name}`, on: { click: () => { location.hash = name; } } },
      icon(name), el("span", { t: NAMES[name] }), name === "jobs" ? badge : null);
    const page = el("section", { class: "page", role: "tabpanel", id: `page-${name}`, "aria-labelledby": `tab-${name}`, hidden: true });
    bar.append(tab);
    main.append(page);
    pages.set(name, { tab, page, show: TABS[name](page) || (() => {}) });
  }
  bar.addEventListener("keydown", (event) => {
    const names = [...pages.keys()];
    const here = names.indexOf(chosen());
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const name = names[(to + names.length) % names.length];
    location.hash = name;
    pages.get(name).tab.focus();
  });
}

function chosen() {
  const name = location.hash.slice(1);
  return pages.has(name) ? name : "imagine";
}

function show() {
  const name = chosen();
  for (const [other, { tab, page }] of pages) {
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    page.hidden = other !== name;
  }
  document.title = `${pages.get(name).tab.textContent.replace(/\d+$/, "")} · Huabi 画笔`;
  Promise.resolve(pages.get(name).show()).catch((error) => toast(error.message, { bad: true }));
}

function switchLanguage(name) {
  speak(name);
  const toggle = document.getElementById("language");
  toggle.textContent = name === "zh" ? "English" : "中文";
  toggle.lang = name === "zh" ? "en" : "zh-CN";
  say(document.querySelector(".skip"), "Skip to the content");
  translate();
  show();
}

/** Asks for the key of the server in a dialog that cannot be passed over. */
function askForKey(wrong) {
  return new Promise((resolve) => {
    const input = el("input", { class: "input", type: "password", autocomplete: "current-password", required: true, id: "key" });
    const remember = el("input", { type: "checkbox" });
    const refused = el("p", { class: "error", t: wrong ? "That key is wrong." : "" });
    const form = el("form", { class: "form", method: "dialog" },
      el("h2", { t: "The key of this server" }),
      el("p", { class: "soft small", t: "Whoever started it with --api-key knows it. It is sent to this server alone." }),
      refused,
      el("label", { class: "field" }, el("span", { t: "Key" }), input),
      el("label", { class: "check" }, remember, el("span", { t: "Remember it in this browser" })),
      el("button", { class: "button main", type: "submit", t: "Open the studio" }));
    const dialog = el("dialog", { label: "The key of this server" }, form);
    let said = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const key = input.value.normalize("NFKC").trim(); // a Chinese keyboard types wide digits
      if (/[^\x20-\x7e]/.test(key)) {
        say(refused, "That key is wrong.");
        return;
      }
      said = { key, remember: remember.checked };
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      if (!said) {
        dialog.showModal(); // it cannot be passed over
        return;
      }
      dialog.remove();
      resolve(said);
    });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}

async function count() {
  const found = (await call("GET", "/v1/jobs?limit=100")).jobs.filter((job) => ["queued", "running"].includes(job.state)).length;
  badge.textContent = found;
  badge.hidden = !found;
}

askBy(askForKey);
build();
document.getElementById("language").addEventListener("click", () => switchLanguage(language() === "zh" ? "en" : "zh"));
window.addEventListener("hashchange", show);
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault()); // a file beside its place opens nothing
onWork(() => count().catch(() => {}));
setInterval(() => { if (!document.hidden) count().catch(() => {}); }, LOOK);
refresh().then(() => { document.body.dataset.ready = "yes"; return count(); }).catch((error) => toast(error.message, { bad: true }));
switchLanguage(language());
