// Collections: a list beside the grid, onto which clips can be dragged.
import { afterFirstSight, collections, createCollection, deleteCollection, loadCollections, renameCollection } from "../../core/library.js";
import { isComposing } from "../../core/keyboard.js";
import { notifyError } from "../../core/notices.js";
import { href } from "../../core/router.js";
import { mayWrite } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { classes, html, useEffect, useId, useState } from "../../core/ui.js";
import { Button, Field } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { Icon } from "../../widgets/icons.js";
import { Menu } from "../../widgets/menu.js";

/** What a dragged clip is called between two parts of this page. */
export const DRAGGED = "application/x-hinode-clips";

/** @param {{ filters: Record<string, string>, onDropped: (collection: string) => void, onLeave: (collection: string) => void }} properties */
export function Side({ filters, onDropped, onLeave }) {
  const [over, setOver] = useState("");
  const [dialog, setDialog] = useState(/** @type {{ id: string, name: string } | null} */ (null));
  useEffect(() => afterFirstSight(() => loadCollections().catch(notifyError)), []);
  /** @param {string} collection */
  const address = (collection) => {
    const { collection: _, ...rest } = filters;
    return href("library", "", collection ? { ...rest, collection } : rest);
  };
  /** @param {DragEvent} event */
  const carries = (event) => event.dataTransfer?.types.includes(DRAGGED) ?? false;
  return html`<aside class="library-side" aria-label=${t("collections.title")}>
    <div class="row between"><h2>${t("collections.title")}</h2>${mayWrite() && html`<${Button} kind="quiet" icon="plus" label=${t("collections.new")} onClick=${() => setDialog({ id: "", name: "" })} />`}</div>
    <ul>
      <li class=${filters.collection ? "" : "current"}><a href=${address("")} aria-current=${filters.collection ? undefined : "true"}><${Icon} name="library" /><span>${t("collections.all")}</span></a></li>
      ${collections.value.map(({ id, name, clips }) => html`<li key=${id} class=${classes(filters.collection === id && "current", over === id && "over")}
        onDragOver=${(/** @type {DragEvent} */ event) => { if (carries(event)) { event.preventDefault(); setOver(id); } }} onDragLeave=${() => setOver("")}
        onDrop=${(/** @type {DragEvent} */ event) => { if (!carries(event)) return; event.preventDefault(); event.stopPropagation(); setOver(""); onDropped(id); }}>
        <a href=${address(id)} aria-current=${filters.collection === id ? "true" : undefined} title=${name}><${Icon} name="folder" /><span>${name}</span><small>${clips}</small></a>
        ${mayWrite() && html`<${Menu} kind="quiet" icon="more" label=${t("collections.menu", { name })} items=${[
          { label: t("collections.addSelected"), icon: "plus", run: () => onDropped(id) },
          { label: t("collections.removeSelected"), icon: "close", run: () => onLeave(id) },
          { label: t("collections.rename"), icon: "edit", run: () => setDialog({ id, name }) },
          { label: t("collections.delete"), icon: "trash", danger: true, run: () => { deleteCollection(id); if (filters.collection === id) location.hash = address(""); } },
        ]} />`}</li>`)}
    </ul>
    ${!collections.value.length && html`<p class="small">${t("collections.none")}</p>`}
    ${dialog && html`<${NameDialog} title=${t(dialog.id ? "collections.rename" : "collections.new")} name=${dialog.name} onClose=${() => setDialog(null)}
      onName=${(/** @type {string} */ name) => (dialog.id ? renameCollection(dialog.id, name) : createCollection(name))} />`}
  </aside>`;
}

/** Ask for a name. @param {{ title: string, name?: string, label?: string, known?: string[], onName: (name: string) => any, onClose: () => void }} properties */
export function NameDialog({ title, name = "", label = t("collections.name"), known = [], onName, onClose }) {
  const [text, setText] = useState(name);
  const id = useId();
  const done = () => {
    if (!text.trim()) return;
    onClose();
    onName(text.trim());
  };
  return html`<${Dialog} title=${title} onClose=${onClose} kind="narrow"><div class="stack">
    <${Field} label=${label}>${(/** @type {any} */ facts) => html`<input ...${facts} type="text" autofocus maxlength="60" list=${known.length ? id : undefined} value=${text} onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" && !isComposing(event)) { event.preventDefault(); done(); } }} />`}<//>
    <datalist id=${id}>${known.map((value) => html`<option key=${value} value=${value} />`)}</datalist>
    <div class="row end"><${Button} onClick=${onClose}>${t("action.cancel")}<//><${Button} kind="primary" disabled=${!text.trim()} onClick=${done}>${t("action.save")}<//></div></div><//>`;
}
