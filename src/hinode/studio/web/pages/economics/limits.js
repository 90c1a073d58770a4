// The limit of loss: how much may be given away, and what free use may have.
import { get, put } from "../../core/api.js";
import { notify, notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button, Field } from "../../widgets/controls.js";
import { FormError, Loading, Section, useForm, useRemote } from "../settings/form.js";
import { usd } from "./figures.js";

const MICRO = 1000000;
const PERIODS = ["day", "month", "total"];

/** @typedef {{ id: string, scope: string, period: string, amount: number, soft: number | null, hard: number | null }} Limit */

export default function Limits() {
  const { data, reload } = useRemote(() => get("economics/limits"));
  const form = useForm("", { period: "day", hard: "" }, async (values) => {
    await put("economics/limits", values);
    notify(t("economics.limit.done"));
    await reload();
  });
  if (!data) return html`<${Loading} />`;
  const remove = (/** @type {Limit} */ limit) => put("economics/limits", { period: limit.period }).then(reload, notifyError);
  const rules = data.free_use;
  return html`<${Section} title=${t("economics.limit")} about=${t("economics.limit.about")}>
      ${data.data.length === 0 && html`<p class="nothing">${t("economics.limit.none")}</p>`}
      <ul class="stack">${data.data.map((/** @type {Limit} */ limit) => html`<${Entry} key=${limit.id} limit=${limit} onRemove=${() => remove(limit)} />`)}</ul>
      <form class="row field-row" onSubmit=${form.submit}>
        <${Field} label=${t("economics.limit.period")}>${(/** @type {any} */ field) => html`<select ...${field} value=${form.values.period} onChange=${(/** @type {any} */ event) => form.set({ period: event.currentTarget.value })}>${PERIODS.map((name) => html`<option key=${name} value=${name}>${t(`economics.period.${name}`)}</option>`)}</select>`}<//>
        <${Field} label=${t("economics.limit.hard")} error=${form.errors.hard}>${(/** @type {any} */ field) => html`<input ...${field} type="text" inputmode="decimal" required ...${form.text("hard")} />`}<//>
        <${Button} type="submit" kind="primary" disabled=${form.busy}>${t("economics.limit.set")}<//>
      </form><${FormError} errors=${form.errors} /><//>
    <${Section} title=${t("economics.free")} about=${html`${t("economics.free.about")} <code>free.yaml</code>`}>
      <dl class="fact-list"><div><dt>${t("economics.free.profiles")}</dt><dd>${rules.profiles.join(", ") || t("economics.free.all")}</dd></div>
        <div><dt>${t("economics.free.clips")}</dt><dd>${rules.clips_a_day ?? t("economics.free.unlimited")}</dd></div>
        <div><dt>${t("economics.free.when")}</dt><dd>${t(rules.idle_only ? "economics.free.idle" : "economics.free.always")}</dd></div>
        <div><dt>${t("economics.free.mark")}</dt><dd>${t(rules.visible_mark ? "economics.free.marked" : "economics.free.unmarked")}</dd></div></dl><//>`;
}

/** @param {{ limit: Limit, onRemove: () => void }} properties */
function Entry({ limit, onRemove }) {
  const bound = limit.hard ?? limit.soft ?? 0;
  const name = `${t(`economics.scope.${limit.scope}`)}, ${t(`economics.period.${limit.period}`)}`;
  const words = t("economics.limit.used", { used: usd(limit.amount / MICRO), limit: usd(bound / MICRO) });
  return html`<li class="stack limit"><div class="row between wrap"><b>${name}</b><span>${words}</span></div>
    <meter min="0" max=${Math.max(bound, 1)} value=${Math.min(limit.amount, bound)} high=${Math.max(bound, 1) * 0.9} aria-label=${`${name}: ${words}`}></meter>
    ${limit.scope === "free" && html`<div><${Button} label=${t("economics.limit.removeOf", { name })} onClick=${onRemove}>${t("economics.limit.remove")}<//></div>`}</li>`;
}
