// What the clips of a period cost and brought in.
import { get } from "../../core/api.js";
import { notifyError } from "../../core/notices.js";
import { href } from "../../core/router.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Segmented } from "../../widgets/controls.js";
import { Loading, Section } from "../settings/form.js";
import { Chart, Stale, Table, percent, usd } from "./figures.js";
import { MissingPrices, lacksPrices } from "./missing.js";

const PERIODS = [7, 30, 90];
const DAY = 86400000;
const KINDS = ["tenant", "model", "hardware"];

/** @param {number} days */
const since = (days) => new Date(Date.now() - days * DAY).toISOString().slice(0, 10);

/** Totals from the first day to each. @param {number[]} values */
function sums(values) {
  let sum = 0;
  return values.map((value) => (sum += value));
}

export default function Margin() {
  const [period, setPeriod] = useState(30);
  const [report, setReport] = useState(/** @type {any} */ (null));
  useEffect(() => {
    let current = true;
    get("economics", { query: { since: since(period) } }).then((answer) => current && setReport(answer), notifyError);
    return () => { current = false; };
  }, [period]);
  return html`<${Segmented} label=${t("economics.period")} value=${period} onChange=${setPeriod} options=${PERIODS.map((days) => ({ value: days, label: t("economics.days", { count: days }) }))} />
    ${!report ? html`<${Loading} />` : lacksPrices(report) ? html`<${MissingPrices} answer=${report} />` : html`<${Report} report=${report} />`}`;
}

/** @param {{ report: any }} properties */
function Report({ report }) {
  const { per, days } = report;
  const facts = [
    ["cost", usd(report.cost)], ["revenue", usd(report.revenue)], ["margin", usd(report.margin)], ["granted", usd(report.granted)],
    ["idle", usd(report.idle_cost)], ["utilisation", percent(report.utilisation)], ["reroll", percent(report.reroll_rate)],
    ["conversion", percent(report.conversion)], ["evenPrice", usd(report.break_even_price)], ["evenConversion", percent(report.break_even_conversion)],
  ];
  const rows = [["clip", report.delivered], ["accepted_clip", report.accepted]].map(([kind, count]) => [
    t(`economics.each.${kind}`, { count }), ...["cost", "revenue", "margin"].map((name) => usd(per[kind]?.[name])),
  ]);
  const amounts = [t("economics.cost"), t("economics.revenue"), t("economics.margin")];
  return html`<${Stale} stale=${report.stale} />
    <${Section} title=${t("economics.all")} about=${t("economics.all.about")}>
      <dl class="money-facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${t(`economics.fact.${name}`)}</dt><dd>${value}</dd></div>`)}</dl>
      <${Table} caption=${t("economics.each")} head=${[t("economics.each"), ...amounts]} rows=${rows} />
      <${Chart} title=${t("economics.chart.days")} labels=${days.map((/** @type {any} */ day) => day.date)} lines=${[
        { name: t("economics.cost"), values: sums(days.map((/** @type {any} */ day) => day.cost)) },
        { name: t("economics.revenue"), values: sums(days.map((/** @type {any} */ day) => day.revenue)) },
      ]} /><//>
    ${KINDS.map((kind) => html`<${Section} key=${kind} title=${t(`economics.by.${kind}`)}>
      ${Object.keys(report.by[kind]).length === 0 ? html`<p class="nothing">${t("economics.none")}</p>` : html`<${Table} caption=${t(`economics.by.${kind}`)} head=${[t(`economics.${kind}`), t("economics.clips"), ...amounts]}
        rows=${Object.entries(report.by[kind]).map(([name, group]) => [name, group.clips.toLocaleString(), usd(group.cost), usd(group.revenue), usd(group.margin)])} />`}<//>`)}
    <${Section} title=${t("economics.worst")} about=${t("economics.worst.about")}>${report.worst.length === 0 ? html`<p class="nothing">${t("economics.none")}</p>` : html`<${Table} caption=${t("economics.worst")} head=${[t("economics.clip"), ...amounts]}
      rows=${report.worst.map((/** @type {any} */ clip) => [html`<a href=${href("clip", clip.id)}>${clip.id}</a>`, usd(clip.cost), usd(clip.revenue), usd(clip.margin)])} />`}<//>
    <${Section} title=${t("economics.cohorts")} about=${t("economics.cohorts.about")}>${report.cohorts.length === 0 ? html`<p class="nothing">${t("economics.cohorts.none")}</p>` : html`<${Table} caption=${t("economics.cohorts")}
      head=${["week", "accounts", "activations", "acceptances", "payers", "day1", "day7", "day30", "revenue"].map((name) => t(`economics.cohort.${name}`))}
      rows=${report.cohorts.map((/** @type {any} */ cohort) => [cohort.week, cohort.accounts, cohort.activations, cohort.acceptances, cohort.payers, ...["1", "7", "30"].map((day) => cohort.returns[day].join("/")), usd(cohort.revenue)])} />`}<//>`;
}
