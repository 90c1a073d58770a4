// Budgets of keys, people, projects, organisations, models and the whole server.
import { get, put, remove } from "../../core/api.js";
import { notify, notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button, Field } from "../../widgets/controls.js";
import { FormError, Loading, Section, useForm, useRemote } from "../settings/form.js";
import { usd } from "./figures.js";

const MICRO = 1000000;
const SCOPES = ["project", "organisation", "key", "user", "model", "installation", "free"];
const WHOLE = ["installation", "free"];
const PERIODS = ["day", "month", "total"];

/** @typedef {import("hinode-api").components["schemas"]["OperatorBudget"]} Budget */

export default function Budgets() {
  const { data, reload, setData } = useRemote(() => get("budgets"));
  const form = useForm("", { scope: "project", subject: "", period: "month", soft: "", hard: "" }, async ({ scope, subject, period, soft, hard }) => {
    const limits = Object.fromEntries(Object.entries({ soft, hard }).filter(([, text]) => text.trim()));
    setData(await put("budgets", { scope, period, subject: WHOLE.includes(scope) ? "" : subject.trim(), ...limits }));
    notify(t("economics.budget.done"));
  });
  if (!data) return html`<${Loading} />`;
  const drop = (/** @type {Budget} */ budget) => remove(`budgets/${budget.id}`).then(reload, notifyError);
  const select = (/** @type {"scope" | "period"} */ name, /** @type {string[]} */ names) => html`<${Field} label=${t(`economics.budget.${name}`)}>${(/** @type {any} */ field) => html`<select ...${field} value=${form.values[name]} onChange=${(/** @type {any} */ event) => form.set({ [name]: event.currentTarget.value })}>${names.map((each) => html`<option key=${each} value=${each}>${t(`economics.${name}.${each}`)}</option>`)}</select>`}<//>`;
  const amount = (/** @type {"soft" | "hard"} */ name) => html`<${Field} label=${t(`economics.budget.${name}`)} hint=${t(`economics.budget.${name}.hint`)} error=${form.errors[name]}>${(/** @type {any} */ field) => html`<input ...${field} type="text" inputmode="decimal" ...${form.text(name)} />`}<//>`;
  return html`<${Section} title=${t("economics.budgets")} about=${t("economics.budgets.about")}>
      ${data.data.length === 0 && html`<p class="nothing">${t("economics.budgets.none")}</p>`}
      <ul class="stack">${data.data.map((/** @type {Budget} */ budget) => html`<${Entry} key=${budget.id} budget=${budget} onRemove=${() => drop(budget)} />`)}</ul><//>
    <${Section} title=${t("economics.budget.set")} about=${t("economics.budget.about")}>
      <form class="stack" onSubmit=${form.submit}><div class="row field-row wrap">${select("scope", SCOPES)}${select("period", PERIODS)}</div>
        ${!WHOLE.includes(form.values.scope) && html`<${Field} label=${t("economics.budget.subject")} hint=${t(`economics.budget.subject.${form.values.scope === "model" ? "model" : "owner"}`)} error=${form.errors.subject}>${(/** @type {any} */ field) => html`<input ...${field} type="text" required maxlength="200" autocomplete="off" dir="auto" ...${form.text("subject")} />`}<//>`}
        <div class="row field-row wrap">${amount("soft")}${amount("hard")}</div>
        <div><${Button} type="submit" kind="primary" disabled=${form.busy}>${t("economics.budget.set")}<//></div><${FormError} errors=${form.errors} /></form><//>`;
}

/** @param {{ budget: Budget, onRemove: () => void }} properties */
function Entry({ budget, onRemove }) {
  const bound = Math.max(budget.hard ?? budget.soft ?? 0, 1);
  const name = [t(`economics.scope.${budget.scope}`), budget.name, t(`economics.period.${budget.period}`)].filter(Boolean).join(", ");
  const words = t("economics.limit.used", { used: usd(budget.amount / MICRO), limit: usd((budget.hard ?? budget.soft ?? 0) / MICRO) });
  return html`<li class="stack limit"><div class="row between wrap"><b class="breaks">${name}</b><span>${words}</span></div>
    <meter min="0" max=${bound} value=${Math.min(budget.amount, bound)} high=${bound * 0.9} aria-label=${`${name}: ${words}`}></meter>
    <div class="row between wrap"><small>${budget.soft === null ? t("economics.budget.noSoft") : t("economics.budget.softAt", { limit: usd(budget.soft / MICRO) })}${budget.hard === null ? ` ${t("economics.budget.noHard")}` : ""}</small>
      <${Button} label=${t("economics.limit.removeOf", { name })} onClick=${onRemove}>${t("economics.limit.remove")}<//></div></li>`;
}
