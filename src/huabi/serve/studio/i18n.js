/** The language of the page: English words are their own names, Chinese ones are looked up. */
import { CHINESE } from "./zh.js";

const KEY = "huabi.language";
let current = remembered() || (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a browser that keeps nothing
  }
}

/** The language of the page, `en` or `zh`. */
export function language() {
  return current;
}

/** Chooses the language and remembers it. */
export function speak(name) {
  current = name;
  document.documentElement.lang = name === "zh" ? "zh-CN" : "en";
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // it holds until the page is closed
  }
}

/** Words in the language of the page; `{name}` in them stands for a value. */
export function t(words, values = {}) {
  const found = (current === "zh" && CHINESE[words]) || words;
  return found.replace(/\{(\w+)\}/g, (whole, name) => (name in (values || {}) ? String(values[name]) : whole));
}
