// The stage: the plan as a sketch before anything is drawn, and the chosen take.
import { mediaAddress } from "../../core/api.js";
import { duration } from "../../core/format.js";
import { href } from "../../core/router.js";
import { lazy } from "../../core/lazy.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { cancelVideo, videos } from "../../core/videos.js";
import { Button } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { sidesOf } from "./form.js";
import { Sketch } from "./sketch.js";
import { SketchCanvas } from "./sketch/canvas.js";
import { view } from "./sketch/view.js";
import { form, shown } from "./state.js";
import { finish, isDraft, retry } from "./takes.js";
import { fileAddress } from "./uploads.js";

const Player = lazy(() => import("../../widgets/player.js"), "Player", { strings: ["clip"] });

/** Whether nothing moves by itself. */
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

export function Stage() {
  const video = videos.value.get(shown.value);
  return html`<section class="stage-box" aria-label=${t("create.stage")}>
    ${!video && (form.value.footage ? html`<${FootageStage} footage=${form.value.footage} />` : html`<${Sketch} />`)}
    ${video?.status === "completed" && html`<${TakeHead} video=${video} /><${Player} key=${video.id} video=${video} autoplay=${!calm} />`}
    ${video && video.status !== "completed" && html`<${Waiting} video=${video} />`}
  </section>`;
}

/** What is gone on from, or changed. @param {{ footage: import("./form.js").Footage }} properties */
function FootageStage({ footage }) {
  return html`<div class="stage-head row"><span class="button glass">${t("create.tool.footage")}: ${footage.name}</span></div>
    <div class="stage-frame sheet footage"><video key=${footage.id ?? footage.file_id} src=${footage.id ? mediaAddress(footage.id) : fileAddress(footage.file_id ?? "")} controls muted loop playsinline preload="auto" aria-label=${t("clip.video", { title: footage.name })}></video></div>`;
}

/** @param {{ video: import("../../core/videos.js").Video }} properties */
function TakeHead({ video }) {
  return html`<div class="stage-head row"><${BackToSketch} />
    <span class="row stage-actions">${isDraft(video) && html`<${Button} kind="glass" icon="bolt" title=${t("create.take.finish.title")} onClick=${() => finish(video)}>${t("create.take.finish")}<//>`}
    <a class="button glass" href=${href("create", "", { from: video.id })}><${Icon} name="undo" />${t("create.take.settings")}</a>
    <a class="button glass" href=${href("clip", video.id)}><${Icon} name="clip" />${t("create.take.open")}</a></span></div>`;
}

function BackToSketch() {
  return html`<${Button} kind="glass" icon="edit" onClick=${() => { shown.value = ""; }}>${t("create.sketch.back")}<//>`;
}

/** A take that is not there yet, or failed. @param {{ video: import("../../core/videos.js").Video }} properties */
function Waiting({ video }) {
  const [width, height] = sidesOf(video.size);
  const failed = video.status === "failed" || video.status === "expired";
  const cancelled = video.error?.code === "cancelled";
  const stage = video.stage && t(`create.stage.${video.stage}`) !== `create.stage.${video.stage}` ? t(`create.stage.${video.stage}`) : video.stage;
  const words = failed ? (cancelled ? t("create.take.cancelled") : video.error?.message ?? t("status.failed")) : video.cancel_requested ? t("create.take.cancelling") : video.status === "queued" ? t("status.queued") : [stage, `${video.progress} %`].filter(Boolean).join(" · ");
  return html`<div class="stage-head row"><${BackToSketch} /><span class="row stage-actions">${video.status === "failed" && html`<${Button} kind="glass" icon="loop" onClick=${() => retry(video)}>${t("action.retry")}<//>`}</span></div>
    <div class="stage-frame sheet waiting" style=${{ "--ratio": `${width / height}` }}>
      ${view.value && !failed ? html`<div class="sketch-box" style=${{ "--ratio": `${width / height}` }}><${SketchCanvas} label="" /></div>` : html`<span class="blank"></span>`}
      ${video.preview_url && !failed && html`<img src=${video.preview_url} alt="" />`}
      <div class="waiting-line"><span class="row"><${Icon} name=${failed && !cancelled ? "warning" : "clip"} /><b>${words}</b>${video.eta_seconds && !failed ? html`<span>${t("time.left", { time: duration(video.eta_seconds) })}</span>` : ""}</span>
        ${!failed && html`<${Button} kind="glass" disabled=${video.cancel_requested} onClick=${() => cancelVideo(video.id)}>${t("action.cancel")}<//>`}
        ${!failed && html`<progress max="100" value=${video.progress} aria-label=${t("create.progress")}></progress>`}</div>
    </div>`;
}
