// What the record of a file says, drawn as a tree: the file, and below it what it was made from.
import { bytes } from "../core/format.js";
import { t } from "../core/strings.js";
import { classes, html } from "../core/ui.js";
import { Icon } from "./icons.js";

/**
 * @typedef {import("hinode-api").components["schemas"]["Verification"]} Report
 * @typedef {import("hinode-api").components["schemas"]["VerifiedManifest"]} Manifest
 * @typedef {import("hinode-api").components["schemas"]["VerifiedIngredient"]} Ingredient
 * @typedef {import("hinode-api").components["schemas"]["VerifiedFinding"]} Finding
 * @typedef {Report["verdict"]} Verdict
 */

/** @type {Record<Verdict, string>} */
const ICONS = { trusted: "check", unknown_signer: "people", tampered: "warning", damaged: "scissors", none: "clip", unreadable: "close" };

/** The verdict in two words, with a sign that does not need its colour. @param {{ verdict: Verdict }} properties */
export function VerdictChip({ verdict }) {
  return html`<span class=${`verdict ${verdict}`}><${Icon} name=${ICONS[verdict]} />${t(`verdict.${verdict}`)}</span>`;
}

/** The verdict and its sentence. @param {{ report: Report }} properties */
export function Verdict({ report }) {
  return html`<div class="verdict-words"><${VerdictChip} verdict=${report.verdict} /><p>${report.text}</p>
    ${report.is_original && html`<p class="small row"><${Icon} name="check" />${t("provenance.original")}</p>`}</div>`;
}

/**
 * The tree of a report. It is a nested list, so that a screen reader says how deep each file is.
 * @param {{ report: Report }} properties
 */
export function ProvenanceTree({ report }) {
  const rows = [
    ["sha256", report.sha256 && html`<code class="digest">${report.sha256}</code>`],
    ["size", bytes(report.bytes)],
    ["watermarks", report.watermarks && watermarks(report.watermarks)],
  ];
  return html`<ul class="provenance-tree"><${Node} name=${report.manifest?.title || t("provenance.thisFile")} note=${report.manifest?.title ? t("provenance.thisFile") : ""} state=${report.verdict}
    findings=${[...report.findings, ...(report.manifest?.findings ?? [])]} manifest=${report.manifest} rows=${rows} open=${true} /></ul>`;
}

/** The watermarks of this server in a file, in words. @param {NonNullable<Report["watermarks"]>} marks */
function watermarks(marks) {
  if (!marks.length) return t("watermark.none");
  return marks.map((mark) => html`<div key=${mark.id}>${t(mark.made_at ? "watermark.madeOn" : "watermark.madeHere", { date: mark.made_at ? date(mark.made_at) : "" })} <code class="digest">${mark.id}</code></div>`);
}

/** @param {number} seconds since 1970 */
const date = (seconds) => new Date(seconds * 1000).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" });

/**
 * @param {{ name: string, note: string, state: Verdict, findings: Finding[], manifest: Manifest | null, rows?: any[], open?: boolean, hint?: string }} properties
 */
function Node({ name, note, state, findings, manifest, rows = [], open = false, hint = "" }) {
  const below = manifest?.ingredients ?? [];
  return html`<li><article class=${classes("sheet", "provenance-node", state)}>
      <header><div class="words"><b>${name}</b>${note && html`<small>${note}</small>`}</div><${VerdictChip} verdict=${state} /></header>
      ${manifest && html`<p class="who">${who(manifest)}</p>`}
      ${findings.length > 0 && html`<ul class="findings" aria-label=${t("provenance.findings")}>${findings.map((finding) => html`<li key=${finding.code + finding.text} class=${finding.is_fault ? "fault" : "note"}>
        <${Icon} name=${finding.is_fault ? "warning" : "flag"} /><span><span class="visually-hidden">${t(finding.is_fault ? "provenance.fault" : "provenance.note")}: </span>${sentence(finding.text)}</span></li>`)}</ul>`}
      ${(manifest || rows.length > 0) && html`<details open=${open}><summary>${t("provenance.details")}<span class="visually-hidden">: ${name}</span></summary><${Facts} manifest=${manifest} rows=${rows} />
        ${hint && html`<p class="small">${hint}</p>`}</details>`}
    </article>
    ${below.length > 0 && html`<ul aria-label=${`${t("provenance.tree")}: ${name}`}>${below.map((entry, index) => html`<${Node} key=${index} name=${entry.title || t("provenance.noName")} note=${entry.relationship} state=${entry.state}
      findings=${entry.findings} manifest=${entry.manifest} hint=${entry.manifest ? t("provenance.asAdded") : ""} />`)}</ul>`}
  </li>`;
}

/** Who signed, and how the pictures came to be. @param {Manifest} manifest */
function who(manifest) {
  const name = [manifest.signer?.name, manifest.signer?.organization].filter(Boolean).join(", ");
  return [name, ...manifest.sources.map(sentence)].filter(Boolean).join(" · ");
}

/** @param {{ manifest: Manifest | null, rows: any[] }} properties */
function Facts({ manifest, rows }) {
  const own = manifest ? [
    ["signed_at", manifest.signed_at && new Date(manifest.signed_at).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" })],
    ["issuer", manifest.signer?.issuer],
    ["generator", manifest.generator],
    ["model", manifest.model],
    ["actions", manifest.actions.map((action) => action.text).join("; ")],
    ["watermark", manifest.soft_bindings.join(", ")],
    ["training", [...new Set(Object.values(manifest.training))].join(", ")],
    ["uncovered", manifest.uncovered.join(", ")],
    ["label", html`<code class="digest">${manifest.label}</code>`],
  ] : [];
  return html`<dl>${[...own, ...rows].filter(([, value]) => value).map(([key, value]) => html`<div key=${key}><dt>${t(`field.${key}`)}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** @param {string} text */
const sentence = (text) => text && text[0].toUpperCase() + text.slice(1);
