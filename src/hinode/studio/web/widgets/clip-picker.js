// A dialog to choose a finished clip of the library.
import { get } from "../core/api.js";
import { ago, clipTitle, clock } from "../core/format.js";
import { notifyError } from "../core/notices.js";
import { t } from "../core/strings.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { ClipFrame } from "./card.js";
import { Button, Empty } from "./controls.js";
import { Dialog } from "./dialog.js";

const COUNT = 48;

/**
 * @param {{ title?: string, onPick: (video: import("../core/videos.js").Video) => void, onClose: () => void, except?: string[] }} properties
 *   except: ids that cannot be chosen
 */
export function ClipPicker({ title = t("picker.title"), onPick, onClose, except = [] }) {
  const [words, setWords] = useState("");
  const [clips, setClips] = useState(/** @type {import("../core/videos.js").Video[] | null} */ (null));
  const [after, setAfter] = useState("");
  const [next, setNext] = useState("");
  const [current, setCurrent] = useState(0);
  const grid = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => {
    const controller = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const page = await get("library", { query: { q: words.trim(), limit: COUNT, after, status: "completed" }, signal: controller.signal });
        setClips((before) => (after ? [...(before ?? []), ...page.data] : page.data));
        setNext(page.has_more ? page.last_id : "");
      } catch (error) {
        if (controller.signal.aborted) return;
        setClips([]);
        notifyError(error);
      }
    }, words ? 180 : 0);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [words, after]);
  const shown = (clips ?? []).filter((clip) => !except.includes(clip.id));
  const index = Math.min(current, shown.length - 1);
  /** @param {number} to */
  const focus = (to) => {
    const place = Math.max(0, Math.min(shown.length - 1, to));
    setCurrent(place);
    /** @type {HTMLElement | undefined} */ (grid.current?.querySelectorAll("button")[place])?.focus();
  };
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    const columns = grid.current ? getComputedStyle(grid.current).gridTemplateColumns.split(" ").length : 1;
    const side = document.dir === "rtl" ? -1 : 1;
    const by = { ArrowRight: side, ArrowLeft: -side, ArrowDown: columns, ArrowUp: -columns, Home: -shown.length, End: shown.length }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    focus(index + by);
  };
  return html`<${Dialog} title=${title} onClose=${onClose} kind="large picker">
    <input type="search" autofocus aria-label=${t("picker.search")} placeholder=${t("picker.search")} value=${words}
      onInput=${(/** @type {any} */ event) => { setWords(event.currentTarget.value); setAfter(""); setCurrent(0); }}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "ArrowDown") { event.preventDefault(); focus(0); } }} />
    <p class="visually-hidden" role="status">${clips ? t("picker.count", { count: shown.length }) : t("app.loading")}</p>
    ${clips && !shown.length && html`<${Empty} icon="library" title=${t(words ? "picker.nothing" : "picker.none")} />`}
    <div class="picker-grid" ref=${grid} onKeyDown=${move}>
      ${(clips ? shown : Array(8).fill(null)).map((clip, at) => clip
        ? html`<button type="button" key=${clip.id} tabindex=${at === index ? 0 : -1} onFocus=${() => setCurrent(at)} onClick=${() => { onPick(clip); onClose(); }}>
            <${ClipFrame} video=${clip} /><b class="clip-title">${clipTitle(clip)}</b><small>${clip.size.replace("x", " × ")} · ${clock(Number(clip.seconds))} · ${ago(clip.created_at)}</small></button>`
        : html`<div key=${at} class="picture"><span class="blank"></span></div>`)}
    </div>
    ${next && html`<${Button} onClick=${() => setAfter(next)}>${t("picker.more")}<//>`}
  <//>`;
}
