// The camera by points on two curves: how far it pans, and how near it is.
import { timecode } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { html, useRef } from "../../core/ui.js";
import { Button, NumberField } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { round } from "./form.js";
import { valueAt } from "./sketch/camera-move.js";
import { change, form } from "./state.js";

/** @typedef {[number, number, number]} Point seconds, pan, zoom */

/** The two curves: their range, and the step of a key. */
const CURVES = /** @type {const} */ ({ pan: { axis: 1, from: -1, to: 1, step: 0.05 }, zoom: { axis: 2, from: 0.5, to: 2.5, step: 0.05 } });
const TIME_STEP = 0.1;
const MAX_POINTS = 16;
let drags = 0;

/** @param {Point[]} points @param {string} [step] */
const set = (points, step = "") => change({ camera: [...points].sort((a, b) => a[0] - b[0]) }, step);

/** @param {{ onClose: () => void }} properties */
export function CameraDialog({ onClose }) {
  const { seconds } = form.value;
  const points = /** @type {Point[]} */ (form.value.camera.length ? form.value.camera : [[0, 0, 1], [seconds, 0, 1]]);
  const limits = [[0, seconds], [CURVES.pan.from, CURVES.pan.to], [CURVES.zoom.from, CURVES.zoom.to]];
  /** @param {number} index @param {0 | 1 | 2} axis @param {number} value @param {string} [step] */
  const put = (index, axis, value, step = `camera-${index}-${axis}`) => {
    const [from, to] = limits[axis];
    const next = /** @type {Point} */ ([...points[index]]);
    next[axis] = round(Math.max(from, Math.min(to, value)));
    set(points.map((point, k) => (k === index ? next : point)), step);
  };
  const add = () => {
    // In the middle of the longest gap.
    const gaps = points.slice(1).map((point, k) => point[0] - points[k][0]);
    const widest = gaps.indexOf(Math.max(...gaps));
    const at = round((points[widest][0] + points[widest + 1][0]) / 2);
    set([...points, [at, valueAt(points, 1, at), valueAt(points, 2, at)]]);
  };
  return html`<${Dialog} title=${t("create.tool.curve")} onClose=${onClose} kind="camera-dialog">
    <div class="stack">
      ${/** @type {("pan" | "zoom")[]} */ (["pan", "zoom"]).map((name) => html`<${Curve} key=${name} name=${name} points=${points} seconds=${seconds} put=${put} />`)}
      <table class="camera-points"><thead><tr><th scope="col">${t("create.curve.time")}</th><th scope="col">${t("create.curve.pan")}</th><th scope="col">${t("create.curve.zoom")}</th><td></td></tr></thead>
        <tbody>${points.map((point, index) => html`<tr key=${index}>${/** @type {(0 | 1 | 2)[]} */ ([0, 1, 2]).map((axis) => html`<td key=${axis}><${NumberField} aria-label=${t(`create.curve.${["time", "pan", "zoom"][axis]}.of`, { number: index + 1 })} minimum=${limits[axis][0]} maximum=${limits[axis][1]} step=${axis ? 0.05 : TIME_STEP} value=${point[axis]}
          onChange=${(/** @type {number} */ value) => put(index, axis, value)} /></td>`)}
          <td><${Button} kind="quiet" icon="close" label=${t("create.curve.remove", { number: index + 1 })} disabled=${points.length < 3} onClick=${() => set(points.filter((_, k) => k !== index))} /></td></tr>`)}</tbody></table>
      <div class="row between"><${Button} icon="plus" disabled=${points.length >= MAX_POINTS} onClick=${add}>${t("create.curve.add")}<//>
        <span class="row"><${Button} disabled=${!form.value.camera.length} onClick=${() => change({ camera: [] }, "")}>${t("create.curve.clear")}<//><${Button} kind="primary" onClick=${onClose}>${t("action.done")}<//></span></div>
    </div><//>`;
}

/** @param {{ name: "pan" | "zoom", points: Point[], seconds: number, put: (index: number, axis: 0 | 1 | 2, value: number, step?: string) => void }} properties */
function Curve({ name, points, seconds, put }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const { axis, from, to, step } = CURVES[name];
  const across = (/** @type {Point} */ point) => point[0] / seconds;
  const down = (/** @type {Point} */ point) => 1 - (point[axis] - from) / (to - from);
  const rest = 1 - ((name === "pan" ? 0 : 1) - from) / (to - from);
  const line = [[0, down(points[0])], ...points.map((point) => [across(point), down(point)]), [1, down(points[points.length - 1])]];
  /** @param {PointerEvent} event @param {number} index */
  const grab = (event, index) => {
    const area = box.current?.getBoundingClientRect();
    const target = /** @type {HTMLElement} */ (event.currentTarget);
    if (!area) return;
    target.setPointerCapture(event.pointerId);
    const drag = `curve-${++drags}`;
    target.onpointermove = (next) => put(index, axis, from + (1 - (next.clientY - area.top) / area.height) * (to - from), drag);
    target.onpointerup = target.onpointercancel = () => { target.onpointermove = null; };
  };
  /** @param {KeyboardEvent} event @param {number} index */
  const key = (event, index) => {
    const point = points[index];
    if (event.key === "ArrowUp" || event.key === "ArrowDown") put(index, axis, point[axis] + (event.key === "ArrowUp" ? step : -step));
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") put(index, 0, point[0] + (event.key === "ArrowRight" ? TIME_STEP : -TIME_STEP));
    else return;
    event.preventDefault();
  };
  return html`<div class="curve"><div class="row between"><h3>${t(`create.curve.${name}`)}</h3><small>${t(`create.curve.${name}.hint`)}</small></div>
    <div class="curve-box" dir="ltr" ref=${box}><svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true"><line x1="0" x2="1000" y1=${rest * 1000} y2=${rest * 1000} /><polyline points=${line.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" ")} /></svg>
      ${points.map((point, index) => html`<button type="button" key=${index} data-arrows style=${{ left: `${across(point) * 100}%`, top: `${down(point) * 100}%` }} aria-label=${t("create.curve.point", { curve: t(`create.curve.${name}`), number: index + 1, time: timecode(point[0]), value: point[axis] })}
        onPointerDown=${(/** @type {PointerEvent} */ event) => grab(event, index)} onKeyDown=${(/** @type {KeyboardEvent} */ event) => key(event, index)}></button>`)}</div></div>`;
}
