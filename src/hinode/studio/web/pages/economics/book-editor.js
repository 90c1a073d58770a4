// A price or cost book as a text: a dry run says what it would change, and then it is put in force.
import { post, put } from "../../core/api.js";
import { notify } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { DraftActions, DraftText, useTextDraft } from "../../widgets/text-draft.js";
import { Stale, Table, usd } from "./figures.js";

/**
 * @typedef {import("hinode-api").components["schemas"]["OwnBook"]} Book
 * @typedef {import("hinode-api").components["schemas"]["PriceBooks"]} Books
 * @typedef {import("hinode-api").components["schemas"]["BookCheck"]} Check
 */

const today = () => new Date().toISOString().slice(0, 10);

/** What an empty book begins with. @type {Record<string, () => string>} */
const EXAMPLES = {
  costs: () => `version: ${today()}\nhardware:\n  - {hardware: own, usd_per_hour: 2.50, hosts: ["*"], source: invoice, date: ${today()}}\nproviders: []\n`,
  prices: () => `version: ${today()}\nprices:\n  - name: native/book\n    provider: own\n    usd_per_second: {"360": 0.01, "720": 0.02}\n    source: own\n    mark: own\n    date: ${today()}\n`,
};

/** @param {{ name: "prices" | "costs", book: Book, onSaved: (books: Books) => void }} properties */
export function BookEditor({ name, book, onSaved }) {
  const draft = useTextDraft({
    name: `book-${name}`,
    revision: book.digest,
    inForce: book.text,
    tryText: (text) => /** @type {Promise<Check>} */ (post(`economics/books/${name}/check`, { text })),
    put: async (text) => {
      const saved = await put(`economics/books/${name}`, { text, edited: book.digest });
      notify(t("economics.book.saved"));
      onSaved(saved);
    },
  });
  const label = t("economics.book.yaml", { name: t(`economics.book.${name}`) });
  const begin = () => { draft.change(EXAMPLES[name]()); draft.area.current?.focus(); };
  return html`<details class="book-editor" open=${book.fault !== "" || !draft.isInForce}><summary>${t("economics.book.edit")}</summary><div class="stack">
      <${DraftText} draft=${draft} label=${label} rows="10" fault=${book.fault ? { line: null, message: book.fault } : null} />
      <${DraftActions} draft=${draft} name=${label} result=${draft.check && html`<${Result} check=${draft.check} isCosts=${name === "costs"} />`} title=${t("economics.book.sure")} question=${html`<p>${t("economics.book.sureText")}</p>`}>${!draft.text && html`<${Button} onClick=${begin}>${t("economics.book.example")}<//>`}<//>
    </div></details>`;
}

/** @param {{ check: Check, isCosts: boolean }} properties */
function Result({ check, isCosts }) {
  const none = t("economics.book.absent");
  return html`<p>${t("economics.book.entries", { count: check.entries })}</p><${Stale} stale=${check.stale} />
    ${isCosts && html`<dl class="money-facts">${/** @type {const} */ (["before", "after"]).map((side) => html`<div key=${side}><dt>${t(`economics.book.usd.${side}`)}</dt><dd>${usd(side === "before" ? check.usd_before : check.usd_after)}</dd></div>`)}</dl>`}
    ${check.missing.length > 0 && html`<p>${t("economics.book.missing")}</p><ul class="dots">${check.missing.map((name) => html`<li key=${name}>${name}</li>`)}</ul>`}
    ${check.changes.length === 0 ? html`<p class="nothing">${t("economics.book.noChange")}</p>` : html`<${Table} texts caption=${t("economics.book.changes")} hidden=${false} head=${["what", "before", "after"].map((name) => t(`economics.book.${name}`))} rows=${check.changes.map((entry) => [entry.name, entry.before ?? none, entry.after ?? none])} />`}`;
}
