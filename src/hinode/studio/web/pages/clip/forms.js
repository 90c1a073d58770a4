// The forms of operations on the whole clip: extend, loop, remix.
import { duration } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Field, Segmented, Slider } from "../../widgets/controls.js";

/** @typedef {import("./operations.js").Context} Context */

const MAX_MORE = 12;

/**
 * The words of an operation.
 * @param {{ value: any, change: Context["change"], label: string, hint?: string, optional?: boolean }} properties
 */
export function Words({ value, change, label, hint, optional }) {
  return html`<${Field} label=${label} hint=${hint}>${(/** @type {any} */ field) => html`<textarea ...${field} rows="2" value=${value.prompt} placeholder=${optional ? t("clip.sameWords") : ""} maxlength="4000"
    onInput=${(/** @type {any} */ event) => change({ prompt: event.currentTarget.value })}></textarea>`}<//>`;
}

/** @param {{ label: string, value: number, minimum?: number, maximum?: number, onChange: (value: number) => void }} properties */
export function Seconds({ label, value, minimum = 0.5, maximum = MAX_MORE, onChange }) {
  return html`<${Slider} label=${label} value=${value} minimum=${minimum} maximum=${maximum} step=${0.5} text=${duration(value)} onChange=${onChange} />`;
}

/** @param {Context} context */
export function ExtendForm({ value, change }) {
  return html`<${Segmented} wide label=${t("extend.side")} value=${value.backward} onChange=${(/** @type {boolean} */ backward) => change({ backward })}
        options=${[{ value: true, label: t("extend.before") }, { value: false, label: t("extend.after") }]} />
    <${Seconds} label=${t("extend.seconds")} value=${value.seconds} onChange=${(/** @type {number} */ seconds) => change({ seconds })} />
    <${Words} value=${value} change=${change} label=${t(value.backward ? "extend.wordsBefore" : "extend.words")} />`;
}

/** @param {Context} context */
export function LoopForm({ value, change, video }) {
  return html`<${Seconds} label=${t("loop.more")} value=${value.more} maximum=${6} onChange=${(/** @type {number} */ more) => change({ more })} />
    <p class="small">${t("loop.hint", { time: duration(Number(video.seconds) + value.more) })}</p>
    <${Words} value=${value} change=${change} label=${t("clip.words")} optional />`;
}

/** Words that two prompts do not share, in their order. @param {string} before @param {string} now */
export function changedWords(before, now) {
  const split = (/** @type {string} */ text) => /** @type {string[]} */ (text.toLowerCase().match(/[\p{L}\p{N}'’-]+/gu) ?? []);
  const [old, fresh] = [split(before), split(now)];
  return { removed: [...new Set(old.filter((word) => !fresh.includes(word)))], added: [...new Set(fresh.filter((word) => !old.includes(word)))] };
}

/** @param {{ removed: readonly string[], added: readonly string[] }} properties */
export function WordChanges({ removed, added }) {
  if (!removed.length && !added.length) return null;
  return html`<span class="word-changes">${removed.map((word) => html`<del key=${`-${word}`}>${word}</del>`)}${removed.length > 0 && added.length > 0 && html`<span aria-hidden="true">→</span>`}${added.map((word) => html`<ins key=${`+${word}`}>${word}</ins>`)}</span>`;
}

/** @param {Context} context */
export function RemixForm({ value, change, video }) {
  const strength = value.strength ?? 0.75;
  const name = strength < 0.5 ? "subtle" : strength < 0.7 ? "mild" : "strong";
  return html`<${Words} value=${value} change=${change} label=${t("remix.words")} />
    <${WordChanges} ...${changedWords(video.prompt ?? "", value.prompt)} />
    <${Slider} label=${t("remix.strength")} value=${Math.round(strength * 100)} minimum=${5} maximum=${100} step=${5}
      text=${value.strength === null ? t("remix.default") : `${t(`remix.${name}`)} · ${Math.round(strength * 100)} %`} onChange=${(/** @type {number} */ share) => change({ strength: share / 100 })} />`;
}

/** There is nothing to say but the profile. */
export function FinishForm() {
  return null;
}
