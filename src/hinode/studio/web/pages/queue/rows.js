// The rows of the queue: what runs, what waits, and what ended without a video.
import { post } from "../../core/api.js";
import { ago, clipTitle, duration } from "../../core/format.js";
import { notify, notifyError } from "../../core/notices.js";
import { href } from "../../core/router.js";
import { mayWrite } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { classes, html } from "../../core/ui.js";
import { cancelVideo, remember, videos } from "../../core/videos.js";
import { ClipPicture } from "../../widgets/card.js";
import { Button } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { Menu } from "../../widgets/menu.js";
import { readEnded } from "./state.js";

/** @typedef {import("./state.js").Job} Job */

/** Reasons that stand out. @type {Record<string, string>} */
const CHIPS = { "no worker can run it": "chip bad", paused: "chip swap", "it failed and is tried again later": "chip swap", "another model is in memory": "chip info" };

/** The text of a word of the API, or the word. @param {string} group @param {string} word */
export function named(group, word) {
  const text = t(`${group}.${word}`);
  return text === `${group}.${word}` ? word : text;
}

/** What was asked for, in a few words. @param {Job} video */
const facts = (video) => [
  video.operation === "generate" ? "" : named("operation", video.operation),
  duration(Number(video.seconds)), video.size.replace("x", " × "), video.profile ? named("profile", video.profile) : "",
].filter(Boolean).join(" · ");

/** Cancel by id, whatever the state, and say what came of it. @param {Job} video */
export async function cancel(video) {
  const answer = /** @type {Job | null} */ (await cancelVideo(video.id));
  if (!answer) return;
  const title = clipTitle(answer);
  if (answer.status === "completed") notify(t("queue.tooLate", { title }));
  else if (answer.status === "failed") notify(t("queue.cancelled", { title }), { action: { label: t("queue.again"), run: () => retry(answer) } });
  else notify(t("queue.cancelling", { title }));
}

/** @param {Job} video */
export async function retry(video) {
  try {
    const answer = await post(`videos/${video.id}/retry`);
    remember(answer);
    notify(t("queue.retried", { title: clipTitle(answer) }));
  } catch (error) {
    notifyError(error);
  }
}

/** @param {Job} video */
async function discard(video) {
  try {
    await post("library/trash", { ids: [video.id] });
    await readEnded();
    const restore = () => post("library/restore", { ids: [video.id] }).then(readEnded).catch(notifyError);
    notify(t("queue.removed", { title: clipTitle(video) }), { action: { label: t("action.undo"), run: restore } });
  } catch (error) {
    notifyError(error);
  }
}

/** @param {{ entry: import("./state.js").Running, onCancel: (video: Job) => void }} properties */
export function RunningRow({ entry, onCancel }) {
  const video = /** @type {Job} */ ({ ...entry.video, ...videos.value.get(entry.video.id) });
  const left = video.eta_seconds ?? entry.eta_seconds;
  const title = clipTitle(video);
  const stopping = video.cancel_requested;
  return html`<li class="job running sheet" data-job=${video.id}>
    <span class="job-picture"><${ClipPicture} video=${video} scrub=${false} lazy=${false} /></span>
    <div class="job-text">
      <a dir="auto" class="clip-title" href=${href("clip", video.id)}>${title}</a>
      <small class="job-facts">${facts(video)}</small>
      <span class="job-progress"><progress class="visually-hidden" max="100" value=${video.progress} aria-label=${t("queue.progress", { title })}></progress>
        <span class="meter" aria-hidden="true"><i style=${{ width: `${video.progress}%` }}></i></span></span>
      <small class="row between"><span>${stopping ? t("queue.stopping") : t("queue.stage", { stage: video.stage ? named("stage", video.stage) : t("queue.starting"), percent: video.progress })}</span>
        ${left != null && !stopping && html`<b class="job-left">${t("time.left", { time: duration(Math.max(1, left)) })}</b>`}</small>
    </div>
    ${mayWrite() && html`<${Button} kind="quiet" icon="close" label=${t("queue.cancel", { title })} aria-disabled=${stopping} data-cancel=${video.id} onClick=${() => !stopping && onCancel(video)} />`}
  </li>`;
}

/**
 * @param {{ entry: import("./state.js").Waiting, index: number, count: number, sortable: ReturnType<typeof import("../../widgets/sortable.js").useSortable>, left: number | null, onCancel: (video: Job) => void }} properties
 */
export function WaitingRow({ entry, index, count, sortable, left, onCancel }) {
  const { video, position, reason } = entry;
  const title = clipTitle(video);
  const may = mayWrite();
  const move = (/** @type {number} */ to) => () => sortable.moveTo(video.id, to);
  return html`<li class=${classes("job waiting sheet", sortable.drag?.id === video.id && "dragged", sortable.drag && "settling")} style=${sortable.place(video.id, index)} data-job=${video.id}>
    ${may && html`<button type="button" class="handle" aria-label=${t("sortable.handle", { name: title })} title=${t("sortable.hint")} ...${sortable.handle(video.id)}><${Icon} name="grip" /></button>`}
    <span class="job-position" aria-hidden="true">${position}</span>
    <div class="job-text">
      <a dir="auto" class="clip-title" href=${href("clip", video.id)} draggable=${false}>${title}</a>
      <small class="job-facts">${facts(video)}</small>
    </div>
    <span class=${classes("job-reason", CHIPS[reason])}>${named("queue.reason", reason)}</span>
    <span class="job-eta">${left == null ? "" : t("queue.readyIn", { time: duration(Math.max(1, left)) })}</span>
    ${may && html`<span class="row job-actions">
      <${Button} kind="quiet step" icon="raise" label=${t("queue.up", { title })} title=${t("queue.upShort")} disabled=${index === 0} onClick=${move(index - 1)} />
      <${Button} kind="quiet step" icon="lower" label=${t("queue.down", { title })} title=${t("queue.downShort")} disabled=${index === count - 1} onClick=${move(index + 1)} />
      <${Menu} kind="quiet" icon="more" label=${t("queue.more", { title })} items=${[
        { label: t("queue.first"), icon: "raise", disabled: index === 0, run: move(0) },
        { label: t("queue.upShort"), icon: "raise", disabled: index === 0, run: move(index - 1) },
        { label: t("queue.downShort"), icon: "lower", disabled: index === count - 1, run: move(index + 1) },
        { label: t("queue.last"), icon: "lower", disabled: index === count - 1, run: move(count - 1) },
      ]} />
      <${Button} kind="quiet" icon="close" label=${t("queue.cancel", { title })} title=${t("action.cancel")} data-cancel=${video.id} onClick=${() => onCancel(video)} />
    </span>`}
  </li>`;
}

/** @param {{ video: Job }} properties */
export function EndedRow({ video }) {
  const cancelled = video.error?.code === "cancelled";
  const title = clipTitle(video);
  return html`<li class="job ended">
    <span class=${classes("job-sign", !cancelled && "bad")}><${Icon} name=${cancelled ? "close" : "warning"} /></span>
    <div class="job-text"><a dir="auto" class="clip-title" href=${href("clip", video.id)}>${title}</a>
      <small>${cancelled ? t("queue.wasCancelled") : video.error?.message ?? t("status.failed")} · ${ago(video.completed_at ?? video.created_at)}</small></div>
    ${mayWrite() && html`<span class="row job-actions"><${Button} icon="loop" onClick=${() => retry(video)} aria-label=${t("queue.retry", { title })}>${t("queue.again")}<//>
      <${Button} kind="quiet" icon="trash" label=${t("queue.remove", { title })} title=${t("queue.removeShort")} onClick=${() => discard(video)} /></span>`}
  </li>`;
}
