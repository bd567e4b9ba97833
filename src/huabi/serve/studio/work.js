/** Jobs: asked for, followed to their end, cancelled. */
import { call, events, Refusal } from "./api.js";

export const ENDS = ["done", "failed", "cancelled", "parked"];
const heard = new Set();

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
    let ended = null;
    for await (const event of events(id)) {
      if (event.type === "end") ended = event.job;
      else seen(event);
    }
    ended ??= await call("GET", `/v1/jobs/${id}`);
    if (!ENDS.includes(ended.state)) continue;
    if (ended.state === "cancelled") throw new Refusal("Cancelled.", 409, "cancelled");
    if (ended.state !== "done") throw new Refusal(ended.error?.message || "The job failed.", 500, "job_failed");
    return { job: ended, ...(await call("GET", `/v1/jobs/${id}/result`)) };
  }
}

/** Stops a job. */
export async function cancel(id) {
  const job = await call("POST", `/v1/jobs/${id}/cancel`);
  tell(job);
  return job;
}
