// The strip of takes: what was made, is made and waits.
import { patch, post } from "../../core/api.js";
import { clipTitle, duration, randomId } from "../../core/format.js";
import { notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { classes, html, useEffect, useRef } from "../../core/ui.js";
import { cancelVideo, createVideos, remember, videos } from "../../core/videos.js";
import { ClipPicture } from "../../widgets/card.js";
import { Button } from "../../widgets/controls.js";
import { addTakes, dropTake, shown, takes } from "./state.js";

/** @typedef {import("../../core/videos.js").Video} Video */

const isOpen = (/** @type {Video} */ video) => ["queued", "in_progress"].includes(video.status);
/** Whether a better profile can be had of it. @param {Video} video */
export const isDraft = (video) => video.status === "completed" && video.profile === "draft" && video.operation === "generate";

/** Keys of drafts that are being finished: a click that is sent again makes no second clip. @type {Map<string, string>} */
const keys = new Map();

/** The same clip in its best profile. @param {Video} video */
export async function finish(video) {
  const key = keys.get(video.id) ?? randomId();
  keys.set(video.id, key);
  try {
    const list = await createVideos(`videos/${encodeURIComponent(video.id)}/finish`, { profile: "best" }, key);
    keys.delete(video.id);
    addTakes(list.map(({ id }) => id));
  } catch (error) {
    notifyError(error);
  }
}

/** @param {Video} video */
export async function toggleStar(video) {
  const favourite = !video.favourite;
  remember({ id: video.id, favourite });
  try {
    remember(await patch(`library/${encodeURIComponent(video.id)}`, { favourite }));
  } catch (error) {
    remember({ id: video.id, favourite: !favourite });
    notifyError(error);
  }
}

/** A failed video once more. @param {Video} video */
export async function retry(video) {
  try {
    const again = await post(`videos/${encodeURIComponent(video.id)}/retry`);
    remember(again);
    dropTake(video.id);
    addTakes([again.id]);
  } catch (error) {
    notifyError(error);
  }
}

/** What is said beside the name of a take. @param {Video} video */
function stateText(video) {
  if (video.status === "completed") return video.profile ? t(`create.profile.${video.profile}`) : duration(Number(video.seconds));
  if (isOpen(video) && video.cancel_requested) return t("create.take.cancelling");
  if (video.status === "in_progress") {
    const left = video.eta_seconds ? ` · ${t("time.left", { time: duration(video.eta_seconds) })}` : "";
    return `${video.progress} %${left}`;
  }
  if (video.status === "failed") return t(video.error?.code === "cancelled" ? "create.take.cancelled" : "status.failed");
  return t("status.queued");
}

export function Takes() {
  const strip = useRef(/** @type {HTMLUListElement | null} */ (null));
  const [newest] = takes.value;
  // What was asked for last is seen.
  useEffect(() => strip.current?.scrollTo({ left: 0, behavior: "smooth" }), [newest?.id]);
  const list = takes.value.flatMap(({ id, number }) => {
    const video = videos.value.get(id);
    return video ? [{ video, number }] : [];
  });
  if (!list.length) return null;
  return html`<section aria-labelledby="takes-title" class="takes-box">
    <h2 id="takes-title" class="visually-hidden">${t("create.takes")}</h2>
    <ul class="takes" ref=${strip}>${list.map(({ video, number }) => html`<${Take} key=${video.id} video=${video} number=${number} />`)}</ul>
  </section>`;
}

/** @param {{ video: Video, number: number }} properties */
function Take({ video, number }) {
  const on = shown.value === video.id;
  const name = t("create.take", { number });
  const state = stateText(video);
  return html`<li class=${classes("take", video.status, on && "on")}>
    <button type="button" class="take-picture" aria-pressed=${on} aria-label=${`${name}: ${clipTitle(video)}, ${state}`} onClick=${() => { shown.value = on ? "" : video.id; }}>
      <${ClipPicture} video=${video} lazy=${false} />
    </button>
    <div class="row between take-line"><span class="take-words"><b>${name}</b> <small>${state}</small></span>
      ${isOpen(video) ? html`<${Button} kind="quiet" icon="close" label=${`${t("action.cancel")}: ${name}`} title=${t("action.cancel")} disabled=${video.cancel_requested} onClick=${() => cancelVideo(video.id)} />` : html`<span class="row take-actions">
        ${video.status === "completed" && html`<${Button} kind=${video.favourite ? "quiet starred" : "quiet"} icon="star" filled=${video.favourite} label=${`${t("create.take.star")}: ${name}`} title=${t("create.take.star")} pressed=${Boolean(video.favourite)} onClick=${() => toggleStar(video)} />`}
        <${Button} kind="quiet" icon="close" label=${`${t("create.take.drop")}: ${name}`} title=${t("create.take.drop")} onClick=${() => dropTake(video.id)} /></span>`}
    </div>
  </li>`;
}
