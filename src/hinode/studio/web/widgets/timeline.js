// A timeline of cards: their widths are their lengths in frames. Cards are moved and made longer by dragging, by
// keys, and by the buttons above it.
import { t } from "../core/strings.js";
import { classes, html, useLayoutEffect, useRef, useState } from "../core/ui.js";
import { Icon } from "./icons.js";

const DRAG_PIXELS = 5;
const EDGE_PIXELS = 48;
const GAP = 3;

/**
 * @typedef {object} Card
 * @property {string} id
 * @property {string} name such as "2 · The boat leaves"
 * @property {string} note length and start
 * @property {string} label what else screen readers say
 * @property {number} from frame at which it begins
 * @property {number} to frame at which it ends
 * @property {number} overlap frames shared with the card before it
 * @property {string} kind of its transition
 * @property {"done" | "making" | "waiting" | "failed" | "open" | "gone"} state
 * @property {number} progress percent
 * @property {boolean} locked
 * @property {(width: number) => any} picture
 */

/**
 * @param {{ cards: Card[], total: number, scale: number, marks: { frame: number, text: string }[], selected: string, frame: import("../vendor/libraries.js").Signal<number>, text: (frame: number) => string,
 *   onSelect: (id: string) => void, onSeek: (frame: number, ends: boolean) => void, onMove: (id: string, index: number) => void, onResize: (id: string, frames: number) => void,
 *   onKey: (event: KeyboardEvent, id: string) => boolean, onPreview: (preview: { id: string, index?: number, by?: number } | null) => void, onWidth: (width: number) => void, onJoint: (id: string) => void, under?: any }} properties
 *   scale: pixels of a frame; under: what lies under the cards; onPreview: what a drag would change, null when it is over; onResize: by so many frames
 */
export function Timeline({ cards, total, scale, marks, selected, frame, text, onSelect, onSeek, onMove, onResize, onKey, onPreview, onWidth, onJoint, under }) {
  const scroller = useRef(/** @type {HTMLDivElement | null} */ (null));
  const list = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [drag, setDrag] = useState(/** @type {{ id: string, x: number } | null} */ (null));
  // Whether a card has the focus, before the list changes: a card that is moved or gone loses it.
  const had = list.current?.contains(document.activeElement) ?? false;
  const order = cards.map((card) => card.id).join();
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return undefined;
    const watch = new ResizeObserver(() => onWidth(box.clientWidth));
    watch.observe(box);
    onWidth(box.clientWidth);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    const option = /** @type {HTMLElement | null} */ (list.current?.querySelector("[aria-selected=true]"));
    if (had) option?.focus({ preventScroll: true });
    if (option && scroller.current && !drag) reveal(scroller.current, option.offsetLeft, option.offsetWidth);
  }, [selected, order, scale]);

  /** @param {KeyboardEvent} event @param {number} index */
  const keyed = (event, index) => {
    if (onKey(event, cards[index].id)) return event.preventDefault();
    if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return undefined;
    const next = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: cards.length - 1 }[event.key];
    if (next === undefined) return undefined;
    event.preventDefault();
    if (cards[next]) onSelect(cards[next].id);
    return undefined;
  };

  /** @param {PointerEvent} event @param {number} index @param {"move" | "end"} what */
  const grab = (event, index, what) => {
    if (event.button !== 0) return;
    const card = cards[index];
    const box = scroller.current;
    // A finger scrolls; it moves cards by the buttons.
    if (!box || (what === "move" && event.pointerType === "touch")) return;
    event.stopPropagation();
    const target = /** @type {HTMLElement} */ (event.currentTarget);
    const from = event.clientX + box.scrollLeft;
    const centres = cards.map((other) => ((other.from + other.to) / 2) * scale);
    let moved = false;
    let result = /** @type {{ index?: number, by?: number } | null} */ (null);
    const follow = (/** @type {PointerEvent} */ next) => {
      if (next.clientX - box.getBoundingClientRect().left > box.clientWidth - EDGE_PIXELS) box.scrollLeft += 12;
      else if (next.clientX - box.getBoundingClientRect().left < EDGE_PIXELS) box.scrollLeft -= 12;
      const x = next.clientX + box.scrollLeft - from;
      if (!moved && Math.abs(x) < DRAG_PIXELS) return;
      if (!moved) target.setPointerCapture(next.pointerId);
      moved = true;
      if (what === "end") {
        result = { by: Math.round(x / scale) };
        onPreview({ id: card.id, ...result });
        return;
      }
      const others = centres.filter((_, k) => k !== index);
      result = { index: others.filter((centre) => centre < centres[index] + x).length };
      setDrag({ id: card.id, x: card.from * scale + x });
      onPreview({ id: card.id, ...result });
    };
    const end = (/** @type {Event | null} */ last) => {
      removeEventListener("pointermove", follow);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      removeEventListener("keydown", escape, true);
      setDrag(null);
      onPreview(null);
      if (last?.type !== "pointerup" || !moved || !result) return;
      if (result.by) onResize(card.id, result.by);
      else if (result.index !== undefined && result.index !== index) onMove(card.id, result.index);
    };
    const escape = (/** @type {KeyboardEvent} */ key) => {
      if (key.key !== "Escape") return;
      key.stopPropagation();
      end(null);
    };
    addEventListener("pointermove", follow);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
    addEventListener("keydown", escape, true);
  };

  /** @param {PointerEvent} event */
  const scrub = (event) => {
    if (event.button !== 0) return;
    const target = /** @type {HTMLElement} */ (event.currentTarget);
    const seek = (/** @type {PointerEvent} */ next, ends = false) => onSeek(Math.max(0, Math.min(total - 1, Math.floor((next.clientX - target.getBoundingClientRect().left) / scale))), ends);
    target.setPointerCapture(event.pointerId);
    seek(event);
    target.onpointermove = (next) => seek(next);
    target.onpointerup = target.onpointercancel = (next) => {
      target.onpointermove = target.onpointerup = target.onpointercancel = null;
      seek(next, true);
    };
  };
  /** @param {KeyboardEvent} event */
  const stepped = (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -total, End: total }[event.key];
    if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    onSeek(Math.max(0, Math.min(total - 1, frame.peek() + by * (event.shiftKey ? 10 : 1))), true);
  };

  const width = Math.max(1, total * scale);
  return html`<div class="timeline" dir="ltr" ref=${scroller}><div class="timeline-track" style=${{ width: `${width}px` }}>
    <div class="ruler" onPointerDown=${scrub}>
      ${marks.map((mark) => html`<span key=${mark.frame} style=${{ left: `${mark.frame * scale}px` }}>${mark.text}</span>`)}
      <${RulerThumb} frame=${frame} total=${total} scale=${scale} text=${text} onKeyDown=${stepped} />
    </div>
    <div class="cards" role="listbox" aria-orientation="horizontal" aria-label=${t("storyboard.shots")} ref=${list}>
      ${cards.map((card, index) => {
        const on = card.id === selected;
        const held = drag?.id === card.id;
        const size = Math.max(6, (card.to - card.from) * scale - GAP);
        return html`<div key=${card.id} role="option" id=${`shot-${card.id}`} aria-selected=${on} data-arrows tabindex=${on || (!cards.some((other) => other.id === selected) && index === 0) ? 0 : -1}
          class=${classes("shot", `is-${card.state}`, on && "on", held && "held")} style=${{ left: `${held ? drag?.x : card.from * scale}px`, width: `${size}px` }}
          onClick=${() => onSelect(card.id)} onKeyDown=${(/** @type {KeyboardEvent} */ event) => keyed(event, index)} onPointerDown=${(/** @type {PointerEvent} */ event) => grab(event, index, "move")}>
          <div class="shot-picture" aria-hidden="true">${card.picture(size)}${card.state === "making" && html`<i class="shot-progress" style=${{ width: `${card.progress}%` }}></i>`}</div>
          <div class="shot-words"><b dir="auto">${card.name}</b><span class="row between"><small>${card.note}</small><span class="visually-hidden">, ${card.label}</span>${card.locked && html`<${Icon} name="lock" />`}</span></div>
          <span class="shot-end" aria-hidden="true" onPointerDown=${(/** @type {PointerEvent} */ event) => { onSelect(card.id); grab(event, index, "end"); }} onClick=${(/** @type {Event} */ event) => event.stopPropagation()}></span>
        </div>`;
      })}
    </div>
    ${cards.slice(1).map((card) => html`<button type="button" key=${card.id} class=${classes("joint", `by-${card.kind}`)} tabindex="-1" aria-hidden="true" title=${t(`storyboard.transition.${card.kind}`)}
      style=${{ left: `${card.from * scale - GAP / 2}px`, "--overlap": `${card.overlap * scale}px` }} onClick=${() => onJoint(card.id)}><${Icon} name=${JOINTS[card.kind]} /></button>`)}
    ${under}
    <${Head} frame=${frame} scale=${scale} scroller=${scroller} />
  </div></div>`;
}

/** @type {Record<string, string>} */
const JOINTS = { cut: "cut", continue: "right", fade: "dissolve", blend: "remix" };

/** @param {HTMLElement} box @param {number} left @param {number} width */
function reveal(box, left, width) {
  if (left < box.scrollLeft) box.scrollLeft = left - EDGE_PIXELS;
  else if (left + width > box.scrollLeft + box.clientWidth) box.scrollLeft = Math.min(left, left + width - box.clientWidth + EDGE_PIXELS);
}

/** The playhead as a slider. @param {{ frame: import("../vendor/libraries.js").Signal<number>, total: number, scale: number, text: (frame: number) => string, onKeyDown: (event: KeyboardEvent) => void }} properties */
function RulerThumb({ frame, total, scale, text, onKeyDown }) {
  return html`<div class="ruler-thumb" role="slider" tabindex="0" aria-label=${t("storyboard.playhead")} aria-valuemin="0" aria-valuemax=${Math.max(0, total - 1)} aria-valuenow=${frame.value} aria-valuetext=${text(frame.value)}
    style=${{ left: `${(frame.value + 0.5) * scale}px` }} onKeyDown=${onKeyDown}></div>`;
}

/** Its line over the cards. @param {{ frame: import("../vendor/libraries.js").Signal<number>, scale: number, scroller: { current: HTMLDivElement | null } }} properties */
function Head({ frame, scale, scroller }) {
  const left = (frame.value + 0.5) * scale;
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box && (left < box.scrollLeft || left > box.scrollLeft + box.clientWidth)) box.scrollLeft = left - EDGE_PIXELS;
  }, [left]);
  return html`<i class="head" style=${{ left: `${left}px` }}></i>`;
}
