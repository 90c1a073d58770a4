// The policy of screening: its text, a dry run on past requests, and the versions before it.
import { get, post, put } from "../../core/api.js";
import { ago } from "../../core/format.js";
import { notify, notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Button, Field } from "../../widgets/controls.js";
import { DraftActions, DraftText, useTextDraft } from "../../widgets/text-draft.js";
import { Loading, Section, useRemote } from "../settings/form.js";

/**
 * @typedef {import("hinode-api").components["schemas"]["PolicyObject"]} Policy
 * @typedef {import("hinode-api").components["schemas"]["PolicyCheck"]} Check
 * @typedef {import("hinode-api").components["schemas"]["PolicyTrial"]} Trial
 */

const PAST = [0, 100, 300, 1000];

export default function PolicyTab() {
  const { data, setData } = useRemote(/** @type {() => Promise<Policy>} */ (() => get("policy")));
  if (!data) return html`<${Loading} />`;
  return html`<p class="settings-note">${t("trust.policy.about")}</p>
    <${Editor} key=${data.version} policy=${data} onSaved=${setData} /><${Categories} policy=${data} />`;
}

/** @param {{ policy: Policy, onSaved: (policy: Policy) => void }} properties */
function Editor({ policy, onSaved }) {
  const [prompts, setPrompts] = useState("");
  const [past, setPast] = useState(100);
  const draft = useTextDraft({
    name: "policy",
    revision: policy.version,
    inForce: policy.text,
    tryText: async (text) => {
      const check = /** @type {Check} */ (await post("policy/check", { text, past, prompts: prompts.split("\n").filter((line) => line.trim()) }));
      if (!check.fault) notify(check.past ? t("trust.policy.changes", { count: check.past.changed }) : t("trust.policy.valid"));
      return check;
    },
    put: async (text) => {
      const saved = await put("policy", { text, edited: policy.version });
      notify(t("trust.policy.saved"));
      onSaved(saved);
    },
  });
  const { check } = draft;
  const load = (/** @type {string} */ version) => get(`policy/${version}`).then((answer) => { draft.change(answer.text); draft.area.current?.focus(); }, notifyError);
  const question = html`<p>${check?.past ? t("trust.policy.changes", { count: check.past.changed }) : t("trust.policy.untried")}</p><p>${t("trust.policy.sureText")}</p>`;
  return html`<${Section} title=${t("trust.policy.text")} about=${t("trust.policy.textAbout")}>
      <${DraftText} draft=${draft} label=${t("trust.policy.yaml")} hint=${policy.text ? "" : t("trust.policy.builtin")} rows="16" fault=${policy.fault} />
      <${Field} label=${t("trust.policy.prompts")} hint=${t("trust.policy.promptsHint")}>${(/** @type {any} */ field) => html`<textarea ...${field} rows="2" dir="auto" value=${prompts} onInput=${(/** @type {any} */ event) => setPrompts(event.currentTarget.value)}></textarea>`}<//>
      <${DraftActions} draft=${draft} result=${check && html`<${Result} check=${check} />`} title=${t("trust.policy.sure")} question=${question}>
        <${Field} label=${t("trust.policy.past")}>${(/** @type {any} */ field) => html`<select ...${field} value=${past} onChange=${(/** @type {any} */ event) => setPast(Number(event.currentTarget.value))}>${PAST.map((count) => html`<option key=${count} value=${count}>${count ? t("trust.policy.count", { count }) : t("trust.policy.noPast")}</option>`)}</select>`}<//><//>
    <//>
    <${Section} title=${t("trust.policy.versions")} about=${t("trust.policy.versionsAbout")}>
      <p>${policy.version ? html`${t("trust.policy.inForce")} <code>${policy.version}</code>` : html`<span class="error">${t("trust.policy.broken")}</span>`}</p>
      ${policy.equipment && html`<p>${t("trust.policy.equipment")} ${policy.equipment}.</p>`}
      ${policy.changes.length > 0 && html`<ul class="entries">${policy.changes.map((entry) => html`<li class="entry" key=${entry.number}><div class="entry-text"><code>${entry.version}</code><small>${t("trust.policy.number", { number: entry.number })} · ${ago(entry.at)} · ${entry.actor}</small></div><${Button} kind="quiet" aria-label=${t("trust.policy.loadOf", { version: entry.version })} onClick=${() => load(entry.version)}>${t("trust.policy.load")}<//></li>`)}</ul>`}
    <//>`;
}

/** @param {{ check: Check }} properties */
function Result({ check }) {
  const { past, prompts } = check;
  return html`${prompts.length > 0 && html`<div><h4>${t("trust.policy.ofPrompts")}</h4><${Trials} trials=${prompts} /></div>`}
    ${past && html`<div class="stack"><h4>${t("trust.policy.ofPast", { count: past.count })}</h4>
      <dl class="counts">${/** @type {const} */ (["allow", "review", "block", "changed"]).map((name) => html`<div key=${name}><dt>${t(`trust.policy.${name}`)}</dt><dd>${past[name].toLocaleString()}</dd></div>`)}</dl>
      ${past.changed > 0 ? html`<${Trials} trials=${past.changes} />` : html`<p class="nothing">${t("trust.policy.noChange")}</p>`}</div>`}`;
}

/** @param {{ trials: Trial[] }} properties */
function Trials({ trials }) {
  return html`<ul class="trials">${trials.map((trial, index) => html`<li key=${index}><span class="row wrap"><span class=${`chip ${CHIPS[trial.before]}`}>${t(`trust.policy.${trial.before}`)}</span><span aria-hidden="true">→</span><span class="visually-hidden">${t("trust.policy.to")}</span><span class=${`chip ${CHIPS[trial.after]}`}>${t(`trust.policy.${trial.after}`)}</span></span>
    <span dir="auto" class="breaks">${trial.prompt ?? t("trust.notStored")}</span>${trial.rules.length > 0 && html`<small>${trial.rules.join(", ")}</small>`}</li>`)}</ul>`;
}

/** @type {Record<Trial["before"], string>} */
const CHIPS = { allow: "", review: "swap", block: "bad" };

/** @param {{ policy: Policy }} properties */
function Categories({ policy }) {
  if (!policy.categories.length) return null;
  return html`<${Section} title=${t("trust.policy.categories")} about=${t("trust.policy.categoriesAbout", { count: policy.languages.length })}>
    <ul class="entries">${policy.categories.map((category) => html`<li class="entry" key=${category.name}><div class="entry-text"><b>${category.title}</b><small>${category.name} · ${t("trust.policy.rules", { count: category.rules })} · ${t("trust.policy.severity", { severity: category.severity })}${category.locked ? ` · ${t("trust.policy.locked")}` : ""}</small></div><span class=${`chip ${CHIPS[category.action]}`}>${t(`trust.policy.${category.action}`)}</span></li>`)}</ul>
  <//>`;
}
