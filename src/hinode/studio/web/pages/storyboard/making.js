// The takes of a storyboard: what is drawn, what waits, and what becomes the picture of its shot.
import { get } from "../../core/api.js";
import { randomId } from "../../core/format.js";
import { notifyError } from "../../core/notices.js";
import { load, store } from "../../core/storage.js";
import { signal } from "../../core/ui.js";
import { createVideos, rememberAll, videos } from "../../core/videos.js";

/**
 * @typedef {import("./time.js").Shot} Shot
 * @typedef {{ id: string, shot: string | null }} Take shot: null for a film of all shots
 */

/**
 * @param {{ path: string, draft: string, value: import("../../vendor/libraries.js").Signal<import("./state.js").Film>, ready: import("../../vendor/libraries.js").Signal<boolean>,
 *   save: () => Promise<void>, changeShot: (shot: string, values: Partial<Shot>) => void }} board
 */
export function createMaking({ path, draft, value, ready, save, changeShot }) {
  const takes = signal(/** @type {Take[]} */ ([]));
  /** Shots that wait for the one before them. */
  const wanted = signal(/** @type {Set<string>} */ (new Set()));

  /** Takes that become the picture of their shot when they are done. @type {Record<string, string>} */
  const awaited = load(`${draft}:awaited`, {});
  const storeAwaited = () => store(`${draft}:awaited`, Object.keys(awaited).length ? awaited : undefined);

  async function loadTakes() {
    const page = await get(`${path}/takes`);
    rememberAll(page.data.map((/** @type {any} */ take) => take.video).reverse());
    takes.value = page.data.map((/** @type {any} */ take) => ({ id: take.id, shot: take.shot_id }));
    await loadClips();
    adopt();
  }
  async function loadClips() {
    const missing = new Set(value.peek().document.shots.map((shot) => shot.video_id ?? "").filter((name) => name && !videos.peek().has(name)));
    await Promise.all([...missing].map(async (name) => {
      try {
        rememberAll([await get(`videos/${encodeURIComponent(name)}`)]);
      } catch {
        // A clip that is gone is shown as such.
      }
    }));
  }

  /** Done takes that are awaited show their shots. */
  function adopt() {
    if (!ready.peek()) return;
    for (const [take, shot] of Object.entries(awaited)) {
      const video = videos.peek().get(take);
      if (!video || !["completed", "failed", "expired"].includes(video.status)) continue;
      // Another tab may have been quicker.
      const isMine = take in load(`${draft}:awaited`, {});
      delete awaited[take];
      storeAwaited();
      if (!isMine) continue;
      const index = value.peek().document.shots.findIndex((entry) => entry.id === shot);
      if (video.status !== "completed" || index < 0 || value.peek().document.shots[index].locked) continue;
      changeShot(shot, { video_id: take, start: 0 });
      const next = value.peek().document.shots[index + 1];
      if (next && wanted.peek().has(next.id)) render(next.id).catch(notifyError);
    }
  }

  /**
   * Draw a shot; the others stay as they are.
   * @param {string} shot @param {{ takes?: number, profile?: string }} [options]
   */
  async function render(shot, options = {}) {
    await save();
    wanted.value = new Set([...wanted.peek()].filter((name) => name !== shot));
    const list = await createVideos(`${path}/shots/${encodeURIComponent(shot)}/render`, options, randomId());
    takes.value = [...list.map((video) => ({ id: video.id, shot })), ...takes.peek()];
    const now = value.peek().document.shots.find((entry) => entry.id === shot);
    // Of several takes the person chooses, unless there is nothing to see yet.
    if (list.length === 1 || !now?.video_id) awaited[list[0].id] = shot;
    storeAwaited();
    return list;
  }

  /** Draw all shots that have no video yet, each after the one that it goes on from. */
  async function renderMissing() {
    const { shots } = value.peek().document;
    const missing = shots.filter((shot) => !shot.video_id && !shot.locked && shot.prompt.trim() && !isMaking(shot.id));
    const waits = (/** @type {Shot} */ shot) => shot.transition.kind === "continue" && !shots[shots.indexOf(shot) - 1]?.video_id && shots.indexOf(shot) > 0;
    wanted.value = new Set(missing.filter(waits).map((shot) => shot.id));
    for (const shot of missing.filter((entry) => !waits(entry))) await render(shot.id);
  }

  async function makeFilm() {
    await save();
    const [video] = await createVideos(`${path}/film`, {}, randomId());
    takes.value = [{ id: video.id, shot: null }, ...takes.peek()];
    return video;
  }

  /** @param {string} shot */
  const isMaking = (shot) => takes.value.some((take) => take.shot === shot && ["queued", "in_progress"].includes(videos.value.get(take.id)?.status ?? ""));

  return { takes, wanted, loadTakes, loadClips, adopt, render, renderMissing, makeFilm, isMaking };
}
