// The forms of operations that are drawn on the picture: edit by a mask, path, another shape.
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Field, Segmented, Switch } from "../../widgets/controls.js";
import { MaskTools } from "../../widgets/mask-editor.js";
import { PathPoints } from "../../widgets/path-editor.js";
import { rateOf } from "../../widgets/player.js";
import { WordChanges, Words, changedWords } from "./forms.js";

/** @typedef {import("./operations.js").Context} Context */

/** @param {Context} context */
export function EditForm({ video, value, change, mask, frame, seek }) {
  return html`<${Switch} label=${t("edit.whole")} checked=${value.whole} onChange=${(/** @type {boolean} */ whole) => change({ whole })} />
    ${!value.whole && html`<${MaskTools} mask=${mask} frame=${frame} onSeek=${seek} />`}
    <${Words} value=${value} change=${change} label=${t("edit.words")} hint=${t("edit.hint")} />
    <${WordChanges} ...${changedWords(video.prompt ?? "", value.prompt)} />`;
}

/** @param {Context} context */
export function PathForm({ video, value, change, seek }) {
  const fps = rateOf(video);
  return html`<p class="small">${t("path.hint")}</p>
    <${PathPoints} points=${value.points} onChange=${(/** @type {any} */ points) => change({ points })} onSeek=${(/** @type {number} */ seconds) => seek(Math.round(seconds * fps))} />
    <${Words} value=${value} change=${change} label=${t("edit.words")} />`;
}

const SHAPES = [["16:9", 16 / 9], ["1:1", 1], ["9:16", 9 / 16], ["4:3", 4 / 3], ["21:9", 21 / 9]];

/** Even sizes of other shapes with about as many pixels. @param {string} size */
function shapesOf(size) {
  const [width, height] = size.split("x").map(Number);
  const even = (/** @type {number} */ side) => Math.max(64, Math.round(side / 16) * 16);
  return SHAPES.map(([name, ratio]) => {
    const wide = Math.sqrt(width * height * Number(ratio));
    return { name: String(name), size: `${even(wide)}x${even(wide / Number(ratio))}` };
  }).filter((shape) => shape.size !== size);
}

/** @param {Context} context */
export function ReframeForm({ video, value, change }) {
  const shapes = shapesOf(video.size);
  const custom = value.size && !shapes.some((shape) => shape.size === value.size);
  const fits = video.making?.plan ? ["compose", "crop"] : ["crop"];
  return html`${fits.length > 1 && html`<${Segmented} wide label=${t("reframe.fit")} value=${value.fit} onChange=${(/** @type {string} */ fit) => change({ fit })} options=${fits.map((fit) => ({ value: fit, label: t(`reframe.fit.${fit}`) }))} />`}
    <p class="small">${t(`reframe.hint.${value.fit}`)}</p>
    <${Segmented} wide label=${t("reframe.shape")} value=${value.size} onChange=${(/** @type {string} */ size) => change({ size })} options=${shapes.map((shape) => ({ value: shape.size, label: shape.name, title: shape.size.replace("x", " × ") }))} />
      <${Field} label=${t("reframe.size")}>${(/** @type {any} */ field) => html`<input ...${field} type="text" inputmode="numeric" size="10" placeholder="640x360" value=${value.size} aria-current=${custom ? "true" : undefined}
        onInput=${(/** @type {any} */ event) => change({ size: event.currentTarget.value.replace(/[^\dx×]/g, "").replace("×", "x") })} />`}<//>`;
}
