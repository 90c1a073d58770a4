// A scenario with other values: the server computes, the page asks again when a slider rests.
import { post } from "../../core/api.js";
import { notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useRef, useState } from "../../core/ui.js";
import { Button, Slider, Switch } from "../../widgets/controls.js";
import { Loading, Section } from "../settings/form.js";
import { Chart, number, percent, usd } from "./figures.js";

const LEVERS = ["distilled", "draft_first", "prepaid", "loss_limit"];
const REST_MS = 250;
const STEPS = 200;

/** @typedef {{ name: string, value: number, usual: number, low: number, high: number, unit: string, source: string }} Input */

/** The ends of a slider: those of the range, or half and twice a value that is known. @param {Input} input */
const bounds = (input) => input.low < input.high ? [input.low, input.high] : [input.usual / 2, input.usual * 2];

export default function WhatIf() {
  const [answer, setAnswer] = useState(/** @type {any} */ (null));
  const [values, setValues] = useState(/** @type {Record<string, number>} */ ({}));
  const [levers, setLevers] = useState(/** @type {string[]} */ ([]));
  const [busy, setBusy] = useState(false);
  const asked = useRef(0);
  useEffect(() => {
    const mine = (asked.current += 1);
    const timer = setTimeout(() => {
      setBusy(true);
      post("economics/what-if", { values, levers }).then((data) => { if (mine === asked.current) setAnswer(data); }, notifyError).finally(() => setBusy(false));
    }, answer ? REST_MS : 0);
    return () => clearTimeout(timer);
  }, [values, levers]);
  if (!answer) return html`<${Loading} />`;
  const { outcome, days } = answer;
  const toggle = (/** @type {string} */ name) => setLevers(levers.includes(name) ? levers.filter((lever) => lever !== name) : [...levers, name]);
  const facts = [
    ["pays", t(outcome.pays ? "economics.yes" : "economics.no")], ["paysIn", percent(outcome.pays_in)], ["loss", usd(outcome.loss_per_day)], ["served", percent(outcome.served)],
    ["perClip", usd(outcome.cost_per_clip)], ["evenCost", usd(outcome.break_even_cost)], ["evenPack", usd(outcome.break_even_price)],
    ["evenConversion", outcome.break_even_conversion === null ? t("economics.never") : percent(outcome.break_even_conversion)],
  ];
  const line = (/** @type {string} */ name, /** @type {(day: any) => number} */ read, dashed = false) => ({ name: t(`economics.line.${name}`), values: days.map(read), dashed });
  return html`<${Section} title=${answer.title} about=${t("economics.whatIf.about")}>
      <dl class="money-facts" aria-live="polite">${facts.map(([name, value]) => html`<div key=${name}><dt>${t(`economics.fact.${name}`)}</dt><dd>${value}</dd></div>`)}</dl>
      <${Chart} title=${t("economics.chart.loss")} labels=${days.map((/** @type {any} */ day) => day.date)} lines=${[
        line("usual", (day) => day.cost - day.spend), line("p5", (day) => day.loss_p5, true), line("p95", (day) => day.loss_p95, true), line("chance", (day) => day.loss_by_chance),
      ]} /><//>
    <${Section} title=${t("economics.levers")} about=${t("economics.levers.about")}>${LEVERS.map((name) => html`<${Switch} key=${name} label=${t(`economics.lever.${name}`)} checked=${levers.includes(name)} onChange=${() => toggle(name)} />`)}<//>
    <${Section} title=${t("economics.inputs")} about=${t("economics.inputs.about")}>
      <div class="what-if-inputs">${answer.inputs.map((/** @type {Input} */ input) => {
        const [low, high] = bounds(input);
        const value = values[input.name] ?? input.value;
        return html`<${Slider} key=${input.name} label=${t(`economics.input.${input.name}`)} value=${value} minimum=${low} maximum=${high} step=${(high - low) / STEPS || 1} text=${number(value)} onChange=${(/** @type {number} */ next) => setValues({ ...values, [input.name]: next })} />`;
      })}</div>
      <div class="row"><${Button} onClick=${() => { setValues({}); setLevers([]); }} disabled=${!Object.keys(values).length && !levers.length}>${t("economics.reset")}<//><span role="status" class="small">${busy ? t("economics.busy") : ""}</span></div><//>`;
}
