// A grid of which only the seen rows are in the document. The page scrolls; the focus is an item's id.
import { announce } from "../core/notices.js";
import { isComposing } from "../core/keyboard.js";
import { t } from "../core/strings.js";
import { classes, html, useLayoutEffect, useRef, useState } from "../core/ui.js";

const OVERSCAN = 2;

/**
 * @typedef {object} GridHandle
 * @property {(index: number, focus?: boolean) => void} reveal
 * @property {() => [number, number]} window first and last index that is in the document
 */

/**
 * @param {{
 *   label: string, total: number, item: (index: number) => { id: string } | undefined, name: (item: any) => string,
 *   render: (item: any, index: number, still: boolean) => any, rowHeight: (width: number) => number, minimum: number, gap: number,
 *   active: string, onActive: (id: string, index: number) => void, selected: Set<string>,
 *   onSelect: (index: number, kind: "one" | "toggle" | "range") => void, onOpen: (index: number) => void,
 *   onWindow: (first: number, last: number) => void, onDrag?: (event: DragEvent, index: number) => void, handle?: (handle: GridHandle) => void,
 *   onKey?: (event: KeyboardEvent, index: number) => void, version: number }} properties
 *   minimum: width of a cell, px; version: changes when items do
 */
export function VirtualGrid(properties) {
  const { label, total, item, name, render, rowHeight, minimum, gap, active, onActive, selected, onSelect, onOpen, onWindow, onDrag, handle, onKey } = properties;
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [width, setWidth] = useState(0);
  const [rows, setRows] = useState(/** @type {[number, number]} */ ([0, 0]));
  const [fast, setFast] = useState(false);
  const columns = Math.max(1, Math.floor((width + gap) / (minimum + gap)));
  const cell = Math.floor((width - gap * (columns - 1)) / columns);
  const step = width ? Math.round(rowHeight(cell)) + gap : 1;
  const count = Math.ceil(total / columns);
  /** Index of the active item while it is in memory. */
  const known = useRef(0);
  const wanted = useRef(/** @type {number | null} */ (null));

  useLayoutEffect(() => {
    const element = root.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    if (!width) return undefined;
    let frame = 0;
    let last = scrollY;
    /** @type {any} */
    let timer = 0;
    const look = () => {
      frame = 0;
      const element = root.current;
      if (!element) return;
      const top = -element.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(top / step) - OVERSCAN);
      const end = Math.min(count, Math.ceil((top + innerHeight) / step) + OVERSCAN);
      setRows((before) => (before[0] === first && before[1] === end ? before : [first, Math.max(first, end)]));
      // While the scrollbar is dragged through thousands of rows nothing is read; where it rests is.
      const far = Math.abs(scrollY - last) > innerHeight * 1.5;
      last = scrollY;
      clearTimeout(timer);
      if (far) setFast(true);
      timer = setTimeout(() => { setFast(false); onWindow((first - 6) * columns, (end + 12) * columns); }, far ? 110 : 40);
    };
    const onScroll = () => { frame ||= requestAnimationFrame(look); };
    look();
    addEventListener("scroll", onScroll, { passive: true });
    addEventListener("resize", onScroll);
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      removeEventListener("scroll", onScroll);
      removeEventListener("resize", onScroll);
    };
  }, [width, step, count, columns]);

  const [first, last] = [rows[0] * columns, Math.min(total, rows[1] * columns)];
  let activeIndex = -1;
  for (let index = first; index < last; index += 1) if (item(index)?.id === active) activeIndex = index;
  if (activeIndex >= 0) known.current = activeIndex;
  // The tab stop is the active item, or the first whole row that is seen when the active one is elsewhere.
  const stop = activeIndex >= 0 ? activeIndex : Math.min(Math.max(0, total - 1), first + (rows[0] > 0 ? OVERSCAN * columns : 0));

  /** Bring an item into view. @param {number} index @param {boolean} [focus] */
  const reveal = (index, focus = false) => {
    const element = root.current;
    if (!element || total <= 0) return;
    const at = Math.max(0, Math.min(total - 1, index));
    const top = element.getBoundingClientRect().top + scrollY + Math.floor(at / columns) * step;
    const above = 76;
    if (top < scrollY + above) scrollTo({ top: top - above, behavior: "instant" });
    else if (top + step > scrollY + innerHeight - 12) scrollTo({ top: top + step - innerHeight + 12, behavior: "instant" });
    if (!focus) return;
    wanted.current = at;
    settle();
  };
  /** Give the focus to the wanted item as soon as it is there. */
  const settle = () => {
    if (wanted.current === null) return;
    const element = /** @type {HTMLElement | null} */ (root.current?.querySelector(`[data-index="${wanted.current}"]`) ?? null);
    const entry = item(wanted.current);
    if (!element || !entry) return void root.current?.focus({ preventScroll: true });
    onActive(entry.id, wanted.current);
    announce(t("grid.position", { name: name(entry), index: wanted.current + 1, count: total }));
    element.focus({ preventScroll: true });
    wanted.current = null;
  };
  useLayoutEffect(() => {
    settle();
    // The focused row has left: the grid itself keeps the focus, and keys go on from the tab stop.
    const element = root.current;
    if (element && hadFocus.current && document.activeElement === document.body) element.focus({ preventScroll: true });
  });
  const hadFocus = useRef(false);
  useLayoutEffect(() => handle?.({ reveal, window: () => [first, Math.max(first, last - 1)] }));

  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (isComposing(event) || event.defaultPrevented) return;
    const target = event.target instanceof Element ? event.target.closest("[data-index]") : null;
    if (event.target instanceof HTMLInputElement) return;
    const at = target ? Number(target.getAttribute("data-index")) : stop;
    const rtl = document.dir === "rtl" ? -1 : 1;
    const screen = Math.max(1, Math.floor((innerHeight - 120) / step)) * columns;
    const mod = event.ctrlKey || event.metaKey;
    /** @type {Record<string, number>} */
    const places = {
      ArrowRight: at + rtl, ArrowLeft: at - rtl, ArrowDown: at + columns, ArrowUp: at - columns, PageDown: at + screen, PageUp: at - screen,
      Home: mod ? 0 : at - (at % columns), End: mod ? total - 1 : at - (at % columns) + columns - 1,
    };
    const place = places[event.key];
    if (place !== undefined && !event.altKey) {
      const next = Math.max(0, Math.min(total - 1, place));
      if (event.shiftKey) onSelect(next, "range");
      reveal(next, true);
    } else if (event.key === " ") onSelect(at, event.shiftKey ? "range" : "toggle");
    else if (event.key === "Enter" && !mod) onOpen(at);
    else return void onKey?.(event, at);
    event.preventDefault();
  };
  /** @param {MouseEvent} event @param {number} index */
  const choose = (event, index) => {
    const entry = item(index);
    if (!entry) return;
    onActive(entry.id, index);
    onSelect(index, event.shiftKey ? "range" : event.ctrlKey || event.metaKey ? "toggle" : "one");
  };
  const lines = [];
  for (let row = rows[0]; row < rows[1]; row += 1) {
    const cells = [];
    for (let column = 0; column < columns && row * columns + column < total; column += 1) {
      const index = row * columns + column;
      const entry = item(index);
      const chosen = Boolean(entry && selected.has(entry.id));
      cells.push(html`<div role="gridcell" key=${entry?.id ?? `blank-${index}`} data-index=${index} class=${classes("cell", chosen && "chosen", entry?.id === active && "active")} tabindex=${index === stop ? 0 : -1}
        aria-colindex=${column + 1} aria-selected=${chosen} aria-label=${entry ? undefined : t("app.loading")} aria-busy=${entry ? undefined : true} style=${{ width: `${cell}px` }} draggable=${Boolean(onDrag && entry)}
        onDragStart=${onDrag && ((/** @type {DragEvent} */ event) => onDrag(event, index))} onClick=${(/** @type {MouseEvent} */ event) => choose(event, index)} onDblClick=${() => entry && onOpen(index)}
        onFocus=${() => entry && entry.id !== active && wanted.current === null && onActive(entry.id, index)}>
        ${render(entry, index, !fast)}</div>`);
    }
    lines.push(html`<div role="row" key=${row} class="grid-row" aria-rowindex=${row + 1} style=${{ transform: `translateY(${row * step}px)`, height: `${step - gap}px`, gap: `${gap}px` }}>${cells}</div>`);
  }
  return html`<div class="virtual-grid" ref=${root} role="grid" aria-label=${label} aria-multiselectable="true" aria-rowcount=${count} aria-colcount=${columns} tabindex=${total > 0 ? -1 : undefined}
    style=${{ height: `${Math.max(0, count * step - gap)}px` }} onKeyDown=${onKeyDown} onFocusIn=${() => { hadFocus.current = true; }}
    onFocusOut=${(/** @type {FocusEvent} */ event) => { if (event.relatedTarget) hadFocus.current = false; }}>${lines}</div>`;
}
