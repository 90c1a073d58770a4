// What the list shows: search, filters and order, all of which stand in the address.
import { get } from "../../core/api.js";
import { afterFirstSight, tags } from "../../core/library.js";
import { isComposing, useShortcuts } from "../../core/keyboard.js";
import { navigate, replaceRoute } from "../../core/router.js";
import { t } from "../../core/strings.js";
import { classes, html, signal, useEffect, useRef, useState } from "../../core/ui.js";
import { Button, Field, Segmented } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { Icon } from "../../widgets/icons.js";

/** Names that the address of the library may have. */
export const NAMES = ["q", "starred", "operation", "model", "tag", "collection", "date", "since", "until", "order", "status", "parent"];
const OPERATIONS = ["generate", "remix", "edit", "extend", "loop", "blend", "retake", "recut", "storyboard"];
const DAYS = /** @type {Record<string, number>} */ ({ day: 1, week: 7, month: 31, year: 366 });
const models = signal(/** @type {string[]} */ ([]));

/** The filters of an address. @param {URLSearchParams} query @returns {Record<string, string>} */
export const filtersOf = (query) => Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]).filter(([, value]) => value));

/** The filters as the API has them. @param {Record<string, string>} filters */
export function parameters({ starred, date, since, until, ...rest }) {
  const at = (/** @type {string} */ day, /** @type {number} */ more) => {
    const time = Date.parse(`${day}T00:00:00`);
    return Number.isFinite(time) ? Math.floor(time / 1000) + more : undefined;
  };
  // Whole hours, so that the same address is the same list for a while.
  const recent = DAYS[date] && (Math.floor(Date.now() / 3600e3) - DAYS[date] * 24) * 3600;
  return { ...rest, favourite: starred ? true : undefined, since: recent || at(since, 0), until: at(until, 86399) };
}

/** @param {Record<string, string>} filters @param {Record<string, string>} change an empty value removes one */
export function go(filters, change, replace = false) {
  const next = Object.fromEntries(Object.entries({ ...filters, ...change }).filter(([, value]) => value));
  (replace ? replaceRoute : navigate)("library", "", next);
}

/** @param {{ filters: Record<string, string>, total: number, children?: any }} properties children: what stands at the end */
export function Filters({ filters, total, children }) {
  const [words, setWords] = useState(filters.q ?? "");
  const [more, setMore] = useState(false);
  const search = useRef(/** @type {HTMLInputElement | null} */ (null));
  const sent = useRef(filters.q ?? "");
  useEffect(() => afterFirstSight(() => {
    if (!models.peek().length) get("models").then((list) => { models.value = list.data.map((/** @type {any} */ model) => model.id); }, () => {});
  }), []);
  useEffect(() => {
    if ((filters.q ?? "") === sent.current) return;
    sent.current = filters.q ?? "";
    setWords(sent.current);
  }, [filters.q]);
  useEffect(() => {
    if (words === sent.current) return undefined;
    const timer = setTimeout(() => {
      sent.current = words;
      go(filters, { q: words }, true);
    }, 180);
    return () => clearTimeout(timer);
  }, [words]);
  useShortcuts([{ keys: "/", label: t("library.search"), group: t("library.title"), run: () => search.current?.focus() }]);
  const active = NAMES.filter((name) => !["q", "starred", "order", "collection"].includes(name) && filters[name]).length;
  const any = active > 0 || filters.q || filters.starred || filters.collection;
  return html`<div class="library-filters" role="search" aria-label=${t("library.filters")}>
    <label class="library-search"><${Icon} name="search" /><input ref=${search} type="search" aria-label=${t("library.search")} placeholder=${t("library.search")} value=${words}
      onInput=${(/** @type {any} */ event) => setWords(event.currentTarget.value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Escape" && words && !isComposing(event)) { event.preventDefault(); setWords(""); } }} /></label>
    <${Segmented} label=${t("library.which")} value=${filters.starred ? "1" : ""} onChange=${(/** @type {string} */ starred) => go(filters, { starred })}
      options=${[{ value: "", label: t("library.all") }, { value: "1", label: t("library.starred") }]} />
    <div class="selects"><${Choices} filters=${filters} /></div>
    <${Button} kind=${classes("filter-button", active > 0 && "on")} icon="filter" onClick=${() => setMore(true)}>${active ? t("library.filtersOn", { count: active }) : t("library.filters")}<//>
    ${any && html`<span class="chip info">${t("library.count", { count: Math.max(0, total) })}<button type="button" class="bare" aria-label=${t("library.clear")} title=${t("library.clear")} onClick=${() => go({}, filters.order ? { order: filters.order } : {})}>×</button></span>`}
    <span class="at-end">${children}</span>
    ${more && html`<${Dialog} title=${t("library.filters")} onClose=${() => setMore(false)}><div class="stack filter-sheet"><${Choices} filters=${filters} labels /></div><//>`}
  </div>`;
}

/** @param {{ filters: Record<string, string>, labels?: boolean }} properties labels: with a label above each, as in a dialog */
function Choices({ filters, labels = false }) {
  const known = tags.value.map((entry) => entry.tag);
  const lists = [
    { name: "operation", values: OPERATIONS, text: (/** @type {string} */ value) => t(`operation.${value}`) },
    { name: "model", values: models.value, text: String },
    { name: "tag", values: known, text: String },
    { name: "date", values: [...Object.keys(DAYS), "between"], text: (/** @type {string} */ value) => t(`library.date.${value}`) },
    { name: "status", values: ["expired", "failed"], text: (/** @type {string} */ value) => t(`library.status.${value}`) },
    { name: "order", values: ["oldest", "longest"], text: (/** @type {string} */ value) => t(`library.order.${value}`) },
  ];
  const between = filters.date === "between";
  /** @param {string} name @param {string} value */
  const change = (name, value) => go(filters, name === "date" && value !== "between" ? { date: value, since: "", until: "" } : { [name]: value });
  return html`${lists.map(({ name, values, text }) => {
      const value = filters[name] ?? "";
      const options = value && !values.includes(value) ? [value, ...values] : values;
      if (!options.length || (name === "status" && !labels && !value)) return null;
      const select = (/** @type {any} */ facts) => html`<select key=${name} ...${facts} class=${value ? "on" : ""} value=${value} onChange=${(/** @type {any} */ event) => change(name, event.currentTarget.value)}>
        <option value="">${t(`library.${name}.any`)}</option>${options.map((option) => html`<option key=${option} value=${option} selected=${option === value}>${text(option)}</option>`)}</select>`;
      return labels ? html`<${Field} key=${name} label=${t(`library.${name}`)}>${select}<//>` : select({ "aria-label": t(`library.${name}`) });
    })}
    ${between && html`<span class="row between-days">${["since", "until"].map((name) => html`<input type="date" key=${name} class="date" aria-label=${t(`library.${name}`)} value=${filters[name] ?? ""} onChange=${(/** @type {any} */ event) => go(filters, { [name]: event.currentTarget.value })} />`)}</span>`}`;
}
