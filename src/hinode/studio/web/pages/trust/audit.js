// The audit log: read, filtered, verified, and taken along.
import { address, get } from "../../core/api.js";
import { notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Button, Field } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { Loading, Section } from "../settings/form.js";
import { usePages } from "./pages.js";

/**
 * @typedef {import("hinode-api").components["schemas"]["AuditEntry"]} Entry
 * @typedef {import("hinode-api").components["schemas"]["AuditVerification"]} Verification
 */

const PAGE = 50;
const DAY = 86_400;
const NOTHING = { kind: "", actor: "", subject: "", since: "", until: "" };

export default function Audit() {
  return html`<p class="settings-note">${t("trust.audit.about")}</p><${Verifying} /><${Log} />`;
}

function Verifying() {
  const [report, setReport] = useState(/** @type {Verification | null} */ (null));
  const [busy, setBusy] = useState(false);
  const verify = async () => {
    setBusy(true);
    await get("audit/verify").then(setReport, notifyError);
    setBusy(false);
  };
  return html`<${Section} title=${t("trust.audit.verify")} about=${t("trust.audit.verifyAbout")}>
    <div class="row wrap"><${Button} icon="check" disabled=${busy} onClick=${verify}>${t("trust.audit.verifyNow")}<//><a class="button" href=${address("audit/export")} download="audit.jsonl"><${Icon} name="down" />${t("trust.audit.export")}</a></div>
    <div role="status">${report && html`<p class="row"><span class=${`chip ${report.intact ? "" : "bad"}`}><${Icon} name=${report.intact ? "check" : "warning"} />${t(report.intact ? "trust.audit.intact" : "trust.audit.faulty")}</span> <span>${t("trust.audit.entries", { count: report.entries })}${report.unsigned ? ` · ${t("trust.audit.unsigned", { unsigned: report.unsigned })}` : ""}</span></p>
      <ul class="stack">${report.findings.map((finding, index) => html`<li key=${index} class="error">${finding.fault}: ${finding.message}</li>`)}</ul>`}</div>
  <//>`;
}

/** Seconds since 1970 of the beginning of a day here. @param {string} day */
const secondsOf = (day) => new Date(`${day}T00:00`).getTime() / 1000;

function Log() {
  const [form, setForm] = useState(NOTHING);
  const [wanted, setWanted] = useState(NOTHING);
  const { since, until, ...words } = wanted;
  /** @type {{ list: Entry[] | null, more: boolean, readMore: () => Promise<void> }} */
  const { list, more, readMore } = usePages("audit", { limit: PAGE, ...words, since: since && secondsOf(since), until: until && secondsOf(until) + DAY });
  const field = (/** @type {keyof typeof NOTHING} */ name, type = "text") => html`<${Field} label=${t(`trust.audit.${name}`)}>${(/** @type {any} */ properties) => html`<input ...${properties} type=${type} maxlength="200" autocomplete="off" value=${form[name]} onInput=${(/** @type {any} */ event) => setForm({ ...form, [name]: event.currentTarget.value })} />`}<//>`;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    setWanted({ ...form, kind: form.kind.trim(), actor: form.actor.trim(), subject: form.subject.trim() });
  };
  return html`<${Section} title=${t("trust.audit.log")}>
    <form class="row wrap field-row" onSubmit=${submit}>${field("kind")}${field("actor")}${field("subject")}${field("since", "date")}${field("until", "date")}<button class="button" type="submit">${t("trust.audit.filter")}</button></form>
    ${!list && html`<${Loading} />`}${list?.length === 0 && html`<p class="nothing">${t("trust.audit.none")}</p>`}
    <ol class="audit-list">${(list ?? []).map((entry) => html`<${Row} key=${entry.id} entry=${entry} />`)}</ol>
    ${more && html`<div><${Button} onClick=${readMore}>${t("trust.more")}<//></div>`}
  <//>`;
}

/** @param {{ entry: Entry }} properties */
function Row({ entry }) {
  const at = new Date(entry.at * 1000);
  return html`<li><details><summary><span class="number">${entry.id}</span><b>${entry.kind}</b><span class="breaks">${entry.actor}</span><time datetime=${at.toISOString()}>${at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" })}</time></summary>
    <dl class="fact-list"><div><dt>${t("trust.audit.subject")}</dt><dd>${entry.subject}</dd></div><div><dt>${t("trust.audit.payload")}</dt><dd>${entry.payload ? html`<pre tabindex="0" role="group" aria-label=${t("trust.audit.payload")}>${JSON.stringify(entry.payload, null, 1)}</pre>` : t("trust.audit.erased")}</dd></div><div><dt>${t("trust.audit.hash")}</dt><dd dir="ltr">${entry.hash}</dd></div></dl></details></li>`;
}
