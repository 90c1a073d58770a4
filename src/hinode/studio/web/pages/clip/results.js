// What was made from a clip: with progress in place, and the way to each new one.
import { get } from "../../core/api.js";
import { ago, clipTitle, duration } from "../../core/format.js";
import { notifyError } from "../../core/notices.js";
import { href } from "../../core/router.js";
import { t } from "../../core/strings.js";
import { classes, html, useEffect } from "../../core/ui.js";
import { cancelVideo, rememberAll, videos } from "../../core/videos.js";
import { ClipFrame } from "../../widgets/card.js";
import { Button } from "../../widgets/controls.js";
import { stageName } from "./quote.js";

const COUNT = 12;

/** @param {import("../../core/videos.js").Video} video */
export const isOpen = (video) => ["queued", "in_progress"].includes(video.status);

/** What a clip does now, in a few words. @param {import("../../core/videos.js").Video} video */
export function progressNote(video) {
  if (video.status === "queued") return t("status.queued");
  const parts = [video.stage && stageName(video.stage), `${Math.round(video.progress)} %`];
  if (video.eta_seconds) parts.push(t("time.left", { time: duration(video.eta_seconds) }));
  return parts.filter(Boolean).join(" · ");
}

/** The name of what led from a clip to another. @param {import("../../core/videos.js").Video} source @param {import("../../core/videos.js").Video} result */
function relation(source, result) {
  // A cropped clip is a storyboard of one shot in which nothing is drawn.
  if (["generate", "storyboard"].includes(result.operation) && result.size !== source.size) return "reframe";
  return result.operation === "generate" ? "finish" : result.operation;
}

/** @param {{ video: import("../../core/videos.js").Video, made: string[] }} properties made: ids, the newest first */
export function Results({ video, made }) {
  useEffect(() => {
    get("library", { query: { parent: video.id, status: "all", limit: COUNT } }).then((page) => rememberAll(page.data), () => {});
  }, [video.id]);
  const known = videos.value;
  const others = [...known.values()].filter((entry) => entry.source_video_id === video.id && !made.includes(entry.id)).sort((a, b) => b.created_at - a.created_at);
  const list = [...made.map((id) => known.get(id)), ...others].filter((entry) => entry !== undefined).filter((entry) => made.includes(entry.id) || !["failed"].includes(entry.status)).slice(0, COUNT);
  if (!list.length) return null;
  return html`<section class="results" aria-label=${t("clip.results")}><h2>${t("clip.results")}</h2>
    <ul>${list.map((entry) => html`<${Result} key=${entry.id} video=${entry} relation=${relation(video, entry)} fresh=${made.includes(entry.id)} />`)}</ul></section>`;
}

/** @param {{ video: import("../../core/videos.js").Video, relation: string, fresh: boolean }} properties */
function Result({ video, relation, fresh }) {
  const done = video.status === "completed";
  const note = isOpen(video) ? progressNote(video) : video.status === "failed" ? video.error?.message : ago(video.created_at);
  const cancel = () => cancelVideo(video.id).catch(notifyError);
  return html`<li class=${classes("result", fresh && "fresh")}>
    <a href=${href("clip", video.id)}><${ClipFrame} video=${video} badge=${t(`operation.${relation}`)} /><b class="clip-title">${clipTitle(video)}</b></a>
    <div class="row between"><small class=${video.status === "failed" ? "error" : ""}>${note}</small>
      ${isOpen(video) && html`<${Button} kind="quiet" icon="close" label=${t("clip.cancel", { title: clipTitle(video) })} onClick=${cancel} />`}
      ${done && fresh && html`<a class="button" href=${href("clip", video.id)}>${t("clip.open")}</a>`}</div>
  </li>`;
}
