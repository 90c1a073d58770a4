// Invoices and credit notes, and to whom they are addressed.
import { get, put } from "../../core/api.js";
import { money } from "../../core/format.js";
import { notify } from "../../core/notices.js";
import { isOwner } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button, Field } from "../../widgets/controls.js";
import { FormError, Section, allOf, useForm, useRemote } from "../settings/form.js";
import { Files, day } from "./statement.js";

/** @typedef {{ id: string, kind: string, issued_at: number, currency: string, gross: number }} Invoice */
/** @typedef {{ name: string, address: string, tax_id: string }} Recipient */

export function Invoices() {
  const { data: invoices } = useRemote(() => allOf("invoices"));
  const { data: recipient, setData } = useRemote(() => get("invoices/recipient"));
  return html`<${Section} heading="h2" title=${t("wallet.invoices")} about=${t("wallet.invoices.about")}>
      ${invoices?.length === 0 && html`<p class="nothing">${t("wallet.invoices.none")}</p>`}
      <ul class="entries">${(invoices ?? []).map((/** @type {Invoice} */ invoice) => {
        const name = t(`wallet.invoice.${invoice.kind}`, { number: invoice.id });
        return html`<li class="entry" key=${invoice.id}><span class="entry-text"><b>${name}</b> <small>${day(invoice.issued_at)} · ${money(invoice.gross, invoice.currency)}</small></span>
          <${Files} path=${`invoices/${invoice.id}/content`} name=${name} /></li>`;
      })}</ul>
    <//>
    ${recipient && html`<${Address} recipient=${recipient} onSaved=${setData} />`}`;
}

/** @param {{ recipient: Recipient, onSaved: (recipient: Recipient) => void }} properties */
function Address({ recipient, onSaved }) {
  const { name, address, tax_id } = recipient;
  const form = useForm("", { name, address, tax_id }, async (values) => {
    onSaved(await put("invoices/recipient", values));
    notify(t("settings.saved"));
  });
  const locked = !isOwner();
  return html`<${Section} heading="h2" title=${t("wallet.recipient")} about=${t("wallet.recipient.about")}>
    <form class="stack" onSubmit=${form.submit}>
      <${Field} label=${t("wallet.recipient.name")} error=${form.errors.name}>${(/** @type {any} */ field) => html`<input type="text" required maxlength="200" autocomplete="organization" readonly=${locked} ...${field} ...${form.text("name")} />`}<//>
      <${Field} label=${t("wallet.recipient.address")} hint=${t("wallet.recipient.address.hint")} error=${form.errors.address}>${(/** @type {any} */ field) => html`<textarea rows="4" required maxlength="1000" dir="auto" readonly=${locked} ...${field} ...${form.text("address")}></textarea>`}<//>
      <${Field} label=${t("wallet.recipient.tax")} hint=${t("wallet.recipient.tax.hint")} error=${form.errors.tax_id}>${(/** @type {any} */ field) => html`<input type="text" maxlength="64" readonly=${locked} ...${field} ...${form.text("tax_id")} />`}<//>
      <${FormError} errors=${form.errors} />
      ${!locked && html`<div><${Button} type="submit" disabled=${form.busy}>${t("action.save")}<//></div>`}
    </form><//>`;
}
