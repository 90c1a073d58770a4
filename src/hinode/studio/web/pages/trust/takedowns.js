// Notices of takedown and uploads that wait, for the whole server, and the transparency report.
import { address, get, post } from "../../core/api.js";
import { ago } from "../../core/format.js";
import { notify, notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Button, Field, Segmented } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { Icon } from "../../widgets/icons.js";
import { Section, useRemote } from "../settings/form.js";

/**
 * @typedef {import("hinode-api").components["schemas"]["TakedownObject"]} Notice
 * @typedef {import("hinode-api").components["schemas"]["MatchObject"]} Match
 * @typedef {import("hinode-api").components["schemas"]["TransparencyReport"]} Report
 */

const TABS = ["open", "countered", "upheld", "all"];
const DAYS = 365;

export default function Takedowns() {
  return html`<${Notices} /><${Uploads} /><${Transparency} />`;
}

function Notices() {
  const [tab, setTab] = useState("open");
  const [notices, setNotices] = useState(/** @type {Notice[] | null} */ (null));
  const [chosen, setChosen] = useState("");
  const load = () => get("takedowns", { query: { limit: 100, order: tab === "open" ? "asc" : "desc", ...(tab === "all" ? {} : { status: tab }) } }).then((page) => setNotices(page.data), notifyError);
  useEffect(() => { load(); }, [tab]);
  return html`<${Section} title=${t("rights.notices")} about=${t("rights.notices.about")}>
    <${Segmented} label=${t("rights.notices")} options=${TABS.map((value) => ({ value, label: t(`rights.tab.${value}`) }))} value=${tab} onChange=${setTab} />
    ${notices?.length === 0 && html`<p class="nothing">${t("rights.notices.none")}</p>`}
    <ul class="notices-list">${(notices ?? []).map((notice) => html`<li key=${notice.id}><div class="row between wrap"><b>${t(`rights.kind.${notice.kind}`)}</b><span class="chip open">${t(`rights.status.${notice.status}`)}</span></div>
      <p dir="auto" class="clamp">${notice.statement}</p><small>${ago(notice.created_at)}${notice.status === "open" ? ` · ${t("rights.hours", { count: Math.max(0, Math.round((notice.due_at - Date.now() / 1000) / 3600)) })}` : ""}</small>
      <div><${Button} onClick=${() => setChosen(notice.id)}>${t("rights.decide")}<//></div></li>`)}</ul>
    ${chosen && html`<${Decision} id=${chosen} onClose=${() => { setChosen(""); load(); }} />`}
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
  return html`<${Section} title=${t("rights.waiting", { count: reviews.length })}><ul class="made-list">${reviews.map((review) => html`<li key=${review.id}>${review.media_type.startsWith("image/") ? html`<img src=${address(`rights/reviews/${review.id}/content`)} alt="" />` : html`<a href=${address(`rights/reviews/${review.id}/content`)} target="_blank" rel="noopener">${t("rights.watch")}</a>`}
    <span class="made-text"><b>${review.media_type}</b><small>${ago(review.created_at)}</small></span><${Button} onClick=${() => decide(review.id, true)}>${t("rights.accept")}<//><${Button} kind="danger" onClick=${() => decide(review.id, false)}>${t("rights.rejectFile")}<//></li>`)}</ul><//>`;
}

function Transparency() {
  const { data } = useRemote(/** @type {() => Promise<Report>} */ (() => get("takedowns/report", { query: { days: DAYS } })));
  if (!data) return null;
  const hours = (/** @type {number | null} */ value) => (value === null ? "–" : t("trust.report.hours", { hours: Math.round(10 * value) / 10 }));
  const withheld = Object.values(data.withheld).reduce((sum, count) => sum + count, 0);
  const facts = { received: data.rows.reduce((sum, row) => sum + row.received, 0), median: hours(data.median_hours), longest: hours(data.longest_hours), late: data.late, automatic: data.automatic, withheld, answered: data.answered, restored: data.restored, consents: data.consents, revoked: data.revoked };
  return html`<${Section} title=${t("trust.report")} about=${t("trust.report.about")}>
    <dl class="counts">${Object.entries(facts).map(([name, value]) => html`<div key=${name}><dt>${t(`trust.report.${name}`)}</dt><dd>${value.toLocaleString()}</dd></div>`)}</dl>
    <div><a class="button" href=${address("takedowns/report", { days: DAYS })} download="transparency.json"><${Icon} name="down" />${t("trust.report.save")}</a></div>
  <//>`;
}
