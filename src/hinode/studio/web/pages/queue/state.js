// The queue of the project as the server last told it.
import { get, post } from "../../core/api.js";
import { listen } from "../../core/events.js";
import { notifyError } from "../../core/notices.js";
import { signal } from "../../core/ui.js";
import { rememberAll } from "../../core/videos.js";

/**
 * @typedef {import("../../core/videos.js").Video & { priority: string, cancel_requested: boolean }} Job
 * @typedef {{ video: Job, worker: string | null, eta_seconds: number | null }} Running
 * @typedef {{ video: Job, position: number, reason: string, eta_seconds: number | null }} Waiting
 * @typedef {{ id: string, host: string, engines: string[] | null, resident: string[], busy: boolean, job: string | null, draining: boolean, seen_at: number }} Worker
 * @typedef {{ paused: boolean, running: Running[], waiting: Waiting[], workers: Worker[], counts: { running: number, waiting: number, workers: number } }} Queue
 */

/** null until it was read. */
export const queue = signal(/** @type {Queue | null} */ (null));
/** When it was read, in milliseconds: estimates count down from there. */
export const readAt = signal(0);
/** Jobs that ended without a video, latest first. */
export const ended = signal(/** @type {Job[]} */ ([]));
/** How many waiting jobs are asked for. */
export const limit = signal(100);
export const MAX_LIMIT = 500;
const ENDED = 30;
/** Events within this time, in milliseconds, are one reason to read. */
const REST = 200;
/** What no event tells, such as what a worker has in memory. */
const INTERVAL = 10_000;

let latest = 0;

/** @param {() => Promise<Queue>} request whose answer is shown, unless a later one was sent */
async function show(request) {
  latest += 1;
  const own = latest;
  const answer = await request();
  if (own !== latest) return;
  rememberAll([...answer.running, ...answer.waiting].map((entry) => entry.video));
  readAt.value = Date.now();
  queue.value = answer;
}

const readQueue = () => show(() => get("queue", { query: { limit: limit.peek() } }));

export async function readEnded() {
  const page = await get("library", { query: { status: "failed", limit: ENDED } });
  ended.value = page.data;
}

/** Keep the queue up to date. @returns {() => void} ends it */
export function followQueue() {
  let timer = 0;
  let isEndDue = false;
  const read = (/** @type {boolean} */ isEnd) => {
    isEndDue ||= isEnd;
    clearTimeout(timer);
    timer = setTimeout(() => {
      readQueue().catch(notifyError);
      if (isEndDue) readEnded().catch(notifyError);
      isEndDue = false;
    }, REST);
  };
  Promise.all([readQueue(), readEnded()]).catch(notifyError);
  const stop = listen((type) => {
    if (["video.queued", "queue.changed"].includes(type)) read(false);
    else if (["video.completed", "video.failed", "video.deleted", "library.changed", "resync"].includes(type)) read(true);
  });
  const interval = setInterval(() => {
    // A server that is away is told of once, by the frame.
    if (!document.hidden) readQueue().catch(() => {});
  }, INTERVAL);
  return () => {
    stop();
    clearTimeout(timer);
    clearInterval(interval);
  };
}

/** @param {number} count */
export function readMore(count) {
  limit.value = Math.min(MAX_LIMIT, count);
  readQueue().catch(notifyError);
}

/** @param {boolean} paused */
export const setPaused = (paused) => show(() => post(paused ? "queue/pause" : "queue/resume")).catch(notifyError);

/**
 * Let a waiting job start at another place among those of its class; the page shows it at once.
 * @param {string} id
 * @param {string[]} followers those that are to start after it, some of which may wait no longer
 */
export async function moveJob(id, followers) {
  const before = queue.peek();
  const moved = before?.waiting.find((entry) => entry.video.id === id);
  if (!before || !moved) return;
  const same = (/** @type {Waiting} */ entry) => entry.video.priority === moved.video.priority;
  const others = before.waiting.filter((entry) => same(entry) && entry !== moved);
  const next = others.find((entry) => followers.includes(entry.video.id));
  const waiting = before.waiting.filter((entry) => entry !== moved);
  const last = others.at(-1);
  const at = next ? waiting.indexOf(next) : waiting.indexOf(/** @type {Waiting} */ (last)) + 1;
  waiting.splice(at, 0, moved);
  queue.value = { ...before, waiting: waiting.map((entry, index) => ({ ...entry, position: index + 1 })) };
  try {
    await show(() => post("queue/order", { id, before: next?.video.id ?? null }));
  } catch (error) {
    notifyError(error);
    await readQueue().catch(notifyError);
  }
}
