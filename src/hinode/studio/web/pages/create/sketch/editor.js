// The paths over the sketch: points that are dragged, moved with arrow keys, or drawn anew.
import { duration } from "../../../core/format.js";
import { t } from "../../../core/strings.js";
import { classes, html, useEffect, useRef, useState } from "../../../core/ui.js";
import { change, form } from "../state.js";
import { show } from "./canvas.js";
import { drawPath, movePoint, POINTS, pointsOf } from "./edits.js";
import { between } from "./motion.js";
import { chosen, clock, drawing, followers, view } from "./view.js";

/** @typedef {import("./motion.js").Plan} Plan */

const STEP = 0.01;
const LARGE_STEP = 0.05;
let drags = 0;

/** @param {number} part @returns {string} */
const percent = (part) => `${Math.round(part * 1000) / 10}%`;
/** A point beyond the frame is shown at its edge. @param {number} part */
const inside = (part) => Math.max(0.012, Math.min(0.988, part));
/** The name of a subject: "red balloon". @param {import("./motion.js").Subject} subject */
export const nameOf = (subject) => `${subject.color} ${subject.kind}`;

/** Move a point, or all of a path. @param {number} number @param {number | null} point @param {number} dx @param {number} dy @param {string} step name of the step that undo takes back */
export function move(number, point, dx, dy, step) {
  const now = view.peek();
  if (!now || now.demo) return;
  change({ edits: movePoint(form.peek().edits, now.plan, number, point, dx, dy) }, step);
}

/**
 * Handlers that move something by the pointer and by arrow keys.
 * @param {number} number @param {number | null} point @param {() => DOMRect | undefined} box
 */
function handlers(number, point, box) {
  const seconds = () => (point === null ? null : POINTS[point] * (view.peek()?.plan.seconds ?? 0));
  const stop = () => show(seconds() ?? clock.seconds);
  return {
    onFocus: () => { if (point !== null) stop(); chosen.value = number; },
    /** @param {PointerEvent} event */
    onPointerDown: (event) => {
      const target = /** @type {HTMLElement} */ (event.currentTarget);
      const area = box();
      if (!area || event.button) return;
      target.setPointerCapture(event.pointerId);
      chosen.value = number;
      stop();
      const step = `drag-${++drags}`;
      let { clientX, clientY } = event;
      target.onpointermove = (next) => {
        move(number, point, (next.clientX - clientX) / area.width, (next.clientY - clientY) / area.height, step);
        ({ clientX, clientY } = next);
      };
      target.onpointerup = target.onpointercancel = () => { target.onpointermove = null; };
    },
    /** @param {KeyboardEvent} event */
    onKeyDown: (event) => {
      const size = event.shiftKey ? LARGE_STEP : STEP;
      const way = { ArrowLeft: [-size, 0], ArrowRight: [size, 0], ArrowUp: [0, -size], ArrowDown: [0, size] }[event.key];
      if (!way || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      stop();
      move(number, point, way[0], way[1], `keys-${number}-${point}`);
    },
  };
}

export function Editor() {
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  const now = view.value;
  const grips = useRef(/** @type {(HTMLElement | null)[]} */ ([]));
  useEffect(() => {
    /** @param {number} seconds */
    const follow = (seconds) => view.peek()?.plan.subjects.forEach((subject, number) => {
      const grip = grips.current[number];
      if (!grip) return;
      grip.style.left = percent(between(subject.x, seconds));
      grip.style.top = percent(between(subject.y, seconds));
    });
    followers.add(follow);
    follow(clock.seconds);
    return () => { followers.delete(follow); };
  }, [now]);
  if (!now || now.demo) return null;
  const { plan } = now;
  const box = () => root.current?.getBoundingClientRect();
  const current = Math.min(chosen.value, plan.subjects.length - 1);
  const [width, height] = now.size.split("x").map(Number);
  const short = Math.min(width, height);
  return html`<div class=${classes("editor", drawing.value && "drawing")} ref=${root}>
    <svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">${plan.subjects.map((subject, number) => html`<polyline key=${number} class=${number === current ? "path on" : "path"}
      points=${subject.x.map((x, k) => `${Math.round(x * 1000)},${Math.round(subject.y[k] * 1000)}`).join(" ")} />`)}</svg>
    ${plan.subjects.map((subject, number) => html`<button type="button" key=${`grip-${number}`} data-arrows class=${classes("grip", number === current && "on")} ref=${(/** @type {HTMLElement | null} */ element) => { grips.current[number] = element; }}
      style=${{ width: percent((subject.size[0] * short) / width), height: percent((subject.size[0] * short) / height) }}
      aria-label=${t("create.sketch.whole", { name: nameOf(subject) })} title=${t("create.sketch.whole.title")} ...${handlers(number, null, box)}></button>`)}
    ${current >= 0 && pointsOf(plan, current).map(([x, y], point) => html`<button type="button" key=${`point-${point}`} data-arrows class=${classes("point", inside(x) !== x || inside(y) !== y ? "beyond" : "")} style=${{ left: percent(inside(x)), top: percent(inside(y)) }}
      aria-label=${t("create.sketch.point", { name: nameOf(plan.subjects[current]), number: point + 1, count: POINTS.length, time: duration(POINTS[point] * plan.seconds), x: percent(x), y: percent(y) })}
      ...${handlers(current, point, box)}></button>`)}
    ${drawing.value && html`<${DrawingArea} number=${current} box=${box} />`}
  </div>`;
}

/** A path that is drawn with the pointer. @param {{ number: number, box: () => DOMRect | undefined }} properties */
function DrawingArea({ number, box }) {
  const [points, setPoints] = useState(/** @type {[number, number][]} */ ([]));
  const line = useRef(/** @type {[number, number][]} */ ([]));
  /** @param {PointerEvent} event */
  const add = (event) => {
    const area = box();
    if (!area) return;
    line.current = [...line.current, [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height]];
    setPoints(line.current);
  };
  /** @param {PointerEvent} event */
  const begin = (event) => {
    /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
    line.current = [];
    add(event);
  };
  const end = () => {
    const now = view.peek();
    if (now && line.current.length > 1 && number >= 0) change({ edits: drawPath(form.peek().edits, now.plan, number, line.current) }, "");
    drawing.value = false;
  };
  return html`<div class="drawing-area" onPointerDown=${begin} onPointerMove=${(/** @type {PointerEvent} */ event) => line.current.length && event.buttons && add(event)} onPointerUp=${end}>
    <svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true"><polyline class="path on" points=${points.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" ")} /></svg>
    <p>${t("create.sketch.drawHint")}</p></div>`;
}
