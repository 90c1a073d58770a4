// The command palette, and the list of shortcuts.
import { get, mediaAddress } from "../core/api.js";
import { palette } from "../core/dialogs.js";
import { clipTitle } from "../core/format.js";
import { isComposing, isLetter, keyLabel, letters, shortcuts } from "../core/keyboard.js";
import { href, navigate } from "../core/router.js";
import { t } from "../core/strings.js";
import { html, useEffect, useId, useState } from "../core/ui.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";

/** @typedef {{ label: string, icon?: string, image?: string, keys?: string, run: () => void }} Command */

/** What is open of the palette. @param {{ pages: import("../app.js").Page[] }} properties */
export function Palette({ pages }) {
  const close = () => { palette.value = null; };
  return palette.value === "shortcuts" ? html`<${Shortcuts} onClose=${close} />` : html`<${Commands} commands=${pageCommands(pages)} onClose=${close} />`;
}

/** @param {{ commands: Command[], onClose: () => void }} properties */
function Commands({ commands, onClose }) {
  const [words, setWords] = useState("");
  const [clips, setClips] = useState(/** @type {Command[]} */ ([]));
  const [chosen, setChosen] = useState(0);
  const id = useId();
  useEffect(() => {
    if (!words.trim()) return setClips([]);
    const controller = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const page = await get("library", { query: { q: words, limit: 8 }, signal: controller.signal });
        setClips(page.data.map((/** @type {any} */ clip) => ({ label: clipTitle(clip), image: mediaAddress(clip.id, "thumbnail"), run: () => navigate("clip", clip.id) })));
      } catch {
        setClips([]);
      }
    }, 150);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [words]);
  const parts = words.toLowerCase().split(/\s+/);
  const own = shortcuts.value.filter((entry) => entry.group !== "dialog" && entry.label).map((entry) => ({ label: entry.label, keys: entry.keys, run: () => entry.run(new KeyboardEvent("keydown")) }));
  const known = new Set(commands.map((entry) => entry.label));
  const matching = [...commands, ...own.filter((entry) => !known.has(entry.label))].filter((entry) => parts.every((part) => entry.label.toLowerCase().includes(part)));
  const entries = /** @type {Command[]} */ ([...matching, ...clips]);
  const index = Math.min(chosen, entries.length - 1);
  /** @param {Command | undefined} entry */
  const run = (entry) => {
    if (!entry) return;
    onClose();
    setTimeout(entry.run);
  };
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    if (isComposing(event)) return;
    if (event.key === "Enter") run(entries[index]);
    else if (event.key === "ArrowDown") setChosen((index + 1) % entries.length);
    else if (event.key === "ArrowUp") setChosen((index - 1 + entries.length) % entries.length);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} title=${t("palette.title")} onClose=${onClose} kind="palette" plain>
    <input type="search" role="combobox" aria-expanded="true" aria-controls=${`${id}-list`} aria-activedescendant=${index >= 0 ? `${id}-${index}` : undefined} aria-label=${t("search.placeholder")}
      placeholder=${t("search.placeholder")} value=${words} autofocus onKeyDown=${move}
      onInput=${(/** @type {any} */ event) => { setWords(event.currentTarget.value); setChosen(0); }} />
    <ul role="listbox" id=${`${id}-list`} aria-label=${t("palette.title")}>
      ${entries.map((entry, at) => html`<li key=${`${entry.label}-${at}`} id=${`${id}-${at}`} role="option" aria-selected=${at === index} onClick=${() => run(entry)}
        ref=${(/** @type {HTMLElement | null} */ element) => at === index && element?.scrollIntoView({ block: "nearest" })}>
        ${entry.image ? html`<img src=${entry.image} alt="" />` : html`<${Icon} name=${entry.icon ?? "right"} />`}<span>${entry.label}</span>${entry.keys && html`<kbd>${keyLabel(entry.keys)}</kbd>`}</li>`)}
    </ul>
    ${entries.length === 0 && html`<p role="status">${t("palette.none")}</p>`}
  <//>`;
}

/** @param {{ onClose: () => void }} properties */
function Shortcuts({ onClose }) {
  const groups = new Map();
  for (const entry of shortcuts.value) {
    if (!entry.label || entry.group === "dialog" || (!letters.value && isLetter(entry.keys))) continue;
    const group = entry.group ?? t("shortcuts.everywhere");
    groups.set(group, [...(groups.get(group) ?? []), entry]);
  }
  return html`<${Dialog} title=${t("shortcuts.title")} onClose=${onClose} kind="shortcuts">
    ${[...groups].map(([group, entries]) => html`<section key=${group}><h3>${group}</h3><dl>
      ${entries.map((/** @type {import("../core/keyboard.js").Shortcut} */ entry) => html`<div key=${entry.keys}><dt>${entry.label}</dt><dd><kbd>${keyLabel(entry.keys)}</kbd></dd></div>`)}
    </dl></section>`)}
    ${!letters.value && html`<p>${t("shortcuts.lettersOff")}</p>`}
  <//>`;
}

/** Commands that go to the pages. @param {import("../app.js").Page[]} pages @returns {Command[]} */
const pageCommands = (pages) =>
  pages.filter((page) => page.icon && (!page.isShown || page.isShown())).map((page) => ({
    label: t("goto", { page: t(`nav.${page.name}`) }), icon: page.icon, keys: page.keys, run: () => { location.hash = href(page.name); },
  }));
