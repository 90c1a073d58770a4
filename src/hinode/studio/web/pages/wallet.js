// The wallet: credit, packs, promo codes, budgets, statements and invoices of the project.
import { get, post } from "../core/api.js";
import { money } from "../core/format.js";
import { notify, notifyError } from "../core/notices.js";
import { isOwner } from "../core/session.js";
import { t } from "../core/strings.js";
import { html, useState } from "../core/ui.js";
import { Button, Field } from "../widgets/controls.js";
import { PageHead } from "../widgets/frame.js";
import { FormError, Loading, Section, useForm, useRemote } from "./settings/form.js";
import { Invoices } from "./wallet/invoices.js";
import { day, Statement } from "./wallet/statement.js";

/**
 * @typedef {{ id: string, currency: string, available: number, pending: number, created_at: number, expires_at: number | null }} Lot
 * @typedef {{ id: string, scope: string, name: string, period: string, amount: number, soft: number | null, hard: number | null }} Budget
 * @typedef {{ billing: boolean, currency: string, available: number, pending: number, data: Lot[], budgets: Budget[] }} Credit
 * @typedef {{ id: string, name: string, currency: string, price: number, credit: number, days: number | null }} Pack
 */

export default function Page() {
  const { data, reload } = useRemote(() => get("credits"));
  return html`<${PageHead} title=${t("wallet.title")} />
    <div class="wallet stack">${data ? html`<${Credit} credit=${data} /><${Packs} /><${Code} onRedeemed=${reload} /><${Budgets} credit=${data} />` : html`<${Loading} />`}
      <${Statement} /><${Invoices} /></div>`;
}

/** @param {{ credit: Credit }} properties */
function Credit({ credit }) {
  const lots = credit.data.filter((lot) => lot.available > 0 || lot.pending > 0);
  return html`<${Section} heading="h2" title=${t("wallet.credit")} about=${t("wallet.credit.about")}>
    <p class="wallet-sum"><b>${money(credit.available, credit.currency)}</b> <span>${t("wallet.available")}</span></p>
    ${credit.pending > 0 && html`<p>${t("wallet.pending", { amount: money(credit.pending, credit.currency) })}</p>`}
    ${!credit.billing && html`<p class="settings-note">${t("wallet.free")}</p>`}
    ${lots.length === 0 && html`<p class="nothing">${t("wallet.lots.none")}</p>`}
    <ul class="entries">${lots.map((lot) => html`<li class="entry" key=${lot.id}><span class="entry-text"><b>${money(lot.available, lot.currency)}</b>
      <small>${t("wallet.lot.since", { day: day(lot.created_at) })} · ${lot.expires_at === null ? t("wallet.lot.ever") : t("wallet.lot.expires", { day: day(lot.expires_at) })}</small></span>
      ${lot.pending > 0 && html`<small class="entry-end">${t("wallet.lot.held", { amount: money(lot.pending, lot.currency) })}</small>`}</li>`)}</ul>
  <//>`;
}

function Packs() {
  const { data } = useRemote(() => get("credits/packs"));
  const [busy, setBusy] = useState("");
  if (!data) return null;
  const buy = (/** @type {Pack} */ pack) => {
    setBusy(pack.id);
    post("credits/checkout", { pack: pack.id }).then((answer) => location.assign(answer.url), (error) => { setBusy(""); notifyError(error); });
  };
  const note = data.data.length === 0 ? "none" : !data.payable ? "operator" : isOwner() ? "" : "owner";
  return html`<${Section} heading="h2" title=${t("wallet.packs")} about=${t("wallet.packs.about")}>
    ${note && html`<p class="nothing">${t(`wallet.packs.${note}`)}</p>`}
    <ul class="packs">${data.data.map((/** @type {Pack} */ pack) => html`<li key=${pack.id}><h3>${pack.name}</h3><b>${money(pack.price, pack.currency)}</b>
      <span>${t("wallet.pack.credit", { amount: money(pack.credit, pack.currency) })}${pack.days === null ? "" : ` ${t("wallet.pack.days", { count: pack.days })}`}</span>
      ${!note && html`<${Button} disabled=${busy !== ""} onClick=${() => buy(pack)}>${t("wallet.pack.buy", { name: pack.name, amount: money(pack.price, pack.currency) })}<//>`}</li>`)}</ul>
  <//>`;
}

/** @param {{ onRedeemed: () => void }} properties */
function Code({ onRedeemed }) {
  const form = useForm("", { code: "" }, async (values) => {
    const lot = await post("credits/redeem", { code: values.code });
    notify(t("wallet.code.done", { amount: money(lot.available, lot.currency) }));
    onRedeemed();
  });
  if (!isOwner()) return null;
  return html`<${Section} heading="h2" title=${t("wallet.code")} about=${t("wallet.code.about")}>
    <form class="row field-row" onSubmit=${form.submit}>
      <${Field} label=${t("wallet.code")} error=${form.errors.code}>${(/** @type {any} */ properties) => html`<input type="text" required maxlength="40" autocomplete="off" autocapitalize="characters" spellcheck=${false} ...${properties} ...${form.text("code")} />`}<//>
      <${Button} type="submit" disabled=${form.busy || !form.values.code.trim()}>${t("wallet.code.redeem")}<//>
    </form><${FormError} errors=${form.errors} /><//>`;
}

/** @param {{ credit: Credit }} properties */
function Budgets({ credit }) {
  const text = (/** @type {Budget} */ budget) => budget.hard === null ? money(budget.amount, credit.currency) : t("wallet.budget.of", { amount: money(budget.amount, credit.currency), limit: money(budget.hard, credit.currency) });
  return html`<${Section} heading="h2" title=${t("wallet.budgets")} about=${t("wallet.budgets.about")}>
    ${credit.budgets.length === 0 && html`<p class="nothing">${t("wallet.budgets.none")}</p>`}
    <ul class="stack">${credit.budgets.map((budget) => html`<li class="budget" key=${budget.id}><div class="row between wrap"><span>${t(`wallet.budget.${budget.scope}`, { name: budget.name })}, ${t(`wallet.budget.${budget.period}`)}</span><b>${text(budget)}</b></div>
      ${budget.hard !== null && html`<div class="usage-bar" aria-hidden="true"><i class="part-0" style=${{ width: `${Math.min(100, (budget.amount / Math.max(1, budget.hard)) * 100)}%` }}></i></div>`}
      ${budget.soft !== null && html`<small>${t("wallet.budget.soft", { limit: money(budget.soft, credit.currency) })}</small>`}</li>`)}</ul>
  <//>`;
}
