// A mask painted over a picture: by pointer, by single clicks, and by keys.
import { announce } from "../core/notices.js";
import { useShortcuts } from "../core/keyboard.js";
import { t } from "../core/strings.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button, Segmented, Slider } from "./controls.js";
import { isPainted, offsetAt, paint, TOOLS } from "./mask.js";

const STEP = 0.02;
const FINE = 0.005;
const CLICK = 0.01;

/** @typedef {import("./mask.js").Point} Point */
/** @typedef {import("./mask.js").Mask} Mask */

/**
 * The surface that lies over the picture.
 * @param {{ mask: Mask, width: number, height: number, frame: import("../vendor/libraries.js").Signal<number>, onTouch?: () => void }} properties
 *   onTouch: before a change, such as to pause the player
 */
export function MaskSurface({ mask, width, height, frame, onTouch }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [pending, setPending] = useState(/** @type {any} */ (null));
  const [focused, setFocused] = useState(false);
  const grabbed = useRef(/** @type {{ start: Point, offset: Point, clicked: boolean } | null} */ (null));
  const value = mask.value.value;
  const tool = mask.tool.value;
  const at = frame.value;
  const offset = offsetAt(value.moves, at);
  const { from, to } = mask.cursor.value;

  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    const color = canvas.current && getComputedStyle(canvas.current).color;
    if (context) paint(context, value, offset, pending && pending.kind !== "anchor" ? pending : null, color ?? "#f60");
  }, [value, offset[0], offset[1], pending, width, height]);

  /** @param {PointerEvent} event @returns {Point} in the frame of the mask, which may have moved */
  const pointOf = (event) => {
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    const [dx, dy] = tool === "move" ? [0, 0] : offset;
    return [(event.clientX - box.left) / box.width - dx, (event.clientY - box.top) / box.height - dy];
  };
  /** @param {import("./mask.js").Shape} shape */
  const add = (shape) => {
    setPending(null);
    mask.add(shape);
  };
  /** @param {PointerEvent} event */
  const down = (event) => {
    if (event.button) return;
    onTouch?.();
    const point = pointOf(event);
    const erase = mask.erase.peek() !== event.altKey;
    /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
    // The second click of a rectangle, or another corner of a lasso, goes on with what the first one began.
    const clicked = pending?.kind === tool && pending.clicked;
    grabbed.current = { start: point, offset, clicked };
    if (tool === "brush") setPending({ kind: "brush", points: [point], radius: mask.radius.peek(), erase });
    else if (tool === "rectangle") setPending(clicked ? { ...pending, to: point } : { kind: "rectangle", from: point, to: point, erase });
    else if (tool === "lasso") setPending(clicked ? { ...pending, points: [...pending.points, point] } : { kind: "lasso", points: [point], erase });
  };
  /** @param {PointerEvent} event */
  const move = (event) => {
    const point = pointOf(event);
    const held = grabbed.current;
    if (!held) {
      if (pending?.kind === "rectangle" && pending.clicked) setPending({ ...pending, to: point });
      return;
    }
    if (tool === "move") mask.moveTo(frame.peek(), held.offset[0] + point[0] - held.start[0], held.offset[1] + point[1] - held.start[1], `move ${held.start}`);
    else if (tool === "rectangle") setPending({ ...pending, to: point });
    else if (pending && !held.clicked) setPending({ ...pending, points: [...pending.points, point] });
  };
  /** @param {PointerEvent} event */
  const up = (event) => {
    const held = grabbed.current;
    grabbed.current = null;
    if (!held || !pending) return;
    const point = pointOf(event);
    const stays = Math.hypot(point[0] - held.start[0], point[1] - held.start[1]) < CLICK;
    if (tool === "rectangle" && stays && !held.clicked) setPending({ ...pending, clicked: true });
    else if (tool === "lasso" && (stays || held.clicked)) {
      const [x, y] = pending.points[0];
      const closes = pending.points.length > 3 && Math.hypot(point[0] - x, point[1] - y) < 0.03;
      if (closes) add({ ...pending, points: pending.points.slice(0, -1) });
      else setPending({ ...pending, points: held.clicked ? pending.points : [held.start], clicked: true });
    } else add(pending);
  };
  /** @param {KeyboardEvent} event */
  const key = (event) => {
    if (event.ctrlKey || event.metaKey) return;
    setFocused(true);
    const size = event.altKey ? FINE : STEP;
    const [x, y] = { ArrowLeft: [-size, 0], ArrowRight: [size, 0], ArrowUp: [0, -size], ArrowDown: [0, size] }[event.key] ?? [0, 0];
    if (x || y) {
      onTouch?.();
      if (tool === "move") mask.moveTo(frame.peek(), offset[0] + x, offset[1] + y, `keys ${frame.peek()}`);
      else if (event.shiftKey) mask.cursor.value = { from, to: [Math.max(from[0] + FINE, to[0] + x), Math.max(from[1] + FINE, to[1] + y)] };
      else mask.cursor.value = { from: [from[0] + x, from[1] + y], to: [to[0] + x, to[1] + y] };
    } else if (event.key === "Enter" && pending?.kind === "lasso" && pending.points.length > 2) add(pending);
    else if (["Enter", " ", "Delete", "Backspace"].includes(event.key)) {
      onTouch?.();
      const erase = event.key.length > 5 ? true : mask.erase.peek();
      add({ kind: "rectangle", from, to, erase });
      announce(t(erase ? "mask.erased" : "mask.painted"));
    } else if (event.key === "Escape" && pending) setPending(null);
    else if (event.key === "[") mask.radius.value = Math.max(0.01, mask.radius.peek() - 0.01);
    else if (event.key === "]") mask.radius.value = Math.min(0.3, mask.radius.peek() + 0.01);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const percent = (/** @type {number} */ number) => `${number * 100}%`;
  const corners = pending?.clicked && pending.kind === "lasso" ? pending.points : [];
  return html`<div class=${`mask-surface tool-${tool}`} dir="ltr" tabindex="0" role="application" aria-label=${t("mask.surface")} aria-describedby="mask-keys"
    onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerCancel=${() => { grabbed.current = null; setPending(null); }}
    onKeyDown=${key} onFocus=${(/** @type {FocusEvent} */ event) => setFocused(/** @type {HTMLElement} */ (event.currentTarget).matches(":focus-visible"))} onBlur=${() => setFocused(false)}>
    <canvas ref=${canvas} width=${width} height=${height}></canvas>
    ${focused && tool !== "move" && html`<i class="mask-cursor" style=${{ left: percent(from[0] + offset[0]), top: percent(from[1] + offset[1]), width: percent(to[0] - from[0]), height: percent(to[1] - from[1]) }}></i>`}
    ${corners.map((/** @type {Point} */ [x, y], /** @type {number} */ index) => html`<i key=${index} class="mask-corner" style=${{ left: percent(x + offset[0]), top: percent(y + offset[1]) }}></i>`)}
    <span id="mask-keys" class="visually-hidden">${t("mask.keys")}</span>
  </div>`;
}

/**
 * The tools of a mask.
 * @param {{ mask: Mask, frame: import("../vendor/libraries.js").Signal<number>, onSeek?: (frame: number) => void, moves?: boolean }} properties
 *   moves: whether the mask may move
 */
export function MaskTools({ mask, frame, onSeek, moves = true }) {
  const value = mask.value.value;
  const tool = mask.tool.value;
  const { history } = mask;
  useShortcuts([
    { keys: "mod+z", label: t("action.undo"), group: t("mask.title"), run: () => history.undo() },
    { keys: "mod+shift+z", label: t("mask.redo"), group: t("mask.title"), run: () => history.redo() },
  ]);
  const painted = isPainted(value.shapes);
  return html`<div class="mask-tools stack" role="group" aria-label=${t("mask.title")}>
    <div class="row between"><h3>${t("mask.title")}</h3><span class="row">
      <${Button} kind="quiet" icon="undo" label=${t("action.undo")} disabled=${!history.canUndo.value} onClick=${history.undo} />
      <${Button} kind="quiet" icon="redo" label=${t("mask.redo")} disabled=${!history.canRedo.value} onClick=${history.redo} /></span></div>
    <${Segmented} wide label=${t("mask.tool")} value=${tool} onChange=${(/** @type {string} */ next) => { mask.tool.value = next; }}
      options=${TOOLS.filter((name) => moves || name !== "move").map((name) => ({ value: name, label: t(`mask.${name}`), disabled: name === "move" && !painted }))} />
    <div class="row wrap">
      ${tool !== "move" && html`<${Segmented} label=${t("mask.mode")} value=${mask.erase.value} onChange=${(/** @type {boolean} */ next) => { mask.erase.value = next; }}
        options=${[{ value: false, label: t("mask.paint") }, { value: true, label: t("mask.erase") }]} />`}
      <${Button} onClick=${() => mask.add({ kind: "invert" })}>${t("mask.invert")}<//>
      <${Button} disabled=${!value.shapes.length && !value.moves.length} onClick=${mask.clear}>${t("mask.clear")}<//>
    </div>
    <div class="sliders">
      ${tool === "brush" && html`<${Slider} label=${t("mask.size")} value=${Math.round(mask.radius.value * 200)} minimum=${2} maximum=${60} text=${`${Math.round(mask.radius.value * 200)} %`} onChange=${(/** @type {number} */ next) => { mask.radius.value = next / 200; }} />`}
      <${Slider} label=${t("mask.feather")} value=${Math.round(value.feather * 100)} minimum=${0} maximum=${20} text=${`${Math.round(value.feather * 100)} %`} onChange=${(/** @type {number} */ next) => mask.setFeather(next / 100)} />
    </div>
    ${moves && (tool === "move" || value.moves.length > 0) && html`<div class="stack tight">
      <p class="small">${t(value.moves.length ? "mask.moves" : "mask.moveHint")}</p>
      <ul class="row wrap">${value.moves.map((move) => html`<li key=${move.frame} class="chip info">
        <button type="button" class="bare" aria-current=${move.frame === frame.value ? "true" : undefined} onClick=${() => onSeek?.(move.frame)}>${t("mask.moveAt", { frame: move.frame + 1 })}</button>
        <button type="button" class="bare" aria-label=${t("mask.removeMove", { frame: move.frame + 1 })} onClick=${() => mask.removeMove(move.frame)}>×</button></li>`)}
      </ul></div>`}
    <p class="small mask-help">${t(`mask.help.${tool}`)}</p>
  </div>`;
}
