// The cards of the tray: pictures, keyframes at their times, and footage.
import { address } from "../../core/api.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button, NumberField, Segmented, Slider } from "../../widgets/controls.js";
import { change, form } from "./state.js";
import { fileAddress } from "./uploads.js";

const STEP = 0.1;

/** @param {{ label: string, picture: import("./form.js").Picture, onRemove: () => void, children?: any }} properties */
export function PictureCard({ label, picture, onRemove, children }) {
  return html`<li class="reference"><img src=${fileAddress(picture.file_id)} alt="" /><span class="reference-words"><b>${label}</b><small title=${picture.name}>${children ?? picture.name}</small></span>
    <${Button} kind="quiet" icon="close" label=${`${t("action.delete")}: ${label}`} onClick=${onRemove} /></li>`;
}

export function Keyframes() {
  const { keyframes, seconds } = form.value;
  return keyframes.map((keyframe, index) => {
    /** @param {number} at */
    const set = (at) => change({ keyframes: keyframes.map((other, k) => (k === index ? { ...other, at } : other)) }, `keyframe-${index}`);
    return html`<${PictureCard} key=${keyframe.file_id} label=${t("create.tool.keyframe")} picture=${keyframe} onRemove=${() => change({ keyframes: keyframes.filter((_, k) => k !== index) }, "")}>
      <label class="row at"><span>${t("create.at")}</span><${NumberField} minimum=${0} maximum=${seconds} step=${STEP} value=${keyframe.at} onChange=${set} /><span>s</span></label><//>`;
  });
}

/** @param {{ footage: import("./form.js").Footage }} properties */
export function Footage({ footage }) {
  const { strength, mask } = form.value;
  return html`<li class="reference wide">
    ${footage.id ? html`<img src=${address(`videos/${footage.id}/content`, { variant: "thumbnail" })} alt="" />` : html`<video src=${fileAddress(footage.file_id ?? "")} muted playsinline preload="metadata" aria-hidden="true"></video>`}
    <span class="reference-words"><b>${t("create.tool.footage")}</b><small title=${footage.name}>${footage.name}</small></span>
    <${Segmented} label=${t("create.footage.use")} value=${footage.use} onChange=${(/** @type {any} */ use) => change({ footage: { ...footage, use } }, "")}
      options=${["extend", "before", "change"].map((value) => ({ value, label: t(`create.footage.${value}`), title: t(`create.footage.${value}.title`) }))} />
    <${Button} kind="quiet" icon="close" label=${`${t("action.delete")}: ${t("create.tool.footage")}`} onClick=${() => change({ footage: null, mask: null }, "")} />
    ${footage.use === "change" && html`<div class="strength"><${Slider} label=${t("create.strength")} value=${strength} minimum=${0} maximum=${1} step=${0.05} text=${`${Math.round(strength * 100)} %`} onChange=${(/** @type {number} */ next) => change({ strength: next }, "strength")} /></div>`}
    ${footage.use === "change" && mask && html`<span class="row"><img src=${fileAddress(mask.file_id)} alt="" /><small>${t("create.tool.mask")}</small><${Button} kind="quiet" icon="close" label=${`${t("action.delete")}: ${t("create.tool.mask")}`} onClick=${() => change({ mask: null }, "")} /></span>`}
  </li>`;
}
