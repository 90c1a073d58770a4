// The consent of a person to be shown as a character: entered, narrowed, revoked; and what was made with it.
import { address, get, patch, post, remove } from "../../core/api.js";
import { clipTitle } from "../../core/format.js";
import { notify, notifyError } from "../../core/notices.js";
import { mayWrite } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Confirm } from "../../widgets/confirm.js";
import { Button, Field, Switch } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { loadCharacters } from "../create/characters.js";

/** @typedef {{ id: string, character_id: string, person: string, scope: string, uses: string[], access: string, people: string[], status: string, version: number, expires_at: number }} Consent */
/** @typedef {import("../../core/videos.js").Video & { project_id: string }} Made */

const ACCESSES = ["only_me", "named", "project", "server"];
const USES = ["generate", "remix", "publish"];
const YEAR = 365 * 86_400;

/** @param {number} seconds */
export const day = (seconds) => new Date(seconds * 1000).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" });
/** @param {string} text */
const listed = (text) => text.split(/[\s,]+/).filter(Boolean);

/** @param {{ character: { id: string, name: string, person?: boolean } }} properties */
export function ConsentSection({ character }) {
  const [consents, setConsents] = useState(/** @type {Consent[] | null} */ (null));
  const [open, setOpen] = useState(/** @type {"" | "grant" | "revoke" | "made"} */ (""));
  const load = () => get("consents", { query: { limit: 100 } }).then((page) => setConsents(page.data.filter((/** @type {Consent} */ entry) => entry.character_id === character.id)), notifyError);
  useEffect(() => { load(); }, [character.id]);
  const current = consents?.[0];
  const active = current?.status === "active";
  const mark = (/** @type {boolean} */ person) => patch(`characters/${character.id}`, { person }).then(loadCharacters, notifyError);
  const change = (/** @type {Partial<Consent>} */ values) => patch(`consents/${current?.id}`, values).then(load, notifyError);
  const revoke = () => post(`consents/${current?.id}/revoke`, { everything: true }).then(() => { notify(t("rights.revoked")); return load(); }, notifyError);
  return html`<section class="stack uses" aria-busy=${!consents}><h2>${t("rights.person")}</h2>
    ${!current && html`<${Switch} label=${t("rights.isPerson")} checked=${Boolean(character.person)} disabled=${!mayWrite()} onChange=${mark} />`}
    ${character.person && consents && !active && html`<p class="small">${t(current ? `rights.is.${current.status}` : "rights.none")}</p>${mayWrite() && html`<${Button} icon="check" onClick=${() => setOpen("grant")}>${t("rights.grant")}<//>`}`}
    ${current && active && html`<dl class="facts-list"><dt>${t("rights.name")}</dt><dd dir="auto">${current.person}</dd>${current.scope && html`<dt>${t("rights.scope")}</dt><dd dir="auto">${current.scope}</dd>`}<dt>${t("rights.uses")}</dt><dd>${current.uses.map((use) => t(`rights.use.${use}`)).join(", ")}</dd><dt>${t("rights.until")}</dt><dd>${day(current.expires_at)}</dd></dl>
      <${Field} label=${t("rights.access")}>${(/** @type {any} */ field) => html`<select ...${field} value=${current.access} onChange=${(/** @type {any} */ event) => (event.currentTarget.value === "named" ? setOpen("grant") : change({ access: event.currentTarget.value }))}>${ACCESSES.map((access) => html`<option key=${access} value=${access}>${t(`rights.access.${access}`)}</option>`)}</select>`}<//>
      <div class="row wrap"><${Button} icon="library" onClick=${() => setOpen("made")}>${t("rights.made")}<//><${Button} kind="danger" onClick=${() => setOpen("revoke")}>${t("rights.revoke")}<//></div>`}
    ${open === "grant" && html`<${ConsentForm} character=${character} consent=${active ? current : undefined} onClose=${() => { setOpen(""); load(); }} />`}
    ${open === "made" && current && html`<${MadeDialog} consent=${current} onClose=${() => setOpen("")} />`}
    ${open === "revoke" && current && html`<${Confirm} title=${t("rights.revoke.title", { name: current.person })} action=${t("rights.revoke")} onConfirm=${revoke} onClose=${() => setOpen("")}><p>${t("rights.revoke.text")}</p><//>`}
  </section>`;
}

/** @param {{ character: { id: string, name: string }, consent?: Consent, onClose: () => void }} properties */
function ConsentForm({ character, consent, onClose }) {
  const [form, setForm] = useState({ person: consent?.person ?? "", scope: consent?.scope ?? "", uses: consent?.uses ?? USES, access: consent ? "named" : "project", people: consent?.people.join("\n") ?? "", years: 1, confirmed: Boolean(consent) });
  const [failure, setFailure] = useState(/** @type {{ message: string, param: string | null } | null} */ (null));
  /** @param {Partial<typeof form>} values */
  const set = (values) => { setForm({ ...form, ...values }); setFailure(null); };
  const send = async () => {
    const terms = { person: form.person.trim(), scope: form.scope, uses: form.uses, access: form.access, people: form.access === "named" ? listed(form.people) : [] };
    try {
      if (consent) await patch(`consents/${consent.id}`, terms);
      else await post("consents", { ...terms, character_id: character.id, expires_at: Math.floor(Date.now() / 1000 + form.years * YEAR), confirmed: form.confirmed });
      await loadCharacters();
      return onClose();
    } catch (error) {
      return setFailure(/** @type {import("../../core/api.js").ApiError} */ (error));
    }
  };
  /** @param {string} name */
  const error = (name) => (failure?.param === name ? failure.message : null);
  return html`<${Dialog} title=${t("rights.grant")} onClose=${onClose}><div class="stack">
    <${Field} label=${t("rights.name")} error=${error("person")}>${(/** @type {any} */ field) => html`<input ...${field} type="text" maxlength="200" dir="auto" value=${form.person} onInput=${(/** @type {any} */ event) => set({ person: event.currentTarget.value })} />`}<//>
    <${Field} label=${t("rights.scope")} hint=${t("rights.scope.hint")} error=${error("scope")}>${(/** @type {any} */ field) => html`<textarea ...${field} rows="2" dir="auto" value=${form.scope} onInput=${(/** @type {any} */ event) => set({ scope: event.currentTarget.value })}></textarea>`}<//>
    <fieldset class="stack plain"><legend>${t("rights.uses")}</legend>${USES.map((use) => html`<${Switch} key=${use} label=${t(`rights.use.${use}`)} checked=${form.uses.includes(use)} onChange=${(/** @type {boolean} */ on) => set({ uses: USES.filter((name) => (name === use ? on : form.uses.includes(name))) })} />`)}</fieldset>
    <${Field} label=${t("rights.access")} error=${error("access")}>${(/** @type {any} */ field) => html`<select ...${field} value=${form.access} onChange=${(/** @type {any} */ event) => set({ access: event.currentTarget.value })}>${ACCESSES.map((access) => html`<option key=${access} value=${access}>${t(`rights.access.${access}`)}</option>`)}</select>`}<//>
    ${form.access === "named" && html`<${Field} label=${t("rights.people")} hint=${t("rights.people.hint")} error=${error("people")}>${(/** @type {any} */ field) => html`<textarea ...${field} rows="2" value=${form.people} onInput=${(/** @type {any} */ event) => set({ people: event.currentTarget.value })}></textarea>`}<//>`}
    ${!consent && html`<${Field} label=${t("rights.years")} error=${error("expires_at")}>${(/** @type {any} */ field) => html`<select ...${field} value=${form.years} onChange=${(/** @type {any} */ event) => set({ years: Number(event.currentTarget.value) })}>${[1, 2, 5, 10].map((years) => html`<option key=${years} value=${years}>${t("rights.years.count", { count: years })}</option>`)}</select>`}<//>
      <label class="check-row"><input type="checkbox" checked=${form.confirmed} onChange=${(/** @type {any} */ event) => set({ confirmed: event.currentTarget.checked })} /><span>${t("rights.statement")}</span></label>`}
    ${failure && !["person", "scope", "access", "people", "expires_at"].includes(failure.param ?? "") && html`<p class="error" role="alert">${failure.message}</p>`}
    <div class="row dialog-end"><${Button} kind="primary head-button" disabled=${!form.confirmed || !form.person.trim()} onClick=${send}>${t(consent ? "rights.change" : "rights.enter")}<//><${Button} onClick=${onClose}>${t("action.cancel")}<//></div>
  </div><//>`;
}

/** @param {{ consent: Consent, onClose: () => void }} properties */
function MadeDialog({ consent, onClose }) {
  const [made, setMade] = useState(/** @type {Made[] | null} */ (null));
  const [doomed, setDoomed] = useState(/** @type {Made | null} */ (null));
  const path = `consents/${consent.id}/videos`;
  const load = () => get(path, { query: { limit: 100 } }).then((page) => setMade(page.data), notifyError);
  useEffect(() => { load(); }, []);
  const drop = (/** @type {Made} */ video) => remove(`${path}/${video.id}`).then(load, notifyError);
  return html`<${Dialog} title=${t("rights.made")} onClose=${onClose}><div class="stack" aria-busy=${!made}>
    <p class="small">${t("rights.made.text")}</p>
    ${made?.length === 0 && html`<p>${t("rights.made.none")}</p>`}
    <ul class="made-list">${(made ?? []).map((video) => html`<li key=${video.id}>
      ${video.status === "completed" ? html`<img src=${address(`${path}/${video.id}/content`, { variant: "thumbnail" })} alt="" loading="lazy" />` : html`<span class="blank"></span>`}
      <span class="made-text"><b dir="auto">${clipTitle(video)}</b><small>${t(`rights.state.${video.status}`)} · ${video.project_id.slice(0, 5)}…${video.project_id.slice(-6)}</small></span>
      <${Button} kind="quiet" icon="trash" label=${t("rights.made.delete", { title: clipTitle(video) })} onClick=${() => setDoomed(video)} /></li>`)}</ul>
    ${doomed && html`<${Confirm} title=${t("rights.made.sure")} action=${t("action.delete")} onConfirm=${() => drop(doomed)} onClose=${() => setDoomed(null)}><p>${t("rights.made.sureText")}</p><//>`}
  </div><//>`;
}
