// The forms of operations on the marked span: retake, recut.
import { timecode } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button, NumberField } from "../../widgets/controls.js";
import { framesOf, rateOf } from "../../widgets/player.js";
import { Seconds, Words } from "./forms.js";

/** @typedef {import("./operations.js").Context} Context */

/** The marked span in whole frames, to be set by buttons and numbers too. @param {Context} context */
export function Span({ video, marks, setMarks, frame, seek }) {
  const [frames, fps] = [framesOf(video), rateOf(video)];
  const at = frame.value;
  const around = () => {
    const half = Math.round(fps / 2);
    const start = Math.max(0, Math.min(at - half, frames - 2 * half));
    setMarks({ start, end: Math.min(frames, start + 2 * half) });
  };
  /** @param {import("../../widgets/player.js").Marks} next @param {number} shown */
  const set = (next, shown) => {
    setMarks(next);
    seek(shown);
  };
  return html`<div class="span row wrap" role="group" aria-label=${t("span.title")}>
    ${marks
      ? html`<label>${t("span.begin")} <${NumberField} minimum=${1} maximum=${marks.end} value=${marks.start + 1} onChange=${(/** @type {number} */ number) => set({ ...marks, start: number - 1 }, number - 1)} /></label>
        <label>${t("span.end")} <${NumberField} minimum=${marks.start + 1} maximum=${frames} value=${marks.end} onChange=${(/** @type {number} */ number) => set({ ...marks, end: number }, number - 1)} /></label>
        <small>${timecode(marks.start / fps)} – ${timecode(marks.end / fps)} · ${t("span.frames", { count: marks.end - marks.start })}</small>
        <${Button} kind="quiet" onClick=${() => setMarks(null)}>${t("player.unmark")}<//>`
      : html`<p class="small">${t("span.hint")}</p><${Button} onClick=${around}>${t("span.around")}<//>`}
  </div>`;
}

/** @param {Context} context */
export function RetakeForm(context) {
  return html`<${Span} ...${context} /><${Words} value=${context.value} change=${context.change} label=${t("retake.words")} optional />`;
}

/** @param {Context} context */
export function RecutForm(context) {
  const { value, change } = context;
  return html`<${Span} ...${context} />
    <div class="row wrap fields"><div class="grow"><${Seconds} label=${t("recut.before")} minimum=${0} maximum=${6} value=${value.before} onChange=${(/** @type {number} */ before) => change({ before })} /></div>
      <div class="grow"><${Seconds} label=${t("recut.after")} minimum=${0} maximum=${6} value=${value.after} onChange=${(/** @type {number} */ after) => change({ after })} /></div></div>
    <${Words} value=${value} change=${change} label=${t("clip.words")} optional />`;
}
