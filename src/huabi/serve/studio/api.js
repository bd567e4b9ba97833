/** Calls to the server this page came from, and to no other. */

const KEY = "huabi.key";
let key = kept();
let asking = null; // one question at a time
let ask = async () => "";

/** What the server refused, in one line. */
export class Refusal extends Error {
  constructor(message, status = 0, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

function kept() {
  try {
    return sessionStorage.getItem(KEY) || localStorage.getItem(KEY) || "";
  } catch {
    return "";
  }
}

/** Says how the person is asked for the key; `question(wrong)` gives {key, remember}. */
export function askBy(question) {
  ask = question;
}

async function renewKey(used) {
  if (used !== key) return; // another call has asked meanwhile
  asking ??= ask(Boolean(key)).then((said) => {
    key = said.key;
    try {
      (said.remember ? sessionStorage : localStorage).removeItem(KEY);
      (said.remember ? localStorage : sessionStorage).setItem(KEY, key);
    } catch {
      // it holds until the page is closed
    }
  }).finally(() => { asking = null; });
  await asking;
}

async function send(method, path, body, signal) {
  for (;;) {
    const used = key;
    const headers = used ? { authorization: `Bearer ${used}` } : {};
    const isForm = body instanceof FormData;
    if (body !== undefined && !isForm) headers["content-type"] = "application/json";
    let answer;
    try {
      answer = await fetch(path, { method, headers, signal, body: isForm || body === undefined ? body : JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal("The server does not answer; is it still running?");
    }
    if (answer.status !== 401) return answer;
    await renewKey(used);
  }
}

async function refused(answer) {
  let told = {};
  try {
    told = (await answer.json()).error;
  } catch {
    // not ours: the status must do
  }
  return new Refusal(told.message || `The server answered ${answer.status}.`, answer.status, told.code);
}

/** One call; its JSON, or a `Refusal` is thrown. */
export async function call(method, path, body, signal) {
  const answer = await send(method, path, body, signal);
  if (!answer.ok) throw await refused(answer);
  return answer.json();
}

/** A picture that needs the key, as a URL of this page's own; to be given back by URL.revokeObjectURL. */
export async function blobUrl(path) {
  const answer = await send("GET", path);
  if (!answer.ok) throw await refused(answer);
  return URL.createObjectURL(await answer.blob());
}

/** The events of a job as they come. */
export async function* events(job, signal) {
  const answer = await send("GET", `/v1/jobs/${job}/events`, undefined, signal);
  if (!answer.ok) throw await refused(answer);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const line = block.split("\n").find((one) => one.startsWith("data: "));
        if (line) yield JSON.parse(line.slice(6));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Where a stored picture is: its id is one that nobody guesses, so that it needs no key. */
export function pictureUrl(id) {
  return `/v1/pictures/${encodeURIComponent(id)}`;
}

/** The bytes of a stored picture, or a `Refusal` is thrown. */
export async function stored(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw await refused(answer);
  return answer.blob();
}

/** A picture's file as base64, as requests take it. */
export async function base64(source) {
  const blob = typeof source === "string" ? await stored(source) : source;
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Refusal("This file cannot be read."));
    reader.readAsDataURL(blob);
  });
}
