// A list whose entries move: dragged by a handle, with the arrow keys on it, or by buttons that call `move`.
import { announce } from "../core/notices.js";
import { t } from "../core/strings.js";
import { useLayoutEffect, useRef, useState } from "../core/ui.js";

/** @typedef {{ id: string, from: number, to: number, by: number, height: number }} Drag */

/**
 * @param {{ ids: string[], move: (id: string, followers: string[]) => void, name: (id: string) => string }} properties
 *   `move` gets an entry and those that are to follow it; `name` is what screen readers say.
 */
export function useSortable({ ids: now, move, name }) {
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const [drag, setDrag] = useState(/** @type {Drag | null} */ (null));
  // What comes and goes while an entry is dragged is shown when it is dropped.
  const shown = useRef(now);
  if (!drag) shown.current = now;
  const ids = shown.current;
  const focus = useRef(/** @type {{ id: string, control: Element } | null} */ (null));
  const order = ids.join(" ");
  // Before the next key arrives.
  useLayoutEffect(() => {
    // Entries that change places in the document lose the focus, and so does a button that cannot be used any more.
    const { id, control } = focus.current ?? {};
    focus.current = null;
    if (!id) return;
    const usable = control instanceof HTMLElement && control.isConnected && !control.matches(":disabled");
    /** @type {HTMLElement | null | undefined} */ (usable ? control : list.current?.querySelector(`[data-handle="${CSS.escape(id)}"]`))?.focus();
  }, [order]);

  /** @param {string} id @param {number} to */
  const moveTo = (id, to) => {
    const index = Math.max(0, Math.min(ids.length - 1, to));
    if (index === ids.indexOf(id)) return;
    const control = document.activeElement;
    if (control && list.current?.children[ids.indexOf(id)]?.contains(control)) focus.current = { id, control };
    move(id, ids.filter((other) => other !== id).slice(index));
    announce(t("sortable.moved", { name: name(id), position: index + 1, count: ids.length }));
  };

  /** @param {string} id @param {PointerEvent} event */
  const begin = (id, event) => {
    if (event.button !== 0 || !list.current) return;
    const handle = /** @type {HTMLElement} */ (event.currentTarget);
    handle.setPointerCapture(event.pointerId);
    const boxes = [...list.current.children].map((element) => element.getBoundingClientRect());
    const from = ids.indexOf(id);
    const scrolled = scrollY;
    const start = event.clientY;
    const middle = (boxes[from].top + boxes[from].bottom) / 2;
    const gap = boxes.length > 1 ? boxes[1].top - boxes[0].bottom : 0;
    let to = from;
    /** @param {PointerEvent} change */
    const follow = (change) => {
      const by = change.clientY - start + scrollY - scrolled;
      const at = middle + by;
      to = boxes.filter((box, index) => index !== from && (box.top + box.bottom) / 2 < at).length;
      setDrag({ id, from, to, by, height: boxes[from].height + gap });
      const edge = change.clientY < 90 ? -12 : change.clientY > innerHeight - 60 ? 12 : 0;
      if (edge) scrollBy(0, edge);
    };
    /** @param {Event} [end] */
    const stop = (end) => {
      handle.removeEventListener("pointermove", follow);
      handle.removeEventListener("pointerup", stop);
      handle.removeEventListener("pointercancel", stop);
      removeEventListener("keydown", escape, true);
      setDrag(null);
      if (end?.type === "pointerup") moveTo(id, to);
    };
    /** @param {KeyboardEvent} key */
    const escape = (key) => {
      if (key.key !== "Escape") return;
      key.stopPropagation();
      stop();
    };
    handle.addEventListener("pointermove", follow);
    handle.addEventListener("pointerup", stop);
    handle.addEventListener("pointercancel", stop);
    addEventListener("keydown", escape, true);
  };

  /** @param {string} id @param {KeyboardEvent} event */
  const step = (id, event) => {
    const at = ids.indexOf(id);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: ids.length - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    moveTo(id, to);
  };

  return {
    list,
    drag,
    /** The entries as they are shown. */
    ids,
    moveTo,
    /** Properties of the handle of an entry. @param {string} id */
    handle: (id) => ({
      "data-handle": id,
      "data-arrows": true,
      onPointerDown: (/** @type {PointerEvent} */ event) => begin(id, event),
      onKeyDown: (/** @type {KeyboardEvent} */ event) => step(id, event),
    }),
    /** Where an entry is drawn while another one is dragged past it. @param {string} id @param {number} index */
    place: (id, index) => {
      if (!drag) return {};
      if (id === drag.id) return { transform: `translateY(${drag.by}px)` };
      const passed = index > drag.from && index <= drag.to ? -1 : index < drag.from && index >= drag.to ? 1 : 0;
      return passed ? { transform: `translateY(${passed * drag.height}px)` } : {};
    },
  };
}
