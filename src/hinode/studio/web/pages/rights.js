// Rights: the confirmation of the project, notices about its clips, and for reviewers every notice and upload.
import { ApiError, address, get, post } from "../core/api.js";
import { ago } from "../core/format.js";
import { notify, notifyError } from "../core/notices.js";
import { href } from "../core/router.js";
import { isOwner, mayWrite, session } from "../core/session.js";
import { t } from "../core/strings.js";
import { html, useEffect, useState } from "../core/ui.js";
import { Appeal } from "../widgets/appeal.js";
import { Button, Field, Segmented } from "../widgets/controls.js";
import { Dialog } from "../widgets/dialog.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import { day } from "./characters/consent.js";

/** @typedef {import("hinode-api").components["schemas"]["Stopped"]} Stopped */
/** @typedef {{ entry_id: string, kind: string, similarity: number, files: string[] }} Match */
/** @typedef {{ id: string, status: string, kind: string, statement: string, reason: string, created_at: number, due_at: number, appeal_ends_at: number | null, counter_at: number | null, entries: string[] }} Own */
/** @typedef {Own & { locator: string, name: string, contact: string, counter_statement: string | null, counter_signature: string | null, decided_at: number | null }} Notice */

const TABS = ["open", "countered", "upheld", "all"];

export default function Page() {
  const [round, setRound] = useState(0);
  const reviews = isOwner() || session.value?.role === "reviewer";
  return html`<${PageHead} title=${t("rights.title")}><a class="button" href=${href("characters")}><${Icon} name="people" />${t("nav.characters")}</a><//>
    <div class="rights stack">
      <${Confirmation} /><${OwnStopped} /><${OwnNotices} key=${round} />${reviews && html`<${Reviewing} onDecided=${() => setRound(round + 1)} />`}
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

/** @param {{ onDecided: () => void }} properties */
function Reviewing({ onDecided }) {
  const [tab, setTab] = useState("open");
  const [notices, setNotices] = useState(/** @type {Notice[] | null} */ (null));
  const [chosen, setChosen] = useState("");
  const [allowed, setAllowed] = useState(true);
  const load = () => get("takedowns", { query: { limit: 100, order: tab === "open" ? "asc" : "desc", ...(tab === "all" ? {} : { status: tab }) } }).then((page) => setNotices(page.data), (error) => (error.status === 403 ? setAllowed(false) : notifyError(error)));
  useEffect(() => { load(); }, [tab]);
  if (!allowed) return null;
  return html`<${Section} title=${t("rights.notices")} about=${t("rights.notices.about")}>
    <${Segmented} label=${t("rights.notices")} options=${TABS.map((value) => ({ value, label: t(`rights.tab.${value}`) }))} value=${tab} onChange=${setTab} />
    ${notices?.length === 0 && html`<p class="nothing">${t("rights.notices.none")}</p>`}
    <ul class="notices-list">${(notices ?? []).map((notice) => html`<li key=${notice.id}><div class="row between wrap"><b>${t(`rights.kind.${notice.kind}`)}</b><span class="chip open">${t(`rights.status.${notice.status}`)}</span></div>
      <p dir="auto" class="clamp">${notice.statement}</p><small>${ago(notice.created_at)}${notice.status === "open" ? ` · ${t("rights.hours", { count: Math.max(0, Math.round((notice.due_at - Date.now() / 1000) / 3600)) })}` : ""}</small>
      <div><${Button} onClick=${() => setChosen(notice.id)}>${t("rights.decide")}<//></div></li>`)}</ul>
    ${chosen && html`<${Decision} id=${chosen} onClose=${() => { setChosen(""); load(); onDecided(); }} />`}
    <${Uploads} />
  <//>`;
}

/** @param {{ id: string, onClose: () => void }} properties */
function Decision({ id, onClose }) {
  const [notice, setNotice] = useState(/** @type {(Notice & { matches: Match[] }) | null} */ (null));
  const [spare, setSpare] = useState(/** @type {string[]} */ ([]));
  const [reason, setReason] = useState("");
  useEffect(() => { get(`takedowns/${id}`).then(setNotice, notifyError); }, [id]);
  const decide = (/** @type {string} */ decision) => post(`takedowns/${id}/decision`, { decision, reason, spare: decision === "uphold" ? spare : [] }).then(() => { notify(t(`rights.done.${decision}`)); onClose(); }, notifyError);
  const toggle = (/** @type {string} */ entry) => setSpare(spare.includes(entry) ? spare.filter((name) => name !== entry) : [...spare, entry]);
  /** @type {Record<string, string[]>} */
  const ways = { open: ["uphold", "reject"], upheld: ["restore", "close"], countered: ["restore", "close"] };
  return html`<${Dialog} title=${t("rights.notice")} onClose=${onClose}>${notice && html`<div class="stack">
    <dl class="facts-list"><dt>${t("rights.kind")}</dt><dd>${t(`rights.kind.${notice.kind}`)}</dd><dt>${t("rights.from")}</dt><dd dir="auto">${notice.name} · ${notice.contact}</dd><dt>${t("rights.where")}</dt><dd class="breaks">${notice.locator}</dd><dt>${t("rights.why")}</dt><dd dir="auto">${notice.statement}</dd>${notice.counter_statement && html`<dt>${t("rights.answer")}</dt><dd dir="auto">${notice.counter_statement} (${notice.counter_signature})</dd>`}</dl>
    <h3>${t("rights.matches", { count: notice.matches.length })}</h3>
    <ul class="made-list">${notice.matches.map((match) => html`<li key=${match.entry_id}>${picture(notice.id, match)}<span class="made-text"><b>${t(`rights.match.${match.kind}`)}${match.kind === "near" ? ` · ${Math.round(100 * match.similarity)} %` : ""}</b><small class="breaks">${match.entry_id}</small></span>
      ${notice.status === "open" && match.kind !== "named" && html`<label class="check-row"><input type="checkbox" checked=${!spare.includes(match.entry_id)} onChange=${() => toggle(match.entry_id)} /><span>${t("rights.remove")}</span></label>`}</li>`)}</ul>
    ${ways[notice.status] && html`<${Field} label=${t("rights.reason")} hint=${t("rights.reason.hint")}>${(/** @type {any} */ field) => html`<textarea ...${field} rows="2" dir="auto" value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.currentTarget.value)}></textarea>`}<//>
      <div class="row wrap dialog-end">${ways[notice.status].map((way) => html`<${Button} key=${way} kind=${["uphold", "close"].includes(way) ? "danger" : ""} onClick=${() => decide(way)}>${t(`rights.way.${way}`)}<//>`)}</div>`}
  </div>`}<//>`;
}

/** What a reviewer sees of a match. @param {string} id @param {Match} match */
function picture(id, match) {
  const role = ["thumbnail", "file"].find((name) => match.files.includes(name));
  return role ? html`<img src=${address(`takedowns/${id}/evidence/${match.entry_id}`, { role })} alt=${t("rights.evidence")} />` : html`<span class="blank"></span>`;
}

function Uploads() {
  const [reviews, setReviews] = useState(/** @type {{ id: string, project_id: string, media_type: string, created_at: number }[]} */ ([]));
  const load = () => get("rights/reviews", { query: { limit: 50 } }).then((page) => setReviews(page.data), () => undefined);
  useEffect(() => { load(); }, []);
  const decide = (/** @type {string} */ id, /** @type {boolean} */ accepted) => post(`rights/reviews/${id}`, { accepted }).then(load, notifyError);
  if (!reviews.length) return null;
  return html`<h3>${t("rights.waiting", { count: reviews.length })}</h3><ul class="made-list">${reviews.map((review) => html`<li key=${review.id}>${review.media_type.startsWith("image/") ? html`<img src=${address(`rights/reviews/${review.id}/content`)} alt="" />` : html`<a href=${address(`rights/reviews/${review.id}/content`)} target="_blank" rel="noopener">${t("rights.watch")}</a>`}
    <span class="made-text"><b>${review.media_type}</b><small>${ago(review.created_at)}</small></span><${Button} onClick=${() => decide(review.id, true)}>${t("rights.accept")}<//><${Button} kind="danger" onClick=${() => decide(review.id, false)}>${t("rights.rejectFile")}<//></li>`)}</ul>`;
}
