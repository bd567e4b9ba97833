/** What all tabs know: the models that are offered, and how tabs hand pictures to one another. */
import { call } from "./api.js";

const listeners = new Set();
const handlers = new Map();
let known = [];

/** The models that answer one of these tasks; without one, all. */
export function models(...tasks) {
  return tasks.length ? known.filter((model) => model.tasks.some((task) => tasks.includes(task))) : known;
}

/** The model of this name. */
export function model(name) {
  return known.find((one) => one.id === name);
}

/** Looks again which models are offered, and tells those who listen. */
export async function refresh() {
  known = (await call("GET", "/v1/models")).data;
  for (const listener of listeners) listener();
}

/** Calls `listener` now and whenever the models change. */
export function onModels(listener) {
  listeners.add(listener);
  listener();
}

/** Says what a tab does with something that is handed to it. */
export function takes(tab, what, act) {
  handlers.set(`${tab}/${what}`, act);
}

/** Hands something to a tab, which is opened. */
export function hand(tab, what, value) {
  location.hash = tab;
  handlers.get(`${tab}/${what}`)?.(value);
}
