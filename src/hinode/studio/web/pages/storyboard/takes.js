// The takes of a shot, of which one is seen in the film.
import { duration } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { classes, html } from "../../core/ui.js";
import { cancelVideo, videos } from "../../core/videos.js";
import { ClipPicture } from "../../widgets/card.js";
import { Button } from "../../widgets/controls.js";

const isOpen = (/** @type {import("../../core/videos.js").Video} */ video) => ["queued", "in_progress"].includes(video.status);

/** @param {{ board: import("./state.js").Board, shot: import("./time.js").Shot }} properties */
export function Takes({ board, shot }) {
  const all = board.takes.value.filter((take) => take.shot === shot.id).map((take) => take.id);
  // A clip that came from elsewhere, as with a file or a split, is one to choose too.
  if (shot.video_id && !all.includes(shot.video_id)) all.push(shot.video_id);
  const list = all.flatMap((id, index) => {
    const video = videos.value.get(id);
    return video ? [{ video, number: all.length - index }] : [];
  });
  if (!list.length) return null;
  const [{ video: newest }] = list;
  const failure = newest.status === "failed" && newest.error?.code !== "cancelled" ? newest.error?.message : "";
  return html`${failure && html`<p class="note bad">${t("storyboard.take.failed", { reason: failure })}</p>`}<ul class="board-takes" aria-label=${t("storyboard.takes")}>${list.map(({ video, number }) => {
    const on = video.id === shot.video_id;
    const done = video.status === "completed";
    const name = t("create.take", { number });
    const state = done ? (on ? t("storyboard.take.shown") : duration(Number(video.seconds))) : video.status === "in_progress" ? `${video.progress} %${video.eta_seconds ? ` · ${t("time.left", { time: duration(video.eta_seconds) })}` : ""}` : t(video.error?.code === "cancelled" ? "create.take.cancelled" : `status.${video.status}`);
    return html`<li key=${video.id} class=${classes("board-take", on && "on", video.status)}>
      <button type="button" aria-pressed=${on} disabled=${!done || (shot.locked && !on)} title=${video.status === "failed" ? video.error?.message : undefined} aria-label=${`${name}: ${state}`} onClick=${() => !on && board.changeShot(shot.id, { video_id: video.id, start: 0 }, "")}><${ClipPicture} video=${video} /></button>
      <span class="row between"><small><b>${name}</b> ${state}</small>
        ${isOpen(video) && html`<${Button} kind="quiet" icon="close" label=${`${t("action.cancel")}: ${name}`} disabled=${video.cancel_requested} onClick=${() => cancelVideo(video.id)} />`}</span>
    </li>`;
  })}</ul>`;
}
