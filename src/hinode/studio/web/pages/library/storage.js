// What takes space: kinds of files, the limit, the largest clips, and the trash.
import { get, mediaAddress, post } from "../../core/api.js";
import { restoreEntries } from "../../core/library.js";
import { ago, bytes, clipTitle, clock, duration } from "../../core/format.js";
import { notify, notifyError } from "../../core/notices.js";
import { href } from "../../core/router.js";
import { mayWrite } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { PageHead } from "../../widgets/frame.js";
import { Icon } from "../../widgets/icons.js";

const TRASH_SECONDS = 86400;

/** @typedef {import("../../core/library.js").Entry} Entry */

export function Storage() {
  const [usage, setUsage] = useState(/** @type {any} */ (null));
  const [trash, setTrash] = useState(/** @type {{ data: Entry[], total: number } | null} */ (null));
  const [older, setOlder] = useState(/** @type {Entry[]} */ ([]));
  const load = () => Promise.all([get("library/usage").then(setUsage), get("library/trash", { query: { limit: 100 } }).then((page) => { setTrash(page); setOlder([]); })]).catch(notifyError);
  useEffect(() => { load(); }, []);
  const remove = async (/** @type {Entry} */ entry) => {
    try {
      await post("library/trash", { ids: [entry.id] });
      notify(t("library.trashed", { count: 1 }), { action: { label: t("action.undo"), run: () => restoreEntries([entry.id]).then(load) } });
    } catch (error) {
      notifyError(error);
    }
    load();
  };
  const restore = (/** @type {string[]} */ ids) => restoreEntries(ids).then(load);
  const more = () => get("library/trash", { query: { limit: 100, after: [...trashed].pop()?.id } }).then((page) => setOlder([...older, ...page.data]), notifyError);
  const trashed = [...(trash?.data ?? []), ...older];
  const write = mayWrite();
  return html`<${PageHead} title=${t("storage.title")}><a class="button quiet" href=${href("library")}><${Icon} name="left" />${t("storage.back")}</a><//>
    <div class="storage">
      ${usage ? html`<${Meter} usage=${usage} />` : html`<p class="loading" aria-busy="true">${t("app.loading")}</p>`}
      <section class="sheet panel stack"><h2>${t("storage.largest")}</h2>
        ${usage && !usage.largest.length && html`<p class="small">${t("storage.nothing")}</p>`}
        <ul class="storage-list">${usage?.largest.map((/** @type {Entry} */ entry) => html`<li key=${entry.id}><${Row} entry=${entry} note=${`${entry.size.replace("x", " × ")} · ${clock(Number(entry.seconds))} · ${ago(entry.created_at)}`} />
          <b>${bytes(entry.bytes)}</b>${write && html`<${Button} kind="quiet danger" icon="trash" label=${t("storage.remove", { title: clipTitle(entry) })} onClick=${() => remove(entry)} />`}</li>`)}</ul></section>
      <section class="sheet panel stack"><div class="row between"><h2>${t("storage.trash")}</h2>${write && trashed.length > 1 && html`<${Button} icon="undo" onClick=${() => restore(trashed.map((entry) => entry.id))}>${t("storage.restoreAll")}<//>`}</div>
        <p class="small">${t(trashed.length ? "storage.trashWhy" : "storage.trashEmpty")}${usage?.trash_bytes > 0 && ` ${t("storage.trashBytes", { bytes: bytes(usage.trash_bytes) })}`}</p>
        <ul class="storage-list">${trashed.map((entry) => html`<li key=${entry.id}><${Row} entry=${entry} note=${t("storage.left", { time: duration(Math.max(60, (entry.trashed_at ?? 0) + TRASH_SECONDS - Date.now() / 1000)) })} trash />
          <b>${bytes(entry.bytes)}</b>${write && html`<${Button} kind="quiet" icon="undo" aria-label=${t("storage.restoreOne", { title: clipTitle(entry) })} onClick=${() => restore([entry.id])}>${t("storage.restore")}<//>`}</li>`)}</ul>
        ${trash && trashed.length < trash.total && html`<${Button} onClick=${more}>${t("storage.more")}<//>`}</section>
    </div>`;
}

/** @param {{ entry: Entry, note: string, trash?: boolean }} properties */
function Row({ entry, note, trash }) {
  const words = html`<img src=${mediaAddress(entry.id, "thumbnail")} alt="" loading="lazy" /><span class="words"><span class="clip-title">${clipTitle(entry)}</span><small>${note}</small></span>`;
  return trash ? html`<span class="storage-clip">${words}</span>` : html`<a class="storage-clip" href=${href("clip", entry.id)}>${words}</a>`;
}

/** @param {{ usage: any }} properties */
export function Meter({ usage }) {
  const whole = Math.max(usage.limit_bytes ?? 0, usage.bytes, 1);
  const share = usage.limit_bytes ? usage.bytes / usage.limit_bytes : 0;
  const kinds = usage.by_kind.filter((/** @type {any} */ kind) => kind.bytes > 0);
  return html`<section class="sheet panel stack meter" aria-label=${t("storage.used")}>
    <p class="meter-figure"><b>${bytes(usage.bytes)}</b> <span>${usage.limit_bytes ? t("storage.of", { limit: bytes(usage.limit_bytes) }) : t("storage.noLimit")}</span></p>
    <div class="meter-bar" aria-hidden="true">${kinds.map((/** @type {any} */ kind) => html`<i key=${kind.kind} class=${`kind-${kind.kind}`} style=${{ width: `${(kind.bytes / whole) * 100}%` }}></i>`)}</div>
    <ul class="meter-kinds">${kinds.map((/** @type {any} */ kind) => html`<li key=${kind.kind}><i class=${`kind-${kind.kind}`}></i><span>${t(`storage.kind.${kind.kind}`)}</span><small>${t("storage.files", { count: kind.files })}</small><b>${bytes(kind.bytes)}</b></li>`)}</ul>
    ${share > 0.9 && html`<p class="chip swap"><${Icon} name="warning" />${t("storage.near")}</p>`}
  </section>`;
}
