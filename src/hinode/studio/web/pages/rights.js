// Rights: the confirmation of the project, what screening stopped, and notices about its clips.
import { ApiError, get, post } from "../core/api.js";
import { ago } from "../core/format.js";
import { notify, notifyError } from "../core/notices.js";
import { href } from "../core/router.js";
import { mayReview, mayWrite } from "../core/session.js";
import { t } from "../core/strings.js";
import { html, useEffect, useState } from "../core/ui.js";
import { Appeal } from "../widgets/appeal.js";
import { Button, Field } from "../widgets/controls.js";
import { Dialog } from "../widgets/dialog.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import { day } from "./characters/consent.js";

/** @typedef {import("hinode-api").components["schemas"]["Stopped"]} Stopped */
/** @typedef {{ id: string, status: string, kind: string, statement: string, reason: string, created_at: number, due_at: number, appeal_ends_at: number | null, counter_at: number | null, entries: string[] }} Own */

export default function Page() {
  return html`<${PageHead} title=${t("rights.title")}><a class="button" href=${href("characters")}><${Icon} name="people" />${t("nav.characters")}</a>${mayReview() && html`<a class="button" href=${href("trust", "takedowns")}><${Icon} name="flag" />${t("nav.trust")}</a>`}<//>
    <div class="rights stack">
      <${Confirmation} /><${OwnStopped} /><${OwnNotices} />
    </div>`;
}

/** @param {{ title: string, about?: string, children: any }} properties */
function Section({ title, about, children }) {
  return html`<section class="sheet panel stack"><h2>${title}</h2>${about && html`<p class="small measure">${about}</p>`}${children}</section>`;
}

function Confirmation() {
  const [data, setData] = useState(/** @type {{ policy: string, statement: number, text: string, confirmed_at: number | null } | null} */ (null));
  useEffect(() => { get("rights/confirmation").then(setData, notifyError); }, []);
  if (!data) return null;
  const confirm = () => post("rights/confirmation", { statement: data.statement }).then(setData, notifyError);
  return html`<${Section} title=${t("rights.uploads")} about=${t(`rights.policy.${data.policy}`)}>
    ${data.policy === "attest" && html`<blockquote class="statement">${data.text}</blockquote>
      ${data.confirmed_at ? html`<p class="row"><${Icon} name="check" /><span>${t("rights.confirmed", { day: day(data.confirmed_at) })}</span></p>` : mayWrite() && html`<div><${Button} kind="primary head-button" icon="check" onClick=${confirm}>${t("rights.confirm")}<//></div>`}`}
  <//>`;
}

function OwnStopped() {
  const [stopped, setStopped] = useState(/** @type {Stopped[] | null} */ (null));
  const load = () => get("review/own", { query: { limit: 50 } }).then((page) => setStopped(page.data), notifyError);
  useEffect(() => { load(); }, []);
  const state = (/** @type {Stopped} */ entry) => entry.outcome ?? (entry.appeal === null ? "waiting" : "appealed");
  return html`<${Section} title=${t("rights.stopped")} about=${t("rights.stopped.about")}>
    ${stopped?.length === 0 && html`<p class="nothing">${t("rights.stopped.none")}</p>`}
    <ul class="notices-list">${(stopped ?? []).map((entry) => html`<li key=${entry.id}><div class="row between wrap"><b>${entry.title}</b><span class="chip open">${t(`rights.stopped.${state(entry)}`)}</span></div>
      <p dir="auto" class="clamp">${entry.text ?? t("rights.stopped.notStored")}</p>${entry.appeal !== null && html`<p class="small" dir="auto">${t("rights.appeal.open")}: ${entry.appeal}</p>`}
      <small class="breaks">${ago(entry.created_at)} · ${entry.id}</small>
      ${state(entry) === "waiting" && entry.approvable && mayWrite() && html`<div><${Appeal} id=${entry.id} onAppealed=${load} /></div>`}</li>`)}</ul>
  <//>`;
}

function OwnNotices() {
  const [own, setOwn] = useState(/** @type {Own[] | null} */ (null));
  const [answering, setAnswering] = useState(/** @type {Own | null} */ (null));
  const load = () => get("takedowns/own").then((page) => setOwn(page.data), notifyError);
  useEffect(() => { load(); }, []);
  return html`<${Section} title=${t("rights.own")} about=${t("rights.own.about")}>
    ${own?.length === 0 && html`<p class="nothing">${t("rights.own.none")}</p>`}
    <ul class="notices-list">${(own ?? []).map((notice) => html`<li key=${notice.id}><div class="row between wrap"><b>${t(`rights.kind.${notice.kind}`)}</b><span class="chip open">${t(`rights.status.${notice.status}`)}</span></div>
      <p dir="auto">${notice.statement}</p>${notice.reason && html`<p class="small" dir="auto">${t("rights.reason")}: ${notice.reason}</p>`}
      <small>${t("rights.withheld", { count: notice.entries.length })}${notice.appeal_ends_at ? ` · ${t("rights.appeal", { day: day(notice.appeal_ends_at) })}` : ""}</small>
      ${notice.status === "upheld" && mayWrite() && html`<div><${Button} onClick=${() => setAnswering(notice)}>${t("rights.answer")}<//></div>`}</li>`)}</ul>
    ${answering && html`<${Answer} notice=${answering} onClose=${() => { setAnswering(null); load(); }} />`}
  <//>`;
}

/** @param {{ notice: Own, onClose: () => void }} properties */
function Answer({ notice, onClose }) {
  const [form, setForm] = useState({ statement: "", signature: "" });
  const [failure, setFailure] = useState(/** @type {ApiError | null} */ (null));
  const send = () => post(`takedowns/${notice.id}/counter`, form).then(() => { notify(t("rights.answered")); onClose(); }, setFailure);
  const error = (/** @type {string} */ name) => (failure?.param === name ? failure.message : null);
  return html`<${Dialog} title=${t("rights.answer")} onClose=${onClose}><div class="stack">
    <p class="small">${t("rights.answer.text")}</p>
    <${Field} label=${t("rights.answer.statement")} error=${error("statement")}>${(/** @type {any} */ field) => html`<textarea ...${field} rows="5" dir="auto" value=${form.statement} onInput=${(/** @type {any} */ event) => setForm({ ...form, statement: event.currentTarget.value })}></textarea>`}<//>
    <${Field} label=${t("rights.signature")} error=${error("signature")}>${(/** @type {any} */ field) => html`<input ...${field} type="text" value=${form.signature} onInput=${(/** @type {any} */ event) => setForm({ ...form, signature: event.currentTarget.value })} />`}<//>
    ${failure && !failure.param && html`<p class="error" role="alert">${failure.message}</p>`}
    <div class="row dialog-end"><${Button} kind="primary head-button" disabled=${!form.statement.trim() || !form.signature.trim()} onClick=${send}>${t("rights.answer.send")}<//><${Button} onClick=${onClose}>${t("action.cancel")}<//></div></div><//>`;
}
