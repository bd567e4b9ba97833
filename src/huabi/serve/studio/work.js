/** Jobs: asked for, followed to their end, cancelled. */
import { call, events, Refusal } from "./api.js";

export const ENDS = ["done", "failed", "cancelled", "parked"];
const STREAMS = 3; // that are open at once: a browser has six connections, and calls need some
const EVERY = 700; // milliseconds between two looks at a job whose events are not followed
const BROKEN = 2000; // milliseconds until another try, where the server cannot be reached
const heard = new Set();
let open = 0;

/** Calls `listener` whenever a job of this page begins or ends. */
export function onWork(listener) {
  heard.add(listener);
}

function tell(job) {
  for (const listener of heard) listener(job);
}

/** Asks for a job; `seen(event)` hears its events. Resolves to what it made; a failure throws its one line. */
export async function work(body, seen = () => {}, began = () => {}) {
  const job = await call("POST", "/v1/jobs", body);
  tell(job);
  began(job);
  try {
    return await followed(job.id, seen);
  } finally {
    tell(job);
  }
}

/** Follows a job to its end, also where a connection breaks on the way. */
export async function followed(id, seen = () => {}) {
  for (;;) {
    let ended;
    try {
      ended = open < STREAMS ? await heardOf(id, seen) : await looked(id, seen);
    } catch (error) {
      if (error.status && error.status !== 503) throw error; // what the server says; 503 is of a moment
      await pause(BROKEN);
      continue;
    }
    if (!ENDS.includes(ended.state)) continue;
    if (ended.state === "cancelled") throw new Refusal("Cancelled.", 409, "cancelled");
    if (ended.state !== "done") throw new Refusal(ended.error?.message || "The job failed.", 500, "job_failed");
    return { job: ended, ...(await call("GET", `/v1/jobs/${id}/result`)) };
  }
}

/** Hears the events of a job until it ends, or the connection does. */
async function heardOf(id, seen) {
  open += 1;
  try {
    for await (const event of events(id)) {
      if (event.type === "end") return event.job;
      seen(event);
    }
  } finally {
    open -= 1;
  }
  return call("GET", `/v1/jobs/${id}`);
}

function pause(milliseconds) {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds); });
}

/** One look at a job, after a while. */
async function looked(id, seen) {
  await pause(EVERY);
  const job = await call("GET", `/v1/jobs/${id}`);
  if (job.progress) seen({ type: "progress", ...job.progress });
  return job;
}

/** Stops a job. */
export async function cancel(id) {
  const job = await call("POST", `/v1/jobs/${id}/cancel`);
  tell(job);
  return job;
}
