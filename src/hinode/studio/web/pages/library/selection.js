// What can be done with all chosen clips at once.
import { changeMany, collections, createCollection, downloadEntries, tags } from "../../core/library.js";
import { notify } from "../../core/notices.js";
import { navigate } from "../../core/router.js";
import { mayWrite } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { Menu } from "../../widgets/menu.js";
import { NameDialog } from "./side.js";

/** Add clips to a collection. @param {import("../../core/library.js").EntryList} list @param {string[]} ids @param {string} collection */
export async function addTo(list, ids, collection) {
  const name = collections.peek().find((entry) => entry.id === collection)?.name ?? "";
  if (await changeMany(list, ids, (entry) => ({ collections: [...new Set([...entry.collections, collection])] }))) notify(t("collections.added", { count: ids.length, name }));
}

/** @param {import("../../core/library.js").EntryList} list @param {string[]} ids @param {string} collection */
export const removeFrom = (list, ids, collection) => changeMany(list, ids, (entry) => ({ collections: entry.collections.filter((id) => id !== collection) }));

/**
 * @param {{ list: import("../../core/library.js").EntryList, selected: Set<string>, onClear: () => void, onDelete: () => void, onAll: () => void, total: number }} properties
 */
export function SelectionBar({ list, selected, onClear, onDelete, onAll, total }) {
  const [naming, setNaming] = useState(/** @type {"tag" | "collection" | ""} */ (""));
  const ids = [...selected];
  const starred = ids.every((id) => list.find(id)?.favourite);
  const write = mayWrite();
  const add = async (/** @type {string} */ name) => {
    const made = await createCollection(name);
    if (made) addTo(list, ids, made.id);
  };
  return html`<div class="selection-bar sheet" role="toolbar" aria-label=${t("library.selection")}>
    <b aria-live="polite">${t("library.selected", { count: ids.length })}</b>
    ${ids.length < total && html`<${Button} kind="quiet" onClick=${onAll}>${t("library.selectAll", { count: total })}<//>`}
    <span class="rule"></span>
    ${write && html`<${Button} kind="quiet" icon="star" filled=${starred} label=${t(starred ? "library.unstar" : "library.star")} onClick=${() => changeMany(list, ids, () => ({ favourite: !starred }))} />
    <${Button} kind="quiet" icon="tag" label=${t("library.addTag")} onClick=${() => setNaming("tag")} />
    <${Menu} kind="quiet" icon="folder" label=${t("collections.add")} items=${[
      ...collections.value.map(({ id, name }) => ({ label: name, icon: "folder", run: () => addTo(list, ids, id) })),
      { label: t("collections.new"), icon: "plus", run: () => setNaming("collection") }]} />`}
    ${ids.length === 2 && html`<${Button} kind="quiet" icon="compare" label=${t("library.compare")} onClick=${() => navigate("compare", "", { ids: ids.join(",") })} />`}
    <${Button} kind="quiet" icon="down" label=${t("library.download")} onClick=${() => downloadEntries(ids)} />
    ${write && html`<${Button} kind="quiet danger" icon="trash" label=${t("action.delete")} onClick=${onDelete} />`}
    <${Button} kind="quiet" icon="close" label=${t("library.unselect")} onClick=${onClear} />
    ${naming === "tag" && html`<${NameDialog} title=${t("library.addTag")} label=${t("library.tag")} known=${tags.value.map((entry) => entry.tag)} onClose=${() => setNaming("")}
      onName=${(/** @type {string} */ tag) => changeMany(list, ids, (entry) => ({ tags: [...new Set([...entry.tags, tag])] }))} />`}
    ${naming === "collection" && html`<${NameDialog} title=${t("collections.new")} onClose=${() => setNaming("")} onName=${add} />`}
  </div>`;
}
