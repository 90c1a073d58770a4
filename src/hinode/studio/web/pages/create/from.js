// "Use these settings": the whole form becomes the request of a clip, absent fields included.
import { address, get } from "../../core/api.js";
import { clipTitle } from "../../core/format.js";
import { notifyError } from "../../core/notices.js";
import { href } from "../../core/router.js";
import { t } from "../../core/strings.js";
import { html, signal } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { emptyForm } from "./form.js";
import { loadModels, modelOf, models } from "./models.js";
import { valueAt } from "./sketch/camera-move.js";
import { form, history, shown } from "./state.js";
import { fileAddress, send } from "./uploads.js";

/** @typedef {import("./form.js").Form} Form */

/** What the form took over, until it is closed. */
export const taken = signal(/** @type {{ title: string, changes: string[], lost: string[] } | null} */ (null));
const PATH_POINTS = 13;
const MIN_ADDED = 0.1;

/** @param {{ url: string, role: string, media_type: string }} reference @param {string} name */
async function fetched({ url, media_type }, name) {
  const answer = await fetch(address(url.replace(/^\/?v1\//, "")), { credentials: "same-origin" });
  if (!answer.ok) return null;
  const ending = media_type.split("/")[1] ?? "bin";
  const { file_id } = await send(new File([await answer.blob()], `${name}.${ending}`, { type: media_type }));
  return { file_id, name };
}

/** The length of an uploaded video. @param {string} id @returns {Promise<number>} */
const secondsOf = (id) => new Promise((resolve) => {
  const video = document.createElement("video");
  video.preload = "metadata";
  video.onloadedmetadata = () => resolve(video.duration);
  video.onerror = () => resolve(0);
  video.src = fileAddress(id);
});

/** @param {any} made the answer of GET /v1/videos/{id}/request @returns {Promise<{ form: Form, lost: string[] }>} */
async function formOf(made) {
  /** @type {string[]} */
  const lost = [];
  /** @type {Form} */
  const next = {
    ...emptyForm(), prompt: made.prompt, model: modelOf(made.model)?.id ?? "", size: made.size, seconds: made.seconds, profile: made.profile ?? "",
    seed: made.seed, sound: made.sound ?? true, takes: 1, negative: made.negative_prompt ?? "", camera: made.camera, plan: made.plan,
  };
  if (made.path.length) next.edits = { subjects: { 0: { kind: "", path: Array.from({ length: PATH_POINTS }, (_, k) => {
    const at = (made.seconds * k) / (PATH_POINTS - 1);
    return /** @type {[number, number]} */ ([valueAt(made.path, 1, at), valueAt(made.path, 2, at)]);
  }) } } };
  if (made.strength !== null) next.strength = made.strength;
  const uses = /** @type {Record<string, "extend" | "change">} */ ({ extend: "extend", edit: "change", remix: "change" });
  const use = made.backward ? "before" : uses[made.operation];
  /** What is new in an extended clip. @param {number} source its seconds */
  const added = (source) => { if (made.operation === "extend") next.seconds = Math.max(MIN_ADDED, Math.round((made.seconds - source) * 1000) / 1000); };
  if (!use && made.operation !== "generate") lost.push(t("create.from.operation", { operation: made.operation }));
  if (use && made.source_video_id) {
    const source = await get(`videos/${encodeURIComponent(made.source_video_id)}`).catch(() => null);
    if (source) {
      next.footage = { id: source.id, name: clipTitle(source), use };
      added(Number(source.seconds));
    } else lost.push(t("create.tool.footage"));
  }
  for (const reference of made.references) {
    const { role, at, name } = reference;
    if (role === "character" || (role === "source" && (next.footage || !use))) continue;
    const label = t(`create.role.${role}`);
    const file = await fetched(reference, name ?? label).catch(() => null);
    if (!file) lost.push(label);
    else if (role === "first_frame") next.first = file;
    else if (role === "last_frame") next.last = file;
    else if (role === "keyframe") next.keyframes.push({ ...file, at });
    else if (role === "mask") next.mask = file;
    else if (role === "source" && use) {
      next.footage = { ...file, use };
      added(await secondsOf(file.file_id));
    }
  }
  return { form: next, lost };
}

/** The fields that differ, in words. @param {Form} before @param {Form} after */
function differences(before, after) {
  /** @param {unknown} value */
  const text = (value) => {
    if (value === null || value === "" || (Array.isArray(value) && !value.length)) return t("create.from.none");
    if (typeof value === "boolean") return t(value ? "create.from.on" : "create.from.off");
    if (typeof value === "string" || typeof value === "number") return String(value);
    return /** @type {any} */ (value).name ?? t("create.from.set");
  };
  const fields = /** @type {(keyof Form)[]} */ (["prompt", "model", "size", "seconds", "profile", "seed", "sound", "takes", "negative", "first", "last", "keyframes", "footage", "mask", "camera", "edits", "plan"]);
  const nothing = JSON.stringify({});
  return fields.filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]) && !(field === "model" && modelOf(before.model) === modelOf(after.model)))
    .map((field) => (JSON.stringify(after[field]) === nothing ? `${t(`create.field.${field}`)}: ${t("create.from.none")}` : `${t(`create.field.${field}`)}: ${text(after[field])}`));
}

/** @param {string} id of a video */
export async function useSettings(id) {
  try {
    if (!models.value) await loadModels();
    const [made, video] = await Promise.all([get(`videos/${encodeURIComponent(id)}/request`), get(`videos/${encodeURIComponent(id)}`)]);
    const { form: next, lost } = await formOf(made);
    const changes = differences(form.peek(), next);
    history.set(next);
    shown.value = "";
    taken.value = { title: clipTitle(video), changes, lost };
  } catch (error) {
    notifyError(error);
  } finally {
    // The address would take them over again after a reload.
    location.replace(href("create"));
  }
}

/** What was taken over, with undo. */
export function Taken() {
  const now = taken.value;
  if (!now) return null;
  const close = () => { taken.value = null; };
  return html`<section class="taken sheet" aria-label=${t("create.from.title", { title: now.title })}>
    <div class="row between"><b role="status">${t("create.from.title", { title: now.title })}</b><span class="row"><${Button} icon="undo" onClick=${() => { history.undo(); close(); }}>${t("action.undo")}<//><${Button} kind="quiet" icon="close" label=${t("action.close")} onClick=${close} /></span></div>
    ${now.changes.length ? html`<ul>${now.changes.map((change) => html`<li key=${change}>${change}</li>`)}</ul>` : html`<p class="small">${t("create.from.same")}</p>`}
    ${now.lost.length > 0 && html`<p class="small warning">${t("create.from.lost", { names: now.lost.join(", ") })}</p>`}
  </section>`;
}
