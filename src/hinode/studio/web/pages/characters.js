// Characters: who they are, what is noted of them, where they are used.
import { get, patch, remove } from "../core/api.js";
import { ago, clipTitle } from "../core/format.js";
import { useShortcuts } from "../core/keyboard.js";
import { notify, notifyError } from "../core/notices.js";
import { href } from "../core/router.js";
import { t } from "../core/strings.js";
import { classes, html, useEffect, useRef, useState } from "../core/ui.js";
import { ClipFrame } from "../widgets/card.js";
import { Button, Empty, Field } from "../widgets/controls.js";
import { Dialog } from "../widgets/dialog.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import { Portrait } from "../widgets/portrait.js";
import { ConsentSection } from "./characters/consent.js";
import { NewCharacter } from "./characters/new.js";
import { characters as known, loadCharacters } from "./create/characters.js";

/** @typedef {{ id: string, name: string, kind: "clip" | "picture" | "words", description: string, notes: string, person: boolean, created_at: number }} Character */

/** @param {{ id: string, query: URLSearchParams }} properties */
export default function Page({ id }) {
  const [chosen, setChosen] = useState(id);
  const [making, setMaking] = useState(false);
  const [words, setWords] = useState("");
  useEffect(() => { loadCharacters().catch(notifyError); }, []);
  useShortcuts([{ keys: "n", label: t("characters.new"), group: t("characters.title"), run: () => setMaking(true) }]);
  const all = /** @type {Character[] | null} */ (known.value);
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = (all ?? []).filter((entry) => parts.every((part) => `${entry.name} ${entry.notes} ${entry.description}`.toLowerCase().includes(part)));
  const current = all?.find((entry) => entry.id === chosen) ?? null;
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    const buttons = /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("button")]);
    const columns = getComputedStyle(/** @type {Element} */ (event.currentTarget)).gridTemplateColumns.split(" ").length;
    const side = document.dir === "rtl" ? -1 : 1;
    const by = { ArrowRight: side, ArrowLeft: -side, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (by === undefined || at < 0) return;
    event.preventDefault();
    buttons[Math.max(0, Math.min(buttons.length - 1, at + by))].focus();
  };
  return html`<${PageHead} title=${t("characters.title")}><a class="button" href=${href("rights")}><${Icon} name="check" />${t("rights.title")}</a><${Button} kind="primary head-button" icon="plus" onClick=${() => setMaking(true)}>${t("characters.new")}<//><//>
    <div class=${classes("characters", Boolean(all?.length) && "with-side")}>
      <div class="stack">
        ${(all?.length ?? 0) > 8 && html`<input type="search" class="boards-search" aria-label=${t("characters.search")} placeholder=${t("characters.search")} value=${words} onInput=${(/** @type {any} */ event) => setWords(event.currentTarget.value)} />`}
        ${all?.length === 0 && html`<${Empty} icon="people" title=${t("characters.empty")}><p class="measure">${t("characters.empty.text")}</p><${Button} icon="plus" onClick=${() => setMaking(true)}>${t("characters.new")}<//><//>`}
        ${all && all.length > 0 && !shown.length && html`<p role="status">${t("characters.nothing")}</p>`}
        <ul class="people" aria-label=${t("characters.title")} aria-busy=${!all} onKeyDown=${move}>
          ${all ? shown.map((entry) => html`<li key=${entry.id}><button type="button" data-arrows class=${classes("person", entry.id === chosen && "on")} aria-pressed=${entry.id === chosen} onClick=${() => setChosen(entry.id)}>
              <span class="face"><${Portrait} id=${entry.id} kind=${entry.kind} />${entry.kind === "words" && html`<q dir="auto">${entry.description}</q>`}</span>
              <b dir="auto">@${entry.name}</b><small dir="auto">${entry.notes || t(`characters.kind.${entry.kind}`)}</small></button></li>`)
            : Array.from({ length: 4 }, (_, index) => html`<li key=${index}><div class="picture in_progress face"><span class="blank"></span></div></li>`)}
        </ul>
      </div>
      ${Boolean(all?.length) && (current ? html`<${Details} key=${current.id} character=${current} onGone=${() => setChosen("")} />` : html`<aside class="sheet panel person-side" aria-label=${t("characters.details")}><p class="small">${t("characters.choose")}</p></aside>`)}
    </div>
    ${making && html`<${NewCharacter} onClose=${() => setMaking(false)} onMade=${(/** @type {Character} */ made) => { setMaking(false); setChosen(made.id); loadCharacters().catch(notifyError); notify(t("characters.made", { name: made.name })); }} />`}`;
}

/** @param {{ character: Character, onGone: () => void }} properties */
function Details({ character, onGone }) {
  const [fields, setFields] = useState({ name: character.name, notes: character.notes });
  const [failure, setFailure] = useState("");
  const [uses, setUses] = useState(/** @type {{ videos: import("../core/videos.js").Video[], storyboards: { id: string, title: string }[] } | null} */ (null));
  const [doomed, setDoomed] = useState(false);
  const path = `characters/${encodeURIComponent(character.id)}`;
  useEffect(() => {
    get(`${path}/uses`).then(setUses, notifyError);
  }, [character.id]);
  const save = async () => {
    const name = fields.name.trim();
    if (name === character.name && fields.notes === character.notes) return setFailure("");
    if (!name) return setFailure(t("characters.needsName"));
    try {
      await patch(path, { name, notes: fields.notes });
      setFailure("");
      return loadCharacters();
    } catch (error) {
      return setFailure(/** @type {Error} */ (error).message);
    }
  };
  // What is typed is kept when the person goes on, and a moment after the last key.
  const latest = useRef(save);
  latest.current = save;
  useEffect(() => () => { latest.current(); }, []);
  useEffect(() => {
    const timer = setTimeout(() => latest.current(), 900);
    return () => clearTimeout(timer);
  }, [fields]);
  const drop = async () => {
    try {
      await remove(path);
      notify(t("characters.deleted", { name: character.name }));
      latest.current = async () => undefined;
      onGone();
      await loadCharacters();
    } catch (error) {
      notifyError(error);
    }
  };
  /** @param {"name" | "notes"} name */
  const input = (name) => (/** @type {any} */ event) => setFields({ ...fields, [name]: event.currentTarget.value });
  return html`<aside class="sheet panel person-side stack" aria-label=${t("characters.details")}>
    <span class="face large"><${Portrait} id=${character.id} kind=${character.kind} />${character.kind === "words" && html`<q dir="auto">${character.description}</q>`}</span>
    <${Field} label=${t("characters.name")} error=${failure} hint=${t("characters.name.hint", { name: fields.name.trim() || "…" })}>${(/** @type {any} */ field) => html`<input ...${field} type="text" maxlength="80" dir="auto" value=${fields.name} onInput=${input("name")} onBlur=${save} />`}<//>
    ${character.description && character.kind !== "words" && html`<p dir="auto">${character.description}</p>`}
    <${Field} label=${t("characters.notes")}>${(/** @type {any} */ field) => html`<textarea ...${field} dir="auto" rows="3" placeholder=${t("characters.notes.placeholder")} value=${fields.notes} onInput=${input("notes")} onBlur=${save}></textarea>`}<//>
    <div class="row"><a class="button primary head-button grow" href=${href("create", "", { character: character.id })}><${Icon} name="create" />${t("characters.create")}</a><${Button} kind="quiet" icon="trash" label=${t("action.delete")} onClick=${() => setDoomed(true)} /></div>
    <${ConsentSection} key=${character.id} character=${character} />
    <section class="stack uses" aria-busy=${!uses}><h2>${t("characters.uses")}</h2>
      ${uses && !uses.videos.length && !uses.storyboards.length && html`<p class="small">${t("characters.unused")}</p>`}
      ${uses && uses.storyboards.length > 0 && html`<ul class="use-boards">${uses.storyboards.map((board) => html`<li key=${board.id}><a href=${href("storyboard", board.id)}><${Icon} name="board" /><span dir="auto">${board.title}</span></a></li>`)}</ul>`}
      ${uses && uses.videos.length > 0 && html`<small>${t("characters.uses.clips", { count: uses.videos.length })}</small><ul class="use-clips">${uses.videos.map((video) => html`<li key=${video.id}><a href=${href("clip", video.id)}><${ClipFrame} video=${video} /><span class="clip-title">${clipTitle(video)}</span></a></li>`)}</ul>`}
      <small>${ago(character.created_at)} · ${t(`characters.kind.${character.kind}`)}</small>
    </section>
    ${doomed && html`<${Dialog} title=${t("characters.delete", { name: character.name })} onClose=${() => setDoomed(false)}><p>${t("characters.delete.text")}</p>
      <div class="row dialog-end"><${Button} kind="danger" icon="trash" onClick=${drop}>${t("action.delete")}<//><${Button} onClick=${() => setDoomed(false)}>${t("action.cancel")}<//></div><//>`}
  </aside>`;
}
