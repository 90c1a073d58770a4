// A path drawn over a picture: by a stroke, by single clicks at moments of the clip, and by keys.
import { t } from "../core/strings.js";
import { timecode } from "../core/format.js";
import { html, useRef, useState } from "../core/ui.js";
import { Button } from "./controls.js";

const STEP = 0.02;
const FINE = 0.005;
const MAX_STROKE = 24;

/**
 * @typedef {{ seconds: number, x: number, y: number }} PathPoint fractions of the frame from the left upper corner
 */

/**
 * Where a path is at a moment; null for one without points.
 * @param {PathPoint[]} points in order
 * @param {number} seconds
 */
export function placeAt(points, seconds) {
  if (!points.length) return null;
  const after = points.findIndex((point) => point.seconds >= seconds);
  if (after < 0) return points[points.length - 1];
  if (after === 0) return points[0];
  const [a, b] = [points[after - 1], points[after]];
  const share = (seconds - a.seconds) / (b.seconds - a.seconds || 1);
  return { seconds, x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share };
}

/** @param {PathPoint[]} points @param {PathPoint} point in place of one at the same moment */
export function withPoint(points, point) {
  return [...points.filter((other) => Math.abs(other.seconds - point.seconds) > 1e-4), point].sort((a, b) => a.seconds - b.seconds);
}

/**
 * The surface that lies over the picture.
 * @param {{ points: PathPoint[], length: number, seconds: number, onChange: (points: PathPoint[], group?: string) => void, onTouch?: () => void }} properties
 *   length: of the clip; seconds: the moment that is shown; a click sets a point at it
 */
export function PathSurface({ points, length, seconds, onChange, onTouch }) {
  const svg = useRef(/** @type {SVGSVGElement | null} */ (null));
  const [stroke, setStroke] = useState(/** @type {[number, number][]} */ ([]));
  const held = useRef(-1);

  /** @param {PointerEvent} event @returns {[number, number]} */
  const at = (event) => {
    const box = /** @type {SVGSVGElement} */ (svg.current).getBoundingClientRect();
    return [limit((event.clientX - box.left) / box.width), limit((event.clientY - box.top) / box.height)];
  };
  /** @param {PointerEvent} event */
  const down = (event) => {
    if (event.button) return;
    onTouch?.();
    svg.current?.setPointerCapture(event.pointerId);
    const handle = /** @type {Element} */ (event.target).closest("[data-index]");
    held.current = handle ? Number(handle.getAttribute("data-index")) : -1;
    if (!handle) setStroke([at(event)]);
  };
  /** @param {PointerEvent} event */
  const move = (event) => {
    const [x, y] = at(event);
    if (held.current >= 0) onChange(points.map((point, index) => (index === held.current ? { ...point, x, y } : point)), `drag ${held.current}`);
    else if (stroke.length) setStroke([...stroke, [x, y]]);
  };
  const up = () => {
    held.current = -1;
    if (!stroke.length) return;
    setStroke([]);
    const [x, y] = stroke[0];
    const far = stroke.some((point) => Math.hypot(point[0] - x, point[1] - y) > 0.03);
    onChange(far ? spread(stroke, length) : withPoint(points, { seconds, x, y }));
  };
  /** @param {KeyboardEvent} event @param {number} index */
  const key = (event, index) => {
    if (event.ctrlKey || event.metaKey) return;
    const size = event.altKey ? FINE : STEP;
    const [dx, dy] = { ArrowLeft: [-size, 0], ArrowRight: [size, 0], ArrowUp: [0, -size], ArrowDown: [0, size] }[event.key] ?? [0, 0];
    if (dx || dy) onChange(points.map((point, number) => (number === index ? { ...point, x: limit(point.x + dx), y: limit(point.y + dy) } : point)), `keys ${index}`);
    else if (["Delete", "Backspace"].includes(event.key)) {
      onChange(points.filter((_, number) => number !== index));
      /** @type {HTMLElement | null} */ (svg.current?.parentElement ?? null)?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  /** Without a point in focus, the keys set one. @param {KeyboardEvent} event */
  const start = (event) => {
    if (event.ctrlKey || event.metaKey || event.target !== event.currentTarget || !["Enter", " "].includes(event.key)) return;
    const place = placeAt(points, seconds) ?? { x: 0.5, y: 0.5 };
    onChange(withPoint(points, { seconds, x: place.x, y: place.y }));
    event.preventDefault();
    event.stopPropagation();
  };
  const now = placeAt(points, seconds);
  const line = (/** @type {[number, number][]} */ list) => list.map(([x, y]) => `${x * 100},${y * 100}`).join(" ");
  return html`<div class="path-surface" dir="ltr" tabindex="0" role="group" aria-label=${t("path.surface")} onKeyDown=${start}>
    <svg ref=${svg} viewBox="0 0 100 100" preserveAspectRatio="none" onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerCancel=${up}>
      <polyline class="under" points=${line(points.map(({ x, y }) => [x, y]))} /><polyline points=${line(points.map(({ x, y }) => [x, y]))} />
      ${stroke.length > 1 && html`<polyline class="stroke" points=${line(stroke)} />`}
    </svg>
    ${now && html`<i class="path-now" style=${{ left: `${now.x * 100}%`, top: `${now.y * 100}%` }}></i>`}
    ${points.map((point, index) => html`<button type="button" key=${index} class="path-point" data-arrows style=${{ left: `${point.x * 100}%`, top: `${point.y * 100}%` }}
      aria-label=${t("path.point", { number: index + 1, time: timecode(point.seconds), x: Math.round(point.x * 100), y: Math.round(point.y * 100) })}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => key(event, index)}
      onPointerDown=${(/** @type {PointerEvent} */ event) => { onTouch?.(); held.current = index; /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId); event.stopPropagation(); }}
      onPointerMove=${(/** @type {PointerEvent} */ event) => held.current === index && move(event)} onPointerUp=${() => { held.current = -1; }}><span aria-hidden="true">${index + 1}</span></button>`)}
  </div>`;
}

/**
 * The points of a path as a list, each with its moment.
 * @param {{ points: PathPoint[], onChange: (points: PathPoint[]) => void, onSeek: (seconds: number) => void }} properties
 */
export function PathPoints({ points, onChange, onSeek }) {
  if (!points.length) return html`<p class="small">${t("path.empty")}</p>`;
  return html`<ul class="row wrap path-list">${points.map((point, index) => html`<li key=${index} class="chip info">
      <button type="button" class="bare" onClick=${() => onSeek(point.seconds)}>${index + 1} · ${timecode(point.seconds)}</button>
      <button type="button" class="bare" aria-label=${t("path.remove", { number: index + 1 })} onClick=${() => onChange(points.filter((_, number) => number !== index))}>×</button></li>`)}
    <li><${Button} kind="quiet" onClick=${() => onChange([])}>${t("path.clear")}<//></li></ul>`;
}

/** @param {number} value */
const limit = (value) => Math.min(1, Math.max(0, Math.round(value * 1e4) / 1e4));

/** A stroke as points at even moments of the clip. @param {[number, number][]} stroke @param {number} length @returns {PathPoint[]} */
function spread(stroke, length) {
  const count = Math.min(MAX_STROKE, Math.max(2, Math.round(length * 3) + 1), stroke.length);
  return Array.from({ length: count }, (_, index) => {
    const place = (index / (count - 1)) * (stroke.length - 1);
    const [a, b] = [stroke[Math.floor(place)], stroke[Math.ceil(place)]];
    const share = place % 1;
    return { seconds: Math.round((index / (count - 1)) * length * 1e4) / 1e4, x: limit(a[0] + (b[0] - a[0]) * share), y: limit(a[1] + (b[1] - a[1]) * share) };
  });
}
