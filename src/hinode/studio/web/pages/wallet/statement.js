// The statement of a month, with its files.
import { address, get } from "../../core/api.js";
import { money } from "../../core/format.js";
import { notifyError } from "../../core/notices.js";
import { href } from "../../core/router.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Field } from "../../widgets/controls.js";
import { Section } from "../settings/form.js";

const SHOWN = 100;

/** @typedef {{ id: string, at: number, text: string, job_id: string | null, amount: number, balance: number }} Entry */
/** @typedef {{ month: string, currency: string, opening: number, closing: number, data: Entry[] }} Data */

/** A day in UTC. @param {number} at seconds since 1970 */
export const day = (at) => new Date(at * 1000).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium", timeZone: "UTC" });

/** A day of the month that is shown. @param {number} at */
const shortDay = (at) => new Date(at * 1000).toLocaleDateString(document.documentElement.lang, { day: "numeric", month: "short", timeZone: "UTC" });

/** Links to the two files of a document. @param {{ path: string, name: string, query?: Record<string, string> }} properties */
export function Files({ path, name, query = {} }) {
  return html`<span class="row">${["pdf", "page"].map((kind) => html`<a key=${kind} class="button" target="_blank" rel="noopener" aria-label=${t(`wallet.${kind}.of`, { name })}
    href=${address(path, { ...query, format: kind === "pdf" ? "pdf" : "html" })}>${t(`wallet.${kind}`)}</a>`)}</span>`;
}

export function Statement() {
  const [month, setMonth] = useState(() => new Date().toISOString().slice(0, 7));
  const [data, setData] = useState(/** @type {Data | null} */ (null));
  useEffect(() => {
    let current = true;
    if (/^20\d\d-\d\d$/.test(month)) get("credits/statement", { query: { month } }).then((answer) => { if (current) setData(answer); }, notifyError);
    return () => { current = false; };
  }, [month]);
  return html`<${Section} heading="h2" title=${t("wallet.statement")} about=${t("wallet.statement.about")}>
    <div class="row field-row wrap"><${Field} label=${t("wallet.statement.month")}>${(/** @type {any} */ field) => html`<input type="month" min="2024-01" placeholder="2026-11" ...${field} value=${month} onChange=${(/** @type {any} */ event) => setMonth(event.currentTarget.value)} />`}<//>
      ${data && html`<${Files} path="credits/statement/content" query=${{ month: data.month }} name=${`${t("wallet.statement")} ${data.month}`} />`}</div>
    ${data && html`<${Table} data=${data} />`}
  <//>`;
}

/** @param {{ data: Data }} properties */
function Table({ data }) {
  const amount = (/** @type {number} */ micro) => money(micro, data.currency);
  if (data.data.length === 0) return html`<p class="nothing">${t("wallet.statement.none")} ${t("wallet.statement.closing")}: ${amount(data.closing)}</p>`;
  return html`<div class="wallet-table" tabindex="0" role="region" aria-label=${t("wallet.statement.table")}><table>
      <thead><tr>${["day", "what", "amount", "balance"].map((name) => html`<th key=${name} scope="col">${t(`wallet.statement.${name}`)}</th>`)}</tr></thead>
      <tbody>
        <tr class="edge"><td></td><td>${t("wallet.statement.opening")}</td><td></td><td>${amount(data.opening)}</td></tr>
        ${data.data.slice(0, SHOWN).map((entry) => html`<tr key=${entry.id}><td>${shortDay(entry.at)}</td>
          <td>${entry.job_id ? html`<a href=${href("clip", entry.job_id)}>${entry.text}</a>` : entry.text}</td><td>${amount(entry.amount)}</td><td>${amount(entry.balance)}</td></tr>`)}
        <tr class="edge"><td></td><td>${t("wallet.statement.closing")}</td><td></td><td>${amount(data.closing)}</td></tr>
      </tbody></table></div>
    ${data.data.length > SHOWN && html`<small>${t("wallet.statement.more", { count: SHOWN })}</small>`}`;
}
