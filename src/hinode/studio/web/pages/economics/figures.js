// What the tabs share: amounts, tables, and a chart of lines with its figures as a table.
import { t } from "../../core/strings.js";
import { classes, html, useId } from "../../core/ui.js";

const WIDTH = 100;
const HEIGHT = 100;
/** Figures of a chart that its table has at most. */
const MAX_ROWS = 32;

const language = () => document.documentElement.lang;

/** An amount in USD: whole dollars of a large one, more decimals of a small one. @param {number | null | undefined} value */
export function usd(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 1 || size === 0 ? 2 : 4;
  return new Intl.NumberFormat(language(), { style: "currency", currency: "USD", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** @param {number | null | undefined} value */
export const percent = (value) => value === null || value === undefined ? "–" : new Intl.NumberFormat(language(), { style: "percent", maximumFractionDigits: 1 }).format(value);

/** A number with at most three digits that matter, for sliders. @param {number} value */
export const number = (value) => new Intl.NumberFormat(language(), { maximumSignificantDigits: 3 }).format(value);

/** An amount at an axis. @param {number} value */
const short = (value) => new Intl.NumberFormat(language(), { notation: "compact", maximumSignificantDigits: 3 }).format(value);

/** Round values around some others, the highest first; 0 is one of them. @param {number[]} values */
function roundTicks(values) {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values) || (low < 0 ? 0 : 1); // without any amount there is one line, at 0
  const rough = Math.max(high - low, 1e-9) / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 5].find((factor) => factor * unit >= rough) ?? 10);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  return Array.from({ length: last - first + 1 }, (_, place) => (last - place) * step);
}

/**
 * A table. Where the page is narrow each of its rows becomes a list; the roles stay those of a table.
 * @param {{ caption: string, head: string[], rows: any[][], hidden?: boolean, texts?: boolean }} properties
 *   hidden: the caption is for screen readers only; texts: the cells are words that may take several lines
 */
export function Table({ caption, head, rows, hidden = true, texts = false }) {
  return html`<div class=${classes("figures", texts && "texts")} role="region" aria-label=${t("economics.table", { caption })} tabindex="0"><table role="table">
    <caption class=${hidden ? "visually-hidden" : ""}>${caption}</caption>
    <thead role="rowgroup"><tr role="row">${head.map((name) => html`<th scope="col" role="columnheader" key=${name}>${name}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row, index) => html`<tr role="row" key=${index}>${row.map((cell, place) => place === 0 ? html`<th scope="row" role="rowheader">${cell}</th>` : html`<td role="cell" data-label=${head[place]}><span>${cell}</span></td>`)}</tr>`)}</tbody>
  </table></div>`;
}

/**
 * Lines over days, with a legend, and the figures as a table.
 * @param {{ title: string, labels: string[], lines: { name: string, values: number[], dashed?: boolean }[] }} properties
 */
export function Chart({ title, labels, lines }) {
  const id = useId();
  const ticks = roundTicks(lines.flatMap((line) => line.values));
  const [high, low] = [ticks[0], ticks[ticks.length - 1]];
  const last = Math.max(1, labels.length - 1);
  const x = (/** @type {number} */ place) => (WIDTH * place) / last;
  const y = (/** @type {number} */ value) => (HEIGHT * (high - value)) / (high - low);
  const step = Math.ceil(labels.length / MAX_ROWS);
  const shown = labels.map((label, place) => ({ label, place })).filter(({ place }) => (last - place) % step === 0);
  const ends = [...new Set([0, Math.floor(labels.length / 2), labels.length - 1])];
  return html`<figure class="chart" aria-labelledby=${id}>
    <figcaption><span id=${id}>${title}</span>
      <ul class="chart-legend">${lines.map((line, index) => html`<li key=${line.name}><i class=${`line-${index} ${line.dashed ? "dashed" : ""}`}></i>${line.name}</li>`)}</ul></figcaption>
    <div class="chart-plot"><div class="chart-up" aria-hidden="true">${ticks.map((tick) => html`<span key=${tick}>${short(tick)}</span>`)}</div>
      <svg role="img" aria-label=${t("economics.chart.about", { title, first: labels[0] ?? "", last: labels.at(-1) ?? "" })} viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
        <title>${title}</title>
        ${ticks.map((tick) => html`<path key=${tick} class="grid" d=${`M0,${y(tick)}H${WIDTH}`} />`)}
        ${low < 0 && html`<path class="zero" d=${`M0,${y(0)}H${WIDTH}`} />`}
        ${lines.map((line, index) => html`<polyline key=${line.name} class=${`line-${index} ${line.dashed ? "dashed" : ""}`} points=${line.values.map((value, place) => `${x(place).toFixed(2)},${y(value).toFixed(2)}`).join(" ")} />`)}
      </svg></div>
    <div class="chart-across" aria-hidden="true">${ends.map((place) => html`<span key=${place}>${labels[place]}</span>`)}</div>
    <details><summary>${t("economics.chart.figures")}</summary>
      <${Table} caption=${title} head=${[t("economics.day"), ...lines.map((line) => line.name)]} rows=${shown.map(({ label, place }) => [label, ...lines.map((line) => usd(line.values[place]))])} /></details>
  </figure>`;
}

/** Sentences about prices that are old. @param {{ stale: string[] }} properties */
export const Stale = ({ stale }) => stale.length > 0 && html`<details class="banner stale"><summary>${t("economics.stale", { count: stale.length })}</summary><ul>${stale.map((text) => html`<li key=${text}>${text}</li>`)}</ul></details>`;
