// A clip without a file: waiting, being made, failed, expired, not there.
import { mediaAddress, post } from "../../core/api.js";
import { clipTitle, decisionOf, duration } from "../../core/format.js";
import { lazy } from "../../core/lazy.js";
import { notifyError } from "../../core/notices.js";
import { href, navigate } from "../../core/router.js";
import { mayWrite } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { cancelVideo, remember } from "../../core/videos.js";
import { Button, Empty } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { isOpen, progressNote } from "./results.js";

const Appeal = lazy(() => import("../../widgets/appeal.js"), "Appeal", { strings: ["rights"] });

/** @typedef {import("../../core/videos.js").Video} Video */

/** The place of the picture, with what there is of it. @param {{ video: Video, image?: string, children?: any }} properties */
function Stage({ video, image, children }) {
  const [width, height] = video.size.split("x").map(Number);
  const [broken, setBroken] = useState(false);
  return html`<div class=${`stage-state ${video.status}`} style=${{ aspectRatio: `${width} / ${height}`, "--ratio": `${width / height}` }}>
    ${image && !broken ? html`<img src=${image} alt="" onError=${() => setBroken(true)} />` : html`<span class="blank"></span>`}
    <div class="stage-words">${children}</div>
  </div>`;
}

/** @param {{ video: Video }} properties */
export function WithoutFile({ video }) {
  if (isOpen(video)) return html`<${Underway} video=${video} />`;
  return video.status === "expired" ? html`<${Expired} video=${video} />` : html`<${Failed} video=${video} />`;
}

/** @param {{ video: Video }} properties */
function Underway({ video }) {
  const [asked, setAsked] = useState(false);
  const cancel = async () => {
    setAsked(true);
    await cancelVideo(video.id);
    setAsked(false);
  };
  const waits = video.status === "queued";
  return html`<${Stage} video=${video} image=${video.preview_url}>
      <h2>${t(waits ? "state.queued" : "state.running")}</h2><p>${waits ? t("state.queuedWhy") : progressNote(video)}</p>
    <//>
    <div class="sheet panel row between wrap underway">
      <progress max="100" value=${waits ? undefined : video.progress} aria-label=${t("state.progress", { title: clipTitle(video) })}></progress>
      <span class="row"><a class="button" href=${href("queue")}><${Icon} name="queue" />${t("state.queue")}</a>
      ${mayWrite() && html`<${Button} icon="stop" disabled=${asked} onClick=${cancel}>${t(asked ? "state.cancelling" : "action.cancel")}<//>`}</span>
    </div>`;
}

/** @param {{ video: Video }} properties */
function Failed({ video }) {
  const [busy, setBusy] = useState(false);
  const cancelled = video.error?.code === "cancelled";
  const decision = decisionOf(video.error?.message);
  const again = async () => {
    setBusy(true);
    try {
      const next = await post(`videos/${encodeURIComponent(video.id)}/retry`);
      remember(next);
      navigate("clip", next.id);
    } catch (error) {
      notifyError(error);
      setBusy(false);
    }
  };
  return html`<${Stage} video=${video} image=${video.preview_url}>
      <${Icon} name=${cancelled ? "stop" : "warning"} /><h2>${t(cancelled ? "state.cancelled" : "state.failed")}</h2>${!cancelled && html`<p>${video.error?.message}</p>`}
    <//>
    ${mayWrite() && html`<div class="sheet panel row wrap"><${Button} kind="primary" icon="redo" disabled=${busy} onClick=${again}>${t("state.retry")}<//>
      <a class="button" href=${href("create", "", { from: video.id })}>${t("clip.use")}</a>${decision && html`<${Appeal} id=${decision} />`}</div>`}`;
}

/** @param {{ video: Video }} properties */
function Expired({ video }) {
  return html`<${Stage} video=${video} image=${mediaAddress(video.id, "thumbnail")}>
      <h2>${t("state.expired")}</h2><p>${t("state.expiredWhy")}</p>
    <//>
    ${mayWrite() && html`<div class="sheet panel row wrap"><a class="button primary" href=${href("create", "", { from: video.id })}>${t("state.again")}</a><small>${t("state.againHint", { time: duration(Number(video.seconds)), size: video.size.replace("x", " × ") })}</small></div>`}`;
}

export function Missing() {
  return html`<${Empty} icon="clip" title=${t("state.missing")}><p>${t("state.missingWhy")}</p><a class="button" href=${href("library")}>${t("state.library")}</a><//>`;
}
