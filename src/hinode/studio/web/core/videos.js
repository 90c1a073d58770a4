// The videos that this tab knows, kept up to date by events.
import { get, post } from "./api.js";
import { listen } from "./events.js";
import { clipTitle } from "./format.js";
import { announce, notify, notifyError } from "./notices.js";
import { t } from "./strings.js";
import { signal } from "./ui.js";

/**
 * A video as the API describes it, and what the studio knows besides.
 * @typedef {import("hinode-api").components["schemas"]["Video"] & {
 *   title?: string | null, favourite?: boolean, eta_seconds?: number | null, preview_url?: string,
 *   making?: any }} Video
 */

/** By id. */
export const videos = signal(/** @type {Map<string, Video>} */ (new Map()));

/** @param {Partial<Video> & { id: string }} change */
export function remember(change) {
  const before = videos.peek().get(change.id);
  const next = new Map(videos.peek());
  next.set(change.id, /** @type {Video} */ ({ ...before, ...change }));
  videos.value = next;
}

/** @param {Video[]} list */
export function rememberAll(list) {
  const next = new Map(videos.peek());
  for (const video of list) next.set(video.id, { ...next.get(video.id), ...video });
  videos.value = next;
}

/** Videos whose end is told to the person: those that this tab requested, by the name of their group. */
const awaited = /** @type {Map<string, { group: Set<string>, all: number }>} */ (new Map());

/**
 * Create videos and follow them.
 * @param {string} path of the operation, such as "videos" or "videos/edits"
 * @param {unknown} body JSON, or FormData
 * @param {string} key the same for a request that is sent again
 * @returns {Promise<Video[]>}
 */
export async function createVideos(path, body, key) {
  const headers = { "idempotency-key": key };
  const answer = await (body instanceof FormData ? post(path, {}, { form: body, headers }) : post(path, body, { headers }));
  const list = answer.videos ?? [answer];
  rememberAll(list);
  const group = { group: new Set(list.map((/** @type {Video} */ video) => video.id)), all: list.length };
  for (const video of list) awaited.set(video.id, group);
  return list;
}

/**
 * Cancel by id, whatever the state.
 * @param {string} id
 * @returns {Promise<Video | null>} what the server says came of it; null after an error, which is shown
 */
export async function cancelVideo(id) {
  try {
    const answer = await post(`videos/${id}/cancel`);
    remember(answer);
    return answer;
  } catch (error) {
    notifyError(error);
    return null;
  }
}

listen((type, data) => {
  if (type === "resync") return void refetch();
  if (!type.startsWith("video.")) return;
  const before = videos.peek().get(data.id);
  if (type === "video.preview") return before && remember({ id: data.id, preview_url: `./v1/${data.url.replace(/^\/?v1\//, "")}` });
  if (type === "video.deleted") {
    const next = new Map(videos.peek());
    next.delete(data.id);
    videos.value = next;
    return;
  }
  if (type === "video.progress" && !before) return;
  remember(data);
  if (type === "video.progress") tellProgress(data.id, before?.progress ?? 0, data.progress);
  else if (type !== "video.queued") tellEnd(data.id);
});

/** After a gap the page equals the API again. */
async function refetch() {
  const open = [...videos.peek().values()].filter((video) => ["queued", "in_progress"].includes(video.status));
  for (const { id } of open) {
    try {
      remember(await get(`videos/${id}`));
      tellEnd(id);
    } catch (error) {
      notifyError(error);
    }
  }
}

/** Quarters are told, of single videos only. @param {string} id @param {number} before @param {number} now */
function tellProgress(id, before, now) {
  const video = videos.peek().get(id);
  if (!video || awaited.get(id)?.all !== 1) return;
  const quarter = Math.floor(now / 25);
  if (quarter > Math.floor(before / 25) && quarter < 4) announce(t("progress.quarter", { title: clipTitle(video), percent: quarter * 25 }));
}

/** @param {string} id */
function tellEnd(id) {
  const video = videos.peek().get(id);
  const batch = awaited.get(id);
  if (!video || !batch || !["completed", "failed"].includes(video.status)) return;
  awaited.delete(id);
  batch.group.delete(id);
  const title = clipTitle(video);
  if (video.status === "failed" && video.error?.code !== "cancelled") {
    notify(t("progress.failed", { title, reason: video.error?.message ?? "" }), { kind: "error" });
  } else if (batch.group.size === 0 && video.status === "completed") {
    announce(batch.all === 1 ? t("progress.done", { title }) : t("progress.batch", { count: batch.all }));
  }
}
