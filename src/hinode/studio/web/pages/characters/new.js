// A new character: from a picture, a clip or a frame of it, or words.
import { post } from "../../core/api.js";
import { clipTitle } from "../../core/format.js";
import { loadDraft, storeDraft } from "../../core/storage.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Sprite } from "../../widgets/card.js";
import { ClipPicker } from "../../widgets/clip-picker.js";
import { Button, Field, Segmented, Slider } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { framesOf } from "../../widgets/player.js";
import { PicturePicker } from "../create/pickers.js";
import { fileAddress } from "../create/uploads.js";

/** @typedef {"picture" | "clip" | "words"} Kind */

const DRAFT = "character";
const KINDS = /** @type {Kind[]} */ (["picture", "clip", "words"]);

/** @type {{ kind: Kind, name: string, description: string, notes: string, picture: { file_id: string, name: string } | null, video: import("../../core/videos.js").Video | null, frame: number | null }} */
const EMPTY = { kind: "picture", name: "", description: "", notes: "", picture: null, video: null, frame: null };

/** @param {{ onClose: () => void, onMade: (character: any) => void }} properties */
export function NewCharacter({ onClose, onMade }) {
  const [form, setForm] = useState(/** @type {typeof EMPTY} */ ({ ...EMPTY, ...loadDraft(DRAFT, {}) }));
  const [picking, setPicking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(/** @type {{ field: string, message: string } | null} */ (null));
  useEffect(() => storeDraft(DRAFT, form), [form]);
  /** @param {Partial<typeof EMPTY>} values */
  const set = (values) => {
    setForm((before) => ({ ...before, ...values }));
    setFailure(null);
  };
  const { kind, picture, video, frame } = form;
  const lack = () => {
    if (kind === "picture" && !picture) return { field: "source", message: t("characters.needsPicture") };
    if (kind === "clip" && !video) return { field: "source", message: t("characters.needsClip") };
    if (kind === "words" && !form.description.trim()) return { field: "description", message: t("characters.needsWords") };
    return form.name.trim() ? null : { field: "name", message: t("characters.needsName") };
  };
  const make = async () => {
    const missing = lack();
    if (missing) return setFailure(missing);
    setBusy(true);
    try {
      const source = kind === "picture" ? { image: { file_id: picture?.file_id } } : kind === "clip" ? { video_id: video?.id, ...(frame === null ? {} : { frame }) } : {};
      const made = await post("characters", { name: form.name.trim(), description: form.description.trim(), notes: form.notes, ...source });
      storeDraft(DRAFT, undefined);
      return onMade(made);
    } catch (error) {
      const { message, param } = /** @type {import("../../core/api.js").ApiError} */ (error);
      return setFailure({ field: param && ["name", "description"].includes(param) ? param : "source", message });
    } finally {
      setBusy(false);
    }
  };
  const frames = video ? framesOf(video) : 1;
  const [width, height] = video ? video.size.split("x").map(Number) : [16, 9];
  const error = (/** @type {string} */ field) => (failure?.field === field ? failure.message : null);
  return html`<${Dialog} title=${t("characters.new")} onClose=${onClose} kind="new-person">
    <form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); make(); }}>
      <${Segmented} wide label=${t("characters.from")} value=${kind} onChange=${(/** @type {Kind} */ next) => set({ kind: next })} options=${KINDS.map((value) => ({ value, label: t(`characters.from.${value}`) }))} />
      ${kind === "picture" && html`<div class="new-source">${picture && html`<span class="face"><img class="portrait" src=${fileAddress(picture.file_id)} alt=${picture.name} /></span>`}
        <${Button} icon="first" onClick=${() => setPicking(true)}>${t(picture ? "characters.other" : "characters.choosePicture")}<//></div>`}
      ${kind === "clip" && html`<div class="new-source">${video && html`<div class="picture" style=${{ aspectRatio: `${width} / ${height}` }}><${Sprite} video=${video} at=${Math.min(0.999, ((frame ?? 0) + 0.5) / frames)} /></div>`}
        <div class="stack">${video && html`<small class="clip-title">${clipTitle(video)}</small>
          <${Segmented} wide label=${t("characters.use")} value=${frame === null ? "whole" : "frame"} onChange=${(/** @type {string} */ use) => set({ frame: use === "whole" ? null : Math.floor(frames / 2) })} options=${["whole", "frame"].map((value) => ({ value, label: t(`characters.use.${value}`) }))} />
          ${frame !== null && html`<${Slider} label=${t("create.pick.frame")} value=${frame} minimum=${0} maximum=${frames - 1} text=${t("player.frame", { frame: frame + 1, frames })} onChange=${(/** @type {number} */ next) => set({ frame: next })} />`}`}
        <span><${Button} icon="library" onClick=${() => setPicking(true)}>${t(video ? "characters.other" : "characters.chooseClip")}<//></span></div></div>`}
      ${error("source") && html`<p class="error" role="alert">${error("source")}</p>`}
      <${Field} label=${t("characters.name")} error=${error("name")} hint=${form.name.trim() ? t("characters.name.hint", { name: form.name.trim() }) : undefined}>${(/** @type {any} */ field) => html`<input ...${field} type="text" dir="auto" maxlength="80" autofocus value=${form.name} onInput=${(/** @type {any} */ event) => set({ name: event.currentTarget.value })} />`}<//>
      <${Field} label=${t("characters.description")} error=${error("description")} hint=${t(kind === "words" ? "characters.description.hint" : "characters.description.also")}>${(/** @type {any} */ field) => html`<textarea ...${field} dir="auto" rows="2" maxlength="2000" value=${form.description} onInput=${(/** @type {any} */ event) => set({ description: event.currentTarget.value })}></textarea>`}<//>
      <${Field} label=${t("characters.notes")}>${(/** @type {any} */ field) => html`<textarea ...${field} dir="auto" rows="2" placeholder=${t("characters.notes.placeholder")} value=${form.notes} onInput=${(/** @type {any} */ event) => set({ notes: event.currentTarget.value })}></textarea>`}<//>
      <div class="row dialog-end"><button type="submit" class="button primary head-button" disabled=${busy}>${t("characters.make")}</button><${Button} onClick=${onClose}>${t("action.cancel")}<//></div>
    </form>
    ${picking && kind === "picture" && html`<${PicturePicker} title=${t("characters.choosePicture")} onPick=${(/** @type {{ file_id: string, name: string }} */ next) => { set({ picture: next }); setPicking(false); }} onClose=${() => setPicking(false)} />`}
    ${picking && kind === "clip" && html`<${ClipPicker} title=${t("characters.chooseClip")} onPick=${(/** @type {import("../../core/videos.js").Video} */ next) => set({ video: next, frame: null })} onClose=${() => setPicking(false)} />`}
  <//>`;
}
