// A price or cost book as a text: a dry run says what it would change, and then it is put in force.
import { post, put } from "../../core/api.js";
import { notify, notifyError } from "../../core/notices.js";
import { loadDraft, storeDraft } from "../../core/storage.js";
import { t } from "../../core/strings.js";
import { html, useRef, useState } from "../../core/ui.js";
import { Confirm } from "../../widgets/confirm.js";
import { Button, Field } from "../../widgets/controls.js";
import { goTo } from "../../widgets/lines.js";
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
  const draft = `book-${name}`;
  const [text, setText] = useState(() => /** @type {string} */ (loadDraft(draft, {})[book.digest] ?? book.text));
  const [check, setCheck] = useState(/** @type {(Check & { text: string }) | null} */ (null));
  const [busy, setBusy] = useState(false);
  const [sure, setSure] = useState(false);
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const change = (/** @type {string} */ value) => {
    setText(value);
    storeDraft(draft, value === book.text ? undefined : { [book.digest]: value });
  };
  const tryIt = async () => {
    setBusy(true);
    try {
      const answer = await post(`economics/books/${name}/check`, { text });
      setCheck({ ...answer, text });
      if (answer.fault) goTo(area.current, answer.fault);
    } catch (error) {
      notifyError(error);
    }
    setBusy(false);
  };
  const save = async () => {
    try {
      const saved = await put(`economics/books/${name}`, { text, edited: book.digest });
      storeDraft(draft, undefined);
      notify(t("economics.book.saved"));
      onSaved(saved);
    } catch (error) {
      notifyError(error);
    }
  };
  const fresh = check?.text === text;
  const fault = fresh ? check.fault : null;
  const tried = fresh && !check.fault;
  const label = t("economics.book.yaml", { name: t(`economics.book.${name}`) });
  const sentence = fault ? (fault.line ? t("trust.policy.atLine", { line: fault.line, message: fault.message }) : fault.message) : text === book.text ? book.fault : "";
  return html`<details class="book-editor" open=${book.fault !== "" || text !== book.text}><summary>${t("economics.book.edit")}</summary><div class="stack">
      <${Field} label=${label} error=${sentence}>${(/** @type {any} */ field) => html`<textarea ...${field} ref=${area} class="code" rows="10" spellcheck=${false} autocomplete="off" dir="ltr" value=${text} onInput=${(/** @type {any} */ event) => change(event.currentTarget.value)}></textarea>`}<//>
      <div class="row wrap">${!text && html`<${Button} onClick=${() => { change(EXAMPLES[name]()); area.current?.focus(); }}>${t("economics.book.example")}<//>`}
        <${Button} icon="play" disabled=${busy || !text.trim()} label=${t("economics.book.tryOf", { name: label })} onClick=${tryIt}>${t("trust.policy.try")}<//>
        <${Button} kind="primary" icon="check" disabled=${!tried || text === book.text} label=${t("economics.book.saveOf", { name: label })} onClick=${() => setSure(true)}>${t("trust.policy.save")}<//></div>
      <p class="small">${t(text === book.text ? "trust.policy.same" : tried ? "trust.policy.ready" : "trust.policy.tryFirst")}</p>
      <div role="status" class="stack">${tried && html`<${Result} check=${check} isCosts=${name === "costs"} />`}</div></div>
      ${sure && html`<${Confirm} title=${t("economics.book.sure")} action=${t("trust.policy.save")} onConfirm=${save} onClose=${() => setSure(false)}><p>${t("economics.book.sureText")}</p><//>`}
    </details>`;
}

/** @param {{ check: Check, isCosts: boolean }} properties */
function Result({ check, isCosts }) {
  const none = t("economics.book.absent");
  return html`<p>${t("economics.book.entries", { count: check.entries })}</p><${Stale} stale=${check.stale} />
    ${isCosts && html`<dl class="money-facts">${/** @type {const} */ (["before", "after"]).map((side) => html`<div key=${side}><dt>${t(`economics.book.usd.${side}`)}</dt><dd>${usd(side === "before" ? check.usd_before : check.usd_after)}</dd></div>`)}</dl>`}
    ${check.missing.length > 0 && html`<p>${t("economics.book.missing")}</p><ul class="dots">${check.missing.map((name) => html`<li key=${name}>${name}</li>`)}</ul>`}
    ${check.changes.length === 0 ? html`<p class="nothing">${t("economics.book.noChange")}</p>` : html`<${Table} texts caption=${t("economics.book.changes")} hidden=${false} head=${["what", "before", "after"].map((name) => t(`economics.book.${name}`))} rows=${check.changes.map((entry) => [entry.name, entry.before ?? none, entry.after ?? none])} />`}`;
}
