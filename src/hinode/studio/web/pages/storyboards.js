// Storyboards: the films of the project, a new one, and those of other programs.
import { get, mediaAddress, post, remove } from "../core/api.js";
import { ago, duration } from "../core/format.js";
import { useShortcuts } from "../core/keyboard.js";
import { notify, notifyError } from "../core/notices.js";
import { href, navigate } from "../core/router.js";
import { t } from "../core/strings.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button, Empty } from "../widgets/controls.js";
import { Dialog } from "../widgets/dialog.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import { Menu } from "../widgets/menu.js";
import { newShot } from "./storyboard/document.js";
import { rateLabel, rateOf, secondsOf } from "./storyboard/time.js";

/** @typedef {{ id: string, title: string, updated_at: number, fps: string, size: string, shots: number, frames: number, cover_video_id: string | null, video_ids?: string[] }} Entry */

const COUNT = 60;
const STILLS = 3;

export default function Page() {
  const [entries, setEntries] = useState(/** @type {Entry[] | null} */ (null));
  const [more, setMore] = useState("");
  const [words, setWords] = useState("");
  const [busy, setBusy] = useState(false);
  const [imported, setImported] = useState(/** @type {{ id: string, title: string, notes: string[] } | null} */ (null));
  const [over, setOver] = useState(false);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const load = async (after = "") => {
    try {
      const page = await get("storyboards", { query: { limit: COUNT, after } });
      setEntries((before) => (after ? [...(before ?? []), ...page.data] : page.data));
      setMore(page.has_more ? page.last_id : "");
    } catch (error) {
      notifyError(error);
      setEntries((before) => before ?? []);
    }
  };
  useEffect(() => { load(); }, []);
  /** @param {() => Promise<void>} work */
  const attempt = async (work) => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      notifyError(error);
    } finally {
      setBusy(false);
    }
  };
  const create = () => attempt(async () => {
    const document = { fps: "24", size: "640x360", profile: "draft" };
    const board = await post("storyboards", { title: t("storyboard.untitled"), document: { ...document, shots: [newShot(/** @type {any} */ (document))] } });
    navigate("storyboard", board.id);
  });
  /** @param {File} file */
  const take = (file) => attempt(async () => {
    const form = new FormData();
    form.append("file", file, file.name);
    const board = await post("storyboards/import", {}, { form });
    if (board.notes.length) {
      setImported(board);
      load();
    } else {
      notify(t("storyboards.imported", { title: board.title }));
      navigate("storyboard", board.id);
    }
  });
  /** @param {Entry} entry */
  const duplicate = (entry) => attempt(async () => {
    const board = await get(`storyboards/${encodeURIComponent(entry.id)}`);
    await post("storyboards", { title: t("storyboards.copy", { title: board.title }).slice(0, 200), document: board.document });
    await load();
  });
  /** @param {Entry} entry */
  const restore = (entry) => attempt(async () => {
    await post(`storyboards/${encodeURIComponent(entry.id)}/restore`);
    notify(t("storyboards.restored", { title: entry.title }));
    await load();
  });
  /** @param {Entry} entry */
  const drop = (entry) => attempt(async () => {
    await remove(`storyboards/${encodeURIComponent(entry.id)}`);
    notify(t("storyboards.deleted", { title: entry.title }), { action: { label: t("action.undo"), run: () => restore(entry) } });
    await load();
  });
  useShortcuts([{ keys: "n", label: t("storyboards.new"), group: t("storyboards.title"), run: create }]);
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = (entries ?? []).filter((entry) => parts.every((part) => entry.title.toLowerCase().includes(part)));
  /** @param {DragEvent} event */
  const hasFile = (event) => event.dataTransfer?.types.includes("Files");
  return html`<${PageHead} title=${t("storyboards.title")}>
      <${Button} kind="primary head-button" icon="plus" disabled=${busy} onClick=${create}>${t("storyboards.new")}<//>
      <${Button} icon="up" disabled=${busy} onClick=${() => input.current?.click()}>${t(busy ? "storyboards.importing" : "storyboards.import")}<//>
      <input ref=${input} type="file" hidden accept=".yaml,.yml,.json,.otio,application/json,application/yaml" onChange=${(/** @type {any} */ event) => { const [file] = event.currentTarget.files; event.currentTarget.value = ""; if (file) take(file); }} />
    <//>
    <div onDragOver=${(/** @type {DragEvent} */ event) => { if (hasFile(event)) { event.preventDefault(); setOver(true); } }} onDragLeave=${(/** @type {DragEvent} */ event) => { if (!(event.relatedTarget instanceof Node) || !(/** @type {Node} */ (event.currentTarget).contains(event.relatedTarget))) setOver(false); }}
      onDrop=${(/** @type {DragEvent} */ event) => { event.preventDefault(); setOver(false); const file = event.dataTransfer?.files[0]; if (file) take(file); }} class="stack boards-page">
      ${(entries?.length ?? 0) > 8 && html`<input type="search" class="boards-search" aria-label=${t("storyboards.search")} placeholder=${t("storyboards.search")} value=${words} onInput=${(/** @type {any} */ event) => setWords(event.currentTarget.value)} />`}
      ${entries?.length === 0 && html`<${Empty} icon="board" title=${t("storyboards.empty")}><p class="measure">${t("storyboards.empty.text")}</p><//>`}
      ${entries && entries.length > 0 && !shown.length && html`<p role="status">${t("storyboards.nothing")}</p>`}
      <ul class="boards" aria-label=${t("storyboards.title")} aria-busy=${!entries}>
        ${entries ? shown.map((entry) => html`<${BoardCard} key=${entry.id} entry=${entry} onDuplicate=${() => duplicate(entry)} onDelete=${() => drop(entry)} />`) : Array.from({ length: 3 }, (_, index) => html`<li key=${index}><div class="picture in_progress board-cover"><span class="blank"></span></div></li>`)}
      </ul>
      ${more && html`<div><${Button} onClick=${() => load(more)}>${t("storyboards.more")}<//></div>`}
      ${over && html`<div class="drop" aria-hidden="true"><p class="sheet"><${Icon} name="up" />${t("storyboards.drop")}</p></div>`}
    </div>
    ${imported && html`<${Dialog} title=${t("storyboards.imported.title")} onClose=${() => setImported(null)}>
      <p>${t("storyboards.imported", { title: imported.title })}</p><ul class="notes-list">${imported.notes.map((note) => html`<li key=${note}>${note}</li>`)}</ul>
      <${Button} kind="primary" onClick=${() => navigate("storyboard", imported.id)}>${t("storyboards.imported.open")}<//><//>`}`;
}

/** @param {{ entry: Entry, onDuplicate: () => void, onDelete: () => void }} properties */
function BoardCard({ entry, onDuplicate, onDelete }) {
  const stills = (entry.video_ids ?? [entry.cover_video_id]).filter((id) => id !== null).slice(0, STILLS);
  const time = duration(secondsOf(entry.frames, rateOf(entry.fps)));
  return html`<li><a class="board-card" href=${href("storyboard", entry.id)}>
      ${stills.length ? html`<span class=${stills.length >= STILLS ? "board-cover four" : "board-cover"}>${stills.map((id) => html`<img key=${id} src=${mediaAddress(id, "thumbnail")} alt="" loading="lazy" />`)}</span>` : html`<span class="board-cover blank-cover"><${Icon} name="board" /></span>`}
      <span class="board-card-words"><b dir="auto">${entry.title}</b><small>${t("storyboards.shots", { count: entry.shots })} · ${time} · ${entry.size.replace("x", " × ")} · ${t("storyboard.fps", { fps: rateLabel(entry.fps) })}</small><small>${t("storyboards.changed", { time: ago(entry.updated_at) })}</small></span>
    </a>
    <${Menu} kind="quiet" icon="more" label=${t("storyboards.actions", { title: entry.title })} items=${[{ label: t("storyboards.duplicate"), icon: "plus", run: onDuplicate }, { label: t("action.delete"), icon: "trash", danger: true, run: onDelete }]} />
  </li>`;
}
