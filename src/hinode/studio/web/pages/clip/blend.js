// The form of a blend: a second clip, the order, and how one passes into the other.
import { clipTitle, clock } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { html, useRef, useState } from "../../core/ui.js";
import { ClipPicture } from "../../widgets/card.js";
import { ClipPicker } from "../../widgets/clip-picker.js";
import { Button, Segmented, Switch } from "../../widgets/controls.js";
import { fileAddress } from "../create/uploads.js";
import { Seconds, Words } from "./forms.js";

const CURVES = ["linear", "smooth", "early", "late"];

/** One of the two clips; one that was dropped is a file. @param {{ video: any, note: string }} properties */
function Side({ video, note }) {
  if (video.file_id) return html`<div class="blend-side"><video src=${fileAddress(video.file_id)} muted playsinline preload="metadata" aria-hidden="true"></video><b class="clip-title">${video.title}</b><small>${note}</small></div>`;
  return html`<div class="blend-side"><${ClipPicture} video=${video} /><b class="clip-title">${clipTitle(video)}</b><small>${note} · ${clock(Number(video.seconds))}</small></div>`;
}

/** @param {import("./operations.js").Context} context */
export function BlendForm({ video, value, change, marks }) {
  const [open, setOpen] = useState(false);
  const buttons = useRef(/** @type {HTMLDivElement | null} */ (null));
  /** @param {any} clip */
  const pick = (clip) => {
    change({ other: briefly(clip) });
    // The button that opened the dialog gives way to the clip.
    setTimeout(() => buttons.current?.querySelector("button")?.focus());
  };
  const own = html`<${Side} key="own" video=${video} note=${t("blend.this")} />`;
  const other = value.other
    ? html`<${Side} key="other" video=${value.other} note=${t("blend.other")} />`
    : html`<button key="none" type="button" class="blend-choose" onClick=${() => setOpen(true)}>${t("blend.choose")}</button>`;
  return html`<div class="blend-pair">${value.first ? [own, other] : [other, own]}</div>
    <div class="row wrap" ref=${buttons}>
      ${value.other && html`<${Button} onClick=${() => setOpen(true)}>${t("blend.change")}<//>`}
      <${Button} icon="remix" onClick=${() => change({ first: !value.first })}>${t("blend.swap")}<//>
    </div>
    <${Seconds} label=${t("blend.seconds")} maximum=${4} value=${value.seconds} onChange=${(/** @type {number} */ seconds) => change({ seconds })} />
    <${Segmented} wide label=${t("blend.curve")} value=${value.curve} onChange=${(/** @type {string} */ curve) => change({ curve })} options=${CURVES.map((name) => ({ value: name, label: t(`curve.${name}`) }))} />
    ${marks && html`<${Switch} label=${t(value.first ? "blend.cutEnd" : "blend.cutStart")} checked=${value.cut} onChange=${(/** @type {boolean} */ cut) => change({ cut })} />`}
    <${Words} value=${value} change=${change} label=${t("clip.words")} optional />
    ${open && html`<${ClipPicker} title=${t("blend.choose")} except=${[video.id]} onClose=${() => setOpen(false)} onPick=${pick} />`}`;
}

/** What a draft keeps of a clip. @param {import("../../core/videos.js").Video} clip */
const briefly = ({ id, title, prompt, seconds, size, status }) => ({ id, title, prompt, seconds, size, status });
