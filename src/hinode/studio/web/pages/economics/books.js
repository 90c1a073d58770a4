// The price and cost books, and which entries are old.
import { get } from "../../core/api.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Loading, Section, useRemote } from "../settings/form.js";
import { BookEditor } from "./book-editor.js";
import { Stale, Table, usd } from "./figures.js";

/** @typedef {{ version: string, entries: any[], stale: string[], fault: string }} Book */

/** Books that are edited here. */
const OWN = { prices: true, costs: true };

export default function Books() {
  const { data, setData } = useRemote(() => get("economics/books"));
  if (!data) return html`<${Loading} />`;
  return html`${["prices", "costs", "list_prices", "market_costs"].map((name) => html`<${Section} key=${name} title=${t(`economics.book.${name}`)} about=${t(`economics.book.${name}.about`)}><${Entries} name=${name} book=${data[name]} />
    ${name in OWN && html`<${BookEditor} key=${data[name].digest} name=${name} book=${data[name]} onSaved=${setData} />`}<//>`)}`;
}

/** @param {{ name: string, book: Book }} properties */
function Entries({ name, book }) {
  if (book.entries.length === 0) return html`<p class="nothing">${t("economics.book.none")}</p>`;
  const head = [t("economics.book.what"), t("economics.book.price"), t("economics.book.from"), t("economics.book.date")];
  return html`<${Stale} stale=${book.stale} /><${Table} texts caption=${t(`economics.book.${name}`)} head=${head} rows=${book.entries.map(row)} />`;
}

/** @param {any} entry */
function row(entry) {
  if (entry.hardware) {
    const to = entry.usd_per_hour_to;
    const price = to ? `${usd(entry.usd_per_hour)}–${usd(to)}` : usd(entry.usd_per_hour);
    return [`${entry.hardware}, ${entry.tier}`, t("economics.book.hour", { price }), entry.source, entry.date];
  }
  const rates = typeof entry.usd_per_second === "number" ? [usd(entry.usd_per_second)] : Object.entries(entry.usd_per_second).map(([side, rate]) => `${side}p ${usd(rate)}`);
  return [entry.name ? `${entry.name} (${entry.provider})` : entry.provider, t("economics.book.second", { price: rates.join(", ") }), entry.source, entry.date];
}
