// The forms of operations on the marked span: retake, recut.
import { timecode } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { framesOf, rateOf } from "../../widgets/player.js";
import { Seconds, Words } from "./forms.js";

/** @typedef {import("./operations.js").Context} Context */

/** The marked span in whole frames, to be set by buttons and numbers too. @param {Context} context */
export function Span({ video, marks, setMarks, frame, seek }) {
  const [frames, fps] = [framesOf(video), rateOf(video)];
  const at = frame.value;
  const edges = marks ?? { start: 0, end: frames };
  const around = () => {
    const half = Math.round(fps / 2);
    const start = Math.max(0, Math.min(at - half, frames - 2 * half));
    setMarks({ start, end: Math.min(frames, start + 2 * half) });
  };
  /** @param {"start" | "end"} side @param {number} number */
  const set = (side, number) => {
    if (!Number.isFinite(number)) return;
    const next = side === "start"
      ? { start: Math.max(0, Math.min(edges.end - 1, number)), end: edges.end }
      : { start: edges.start, end: Math.max(edges.start + 1, Math.min(frames, number)) };
    setMarks(next);
    seek(side === "start" ? next.start : next.end - 1);
  };
  return html`<div class="span row wrap" role="group" aria-label=${t("span.title")}>
    ${marks
      ? html`<label>${t("span.begin")} <input type="number" min="1" max=${marks.end} value=${marks.start + 1} onChange=${(/** @type {any} */ event) => set("start", event.currentTarget.valueAsNumber - 1)} /></label>
        <label>${t("span.end")} <input type="number" min=${marks.start + 1} max=${frames} value=${marks.end} onChange=${(/** @type {any} */ event) => set("end", event.currentTarget.valueAsNumber)} /></label>
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
