// The library: everything made, and kept.
import { get } from "../core/api.js";
import { listen } from "../core/events.js";
import { ago, bytes, clipTitle, modelName } from "../core/format.js";
import { useShortcuts } from "../core/keyboard.js";
import { afterFirstSight, changeEntry, EntryList, loadTags, tags, trashEntries } from "../core/library.js";
import { announce, notify, notifyError } from "../core/notices.js";
import { href, navigate } from "../core/router.js";
import { mayWrite } from "../core/session.js";
import { load, store } from "../core/storage.js";
import { t } from "../core/strings.js";
import { html, useEffect, useMemo, useRef, useState } from "../core/ui.js";
import { ClipFrame } from "../widgets/card.js";
import { Button, Empty } from "../widgets/controls.js";
import { Dialog } from "../widgets/dialog.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import { VirtualGrid } from "../widgets/virtual-grid.js";
import { Details } from "./library/details.js";
import { Filters, filtersOf, go, parameters } from "./library/filters.js";
import { addTo, removeFrom, SelectionBar } from "./library/selection.js";
import { DRAGGED, Side } from "./library/side.js";
import { Storage } from "./library/storage.js";

/** @typedef {import("../core/library.js").Entry} Entry */

/** Where each list was left, so that the way back leads to the same place. @type {{ key: string, list: EntryList, top: number, active: string } | null} */
let left = null;
const WIDE = matchMedia("(min-width: 1100px)");

/** @param {{ id: string, query: URLSearchParams }} properties */
export default function Page({ query }) {
  return query.get("view") === "storage" ? html`<${Storage} />` : html`<${Library} query=${query} />`;
}

/** @param {{ query: URLSearchParams }} properties */
function Library({ query }) {
  const filters = filtersOf(query);
  const key = JSON.stringify(filters);
  const before = left?.key === key ? left : null;
  const list = useMemo(() => before?.list ?? new EntryList(parameters(filters)), [key]);
  const [active, setActive] = useState(before?.active ?? "");
  const [chosen, setChosen] = useState(/** @type {Entry | null} */ (before ? before.list.find(before.active) ?? null : null));
  const [selected, setSelected] = useState(/** @type {Set<string>} */ (new Set()));
  const [side, setSide] = useState(load("library.side", innerWidth >= 1280));
  const [panel, setPanel] = useState(load("library.panel", true));
  const [sheet, setSheet] = useState(false);
  const [wide, setWide] = useState(WIDE.matches);
  const anchor = useRef(0);
  /** The ids of a selection while they are read. */
  const reading = useRef(/** @type {Promise<string[]> | null} */ (null));
  const seen = useRef(/** @type {[number, number]} */ ([0, 40]));
  const grid = useRef(/** @type {import("../widgets/virtual-grid.js").GridHandle | null} */ (null));
  const total = list.total.value;
  const version = list.version.value;
  const write = mayWrite();

  useEffect(() => {
    const resized = () => setWide(WIDE.matches);
    WIDE.addEventListener("change", resized);
    const end = afterFirstSight(() => loadTags().catch(notifyError));
    return () => {
      end();
      WIDE.removeEventListener("change", resized);
    };
  }, []);
  useEffect(() => {
    mark([]);
    if (before) {
      // After the frame has put a new page at its top.
      setTimeout(() => scrollTo({ top: before.top, behavior: "instant" }));
      list.refresh(...seen.current).catch(notifyError);
    } else if (scrollY > 0) scrollTo({ top: 0, behavior: "instant" });
    list.want(0, 60);
    let timer = 0;
    const end = listen((type) => {
      if (!["resync", "library.changed", "video.completed", "video.deleted"].includes(type)) return;
      // Several events in a row are one request; what is seen stays where it is.
      clearTimeout(timer);
      timer = window.setTimeout(() => refresh(list), 250);
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [list]);
  const place = useRef({ top: 0, active });
  place.current.active = active;
  useEffect(() => {
    const note = () => { if (location.hash.startsWith("#/library")) place.current.top = scrollY; };
    addEventListener("scroll", note, { passive: true });
    return () => removeEventListener("scroll", note);
  }, []);
  useEffect(() => () => { left = { key, list, top: place.current.top, active: place.current.active }; }, [key, list]);
  useEffect(() => { store("library.side", side); }, [side]);
  useEffect(() => { store("library.panel", panel); }, [panel]);
  useEffect(() => { if (total >= 0) announce(t("library.count", { count: total })); }, [total]);
  const current = list.find(active) ?? (chosen?.id === active ? chosen : null);

  /** The list equals the API again, and the first seen clip keeps its place. @param {EntryList} which */
  const refresh = async (which) => {
    const [first, last] = grid.current?.window() ?? seen.current;
    const known = scrollY > 240 ? which.at(first + 2)?.id : undefined;
    try {
      await which.refresh(first, last);
      const now = known ? which.indexOf(known) : -1;
      if (now >= 0 && now !== first + 2) grid.current?.reveal(now);
      loadTags().catch(() => {});
    } catch (error) {
      notifyError(error);
    }
  };
  const back = () => refresh(list);
  /** @param {string} id @param {number} index */
  const choose = (id, index) => {
    setActive(id);
    setChosen(list.at(index) ?? null);
  };
  /** @param {Iterable<string>} ids */
  const mark = (ids) => {
    reading.current = null;
    setSelected(new Set(ids));
  };
  /** @param {number} first @param {number} last */
  const markBetween = async (first, last) => {
    const ids = list.ids(first, last);
    reading.current = ids;
    try {
      const names = await ids;
      if (reading.current === ids) mark(names);
    } catch (error) {
      if (reading.current === ids) reading.current = null;
      notifyError(error);
    }
  };
  /** @param {number} index @param {"one" | "toggle" | "range"} kind */
  const select = (index, kind) => {
    const entry = list.at(index);
    if (kind === "one") {
      anchor.current = index;
      mark([]);
      if (!WIDE.matches) setSheet(true);
      return;
    }
    if (kind === "range") return void markBetween(Math.min(anchor.current, index), Math.max(anchor.current, index));
    if (!entry) return;
    anchor.current = index;
    const next = new Set(selected);
    if (!next.delete(entry.id)) next.add(entry.id);
    mark(next);
    announce(t("library.selected", { count: next.size }));
  };
  const selectAll = () => markBetween(0, Math.max(0, total - 1));
  /** @param {string[]} ids */
  const trash = (ids) => {
    if (!ids.length) return;
    const index = Math.max(0, list.indexOf(ids[0]));
    const focused = document.activeElement?.closest(".virtual-grid");
    mark([]);
    setSheet(false);
    trashEntries(list, ids, back);
    setActive("");
    if (focused) setTimeout(() => grid.current?.reveal(Math.min(index, list.total.peek() - 1), true));
  };
  const targets = () => (selected.size ? [...selected] : active ? [active] : []);
  const group = t("library.title");
  /** @param {(entry: Entry) => void} run */
  const withCurrent = (run) => current && run(current);
  useShortcuts([
    { keys: "mod+a", label: t("library.selectEvery"), group, run: selectAll },
    { keys: "escape", label: t("library.unselect"), group, run: () => mark([]) },
    ...(write ? [
      { keys: "s", label: t("library.star"), group, run: () => withCurrent((entry) => changeEntry(list, entry, { favourite: !entry.favourite })) },
      { keys: "delete", label: t("action.delete"), group, run: async () => trash((await reading.current?.catch(() => [])) ?? targets()) },
    ] : []),
  ]);
  /** @param {DragEvent} event @param {number} index */
  const drag = (event, index) => {
    const entry = list.at(index);
    if (!entry || !event.dataTransfer) return;
    const ids = selected.has(entry.id) ? [...selected] : [entry.id];
    event.dataTransfer.effectAllowed = "copy";
    event.dataTransfer.setData(DRAGGED, ids.join(","));
    dragged.current = ids;
  };
  const dragged = useRef(/** @type {string[]} */ ([]));
  const takeDragged = () => {
    const ids = dragged.current.length ? dragged.current : targets();
    dragged.current = [];
    if (!ids.length) notify(t("collections.chooseFirst"));
    return ids;
  };
  /** @param {DragEvent} event */
  const dropFiles = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (event.type === "drop") notify(t("library.dropOnCreate"), { action: { label: t("goto", { page: t("nav.create") }), run: () => navigate("create") } });
  };
  /** @param {string} id @param {boolean} inside */
  const collect = (id, inside) => (inside ? addTo : removeFrom)(list, [active], id);
  const details = current && html`<${Details} entry=${current} onStar=${() => changeEntry(list, current, { favourite: !current.favourite })} onDelete=${() => trash([current.id])} onCollection=${collect} />`;
  const filtered = Object.keys(filters).some((name) => name !== "order");

  return html`<${PageHead} title=${t("library.title")}>
      <${Button} kind="quiet toggle" icon="folder" pressed=${side} label=${t("collections.title")} onClick=${() => setSide(!side)} />
      ${wide && html`<${Button} kind="quiet toggle" icon="side" pressed=${panel} label=${t("library.panel")} onClick=${() => setPanel(!panel)} />`}
      <a class="button quiet" href=${href("library", "", { view: "storage" })}><${Icon} name="storage" />${t("storage.title")}</a><//>
    <div class=${`library ${side ? "with-side" : ""} ${wide && panel ? "with-panel" : ""}`} onDragOver=${dropFiles} onDrop=${dropFiles}>
      ${side && html`<${Side} filters=${filters} onDropped=${(/** @type {string} */ id) => { const ids = takeDragged(); if (ids.length) addTo(list, ids, id); }}
        onLeave=${(/** @type {string} */ id) => { const ids = takeDragged(); if (ids.length) removeFrom(list, ids, id).then(back); }} />`}
      <section class="library-main" aria-label=${t("library.clips")} onDragEnd=${() => { dragged.current = []; }}>
        <${Filters} filters=${filters} total=${total} />
        ${filters.parent && html`<p class="small">${t("library.madeFrom")} <a href=${href("clip", filters.parent)}>${t("library.thisClip")}</a></p>`}
        ${list.error.value && html`<p class="error row">${list.error.value.message}<${Button} onClick=${() => list.want(...seen.current)}>${t("action.retry")}<//></p>`}
        ${total < 0 && !list.error.value && html`<div class="library-skeleton" aria-busy="true">${Array.from({ length: 9 }, (_, index) => html`<div key=${index}><div class="picture"><span class="blank"></span></div></div>`)}</div>`}
        ${total === 0 && (filtered ? html`<${Empty} icon="search" title=${t("library.noneFound")}><${Button} onClick=${() => go({}, {})}>${t("library.clear")}<//><//>`
          : html`<${Empty} icon="library" title=${t("library.empty")}><p>${t("library.emptyWhy")}</p><a class="button primary" href=${href("create")}>${t("library.first")}</a><//>`)}
        <${VirtualGrid} key=${key} label=${t("library.clips")} total=${Math.max(0, total)} version=${version} item=${(/** @type {number} */ index) => list.at(index)} name=${cardName} minimum=${wide ? 212 : innerWidth < 560 ? 150 : 200} gap=${16}
          rowHeight=${(/** @type {number} */ width) => (width * 9) / 16 + 52} active=${active} onActive=${choose} selected=${selected} onSelect=${select} onOpen=${(/** @type {number} */ index) => { const entry = list.at(index); if (entry) navigate("clip", entry.id); }}
          onWindow=${(/** @type {number} */ first, /** @type {number} */ last) => { seen.current = [Math.max(0, first), last]; list.want(first, last); }} onDrag=${write ? drag : undefined} handle=${(/** @type {any} */ handle) => { grid.current = handle; }}
          render=${(/** @type {Entry | undefined} */ entry, /** @type {number} */ index, /** @type {boolean} */ still) => html`<${Card} entry=${entry} still=${still} selected=${Boolean(entry && selected.has(entry.id))} onToggle=${() => select(index, "toggle")}
            onStar=${write ? () => entry && changeEntry(list, entry, { favourite: !entry.favourite }) : undefined} />`} />
        ${selected.size > 0 && html`<${SelectionBar} list=${list} selected=${selected} total=${total} onClear=${() => mark([])} onAll=${selectAll} onDelete=${() => trash([...selected])} />`}
      </section>
      ${wide && panel && html`<aside class="sheet panel library-panel" aria-label=${t("library.panel")} key=${current?.id ?? "none"}>${details ?? html`<${Summary} />`}</aside>`}
    </div>
    ${!wide && sheet && current && html`<${Dialog} title=${clipTitle(current)} onClose=${() => setSheet(false)} plain>${details}<${Button} kind="sheet-close" icon="close" onClick=${() => setSheet(false)}>${t("action.close")}<//><//>`}`;
}

/** @param {Entry} entry */
const cardName = (entry) => [clipTitle(entry), entry.favourite && t("library.starred"), entry.operation !== "generate" && t(`operation.${entry.operation}`), t("library.seconds", { seconds: Math.round(Number(entry.seconds) * 10) / 10 })].filter(Boolean).join(", ");

/** @param {{ entry: Entry | undefined, still: boolean, selected: boolean, onToggle: () => void, onStar?: () => void }} properties */
function Card({ entry, still, selected, onToggle, onStar }) {
  if (!entry || !still) return html`<div class="picture wide"><span class="blank"></span></div><div class="card-words"><b class="clip-title">${entry ? clipTitle(entry) : "\u00a0"}</b></div>`;
  /** A press on a part of the card is none on the card. @param {() => void} run */
  const only = (run) => (/** @type {Event} */ event) => { event.stopPropagation(); run(); };
  return html`<${ClipFrame} video=${entry} lazy=${false} badge=${entry.operation === "generate" ? undefined : t(`operation.${entry.operation}`)} />
    <input type="checkbox" class="card-pick" tabindex="-1" aria-label=${t("library.pick")} checked=${selected} onClick=${only(onToggle)} />
    <div class="card-words"><b class="clip-title">${clipTitle(entry)}</b><small>${[modelName(entry), ago(entry.created_at)].join(" · ")}</small>
      ${onStar ? html`<button type="button" tabindex="-1" class="bare card-star" aria-hidden="true" title=${t(entry.favourite ? "library.unstar" : "library.star")} data-on=${entry.favourite} onClick=${only(onStar)} onDblClick=${only(() => {})}><${Icon} name="star" filled=${entry.favourite} /></button>`
        : entry.favourite && html`<${Icon} name="star" filled />`}${entry.favourite && html`<span class="visually-hidden">${t("library.starred")}</span>`}</div>`;
}

/** What stands in the panel while no clip is chosen. */
function Summary() {
  const [usage, setUsage] = useState(/** @type {any} */ (null));
  useEffect(() => afterFirstSight(() => get("library/usage").then(setUsage, () => {})), []);
  return html`<div class="stack summary"><h2>${t("library.glance")}</h2>
    ${usage && html`<p><b class="figure">${usage.clips.toLocaleString()}</b> ${t("library.glanceClips", { count: usage.clips })}<br /><b class="figure">${bytes(usage.bytes)}</b> ${usage.limit_bytes ? t("storage.of", { limit: bytes(usage.limit_bytes) }) : t("library.glanceBytes")}</p>`}
    ${tags.value.length > 0 && html`<h3>${t("library.tags")}</h3><div class="row wrap">${[...tags.value].sort((one, two) => two.clips - one.clips).slice(0, 16).map(({ tag, clips }) => html`<a key=${tag} class="chip open" href=${href("library", "", { tag })}>${tag}<small>${clips}</small></a>`)}</div>`}
    <h3>${t("library.keys")}</h3><dl class="key-list">${[["←↑↓→", "keysMove"], ["Space", "keysSelect"], ["Shift ↓", "keysRange"], ["Enter", "keysOpen"], ["S", "keysStar"], ["/", "keysSearch"]].map(([keys, label]) => html`<div key=${keys}><dt><kbd>${keys}</kbd></dt><dd>${t(`library.${label}`)}</dd></div>`)}</dl></div>`;
}
