// The queue of what screening stopped: texts, frames, reasons, appeals, and two buttons.
import { address, post } from "../../core/api.js";
import { ago } from "../../core/format.js";
import { useShortcuts } from "../../core/keyboard.js";
import { notify, notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useRef, useState } from "../../core/ui.js";
import { Button, Field, Segmented } from "../../widgets/controls.js";
import { Loading } from "../settings/form.js";
import { usePages } from "./pages.js";

/** @typedef {import("hinode-api").components["schemas"]["StoppedDetails"]} Stopped */

/** @type {Record<string, Record<string, boolean>>} */
const TABS = { waiting: {}, appealed: { appealed: true }, all: { waiting: false } };
const PAGE = 20;

export default function Review() {
  const [tab, setTab] = useState("waiting");
  const { list, more, readMore, setList } = usePages("review", { limit: PAGE, ...TABS[tab] });
  const entries = useRef(/** @type {HTMLOListElement | null} */ (null));
  const [next, setNext] = useState(-1);
  useEffect(() => {
    // What was decided is gone; the work goes on with the one that took its place.
    if (next >= 0) focusEntry(entries.current, Math.min(next, (list?.length ?? 0) - 1));
    setNext(-1);
  }, [list]);
  const decide = async (/** @type {Stopped} */ entry, /** @type {"approve" | "refuse"} */ decision, /** @type {string} */ note) => {
    try {
      const decided = await post(`review/${entry.id}`, { decision, note });
      notify(t(`trust.done.${decision}`));
      setNext(list?.findIndex(({ id }) => id === entry.id) ?? -1);
      setList((before) => (tab === "all" ? before.map((other) => (other.id === entry.id ? decided : other)) : before.filter(({ id }) => id !== entry.id)));
    } catch (error) {
      notifyError(error);
    }
  };
  const step = (/** @type {number} */ by) => {
    const all = [...(entries.current?.children ?? [])];
    const at = all.findIndex((entry) => entry.contains(document.activeElement));
    focusEntry(entries.current, Math.max(0, Math.min(all.length - 1, at + by)));
  };
  useShortcuts([
    { keys: "j", label: t("trust.next"), group: t("trust.title"), run: () => step(1) },
    { keys: "k", label: t("trust.previous"), group: t("trust.title"), run: () => step(-1) },
    { keys: "a", label: t("trust.approve"), group: t("trust.title"), run: () => press("approve") },
    { keys: "r", label: t("trust.refuse"), group: t("trust.title"), run: () => press("refuse") },
  ]);
  if (!list) return html`<${Loading} />`;
  return html`<p class="settings-note">${t("trust.review.about")}</p>
    <div><${Segmented} label=${t("trust.show")} options=${Object.keys(TABS).map((value) => ({ value, label: t(`trust.tab.${value}`) }))} value=${tab} onChange=${setTab} /></div>
    ${list.length === 0 && html`<p class="nothing">${t(`trust.none.${tab}`)}</p>`}
    <ol class="stopped-list" ref=${entries}>${list.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} onDecide=${decide} />`)}</ol>
    ${more && html`<div><${Button} onClick=${readMore}>${t("trust.more")}<//></div>`}`;
}

/** @param {HTMLElement | null} list @param {number} index */
function focusEntry(list, index) {
  const entry = list?.children[index];
  if (!(entry instanceof HTMLElement)) return document.getElementById("main")?.focus({ preventScroll: true });
  entry.focus({ preventScroll: true });
  entry.scrollIntoView({ block: "nearest" });
}

/** Press a button of the entry that has the focus. @param {string} name */
function press(name) {
  const entry = document.activeElement?.closest(".stopped-list > li");
  /** @type {HTMLElement | null | undefined} */ (entry?.querySelector(`[data-decision="${name}"]`))?.click();
}

/** @param {{ entry: Stopped, onDecide: (entry: Stopped, decision: "approve" | "refuse", note: string) => Promise<void> }} properties */
function Entry({ entry, onDecide }) {
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const title = entry.title || t("trust.noCategory");
  const decide = async (/** @type {"approve" | "refuse"} */ decision) => {
    setBusy(true);
    await onDecide(entry, decision, note);
    setBusy(false);
  };
  return html`<li class="sheet panel stack" tabindex="-1" aria-labelledby=${`title-${entry.id}`}>
    <div class="row between wrap"><h3 id=${`title-${entry.id}`}>${title}</h3><span class="row wrap">
      ${entry.appeal !== null && html`<span class="chip info">${t("trust.appealed")}</span>`}
      <span class=${`chip ${entry.outcome === "approved" ? "" : entry.action === "block" || entry.outcome ? "bad" : "swap"}`}>${t(entry.outcome ? `trust.outcome.${entry.outcome}` : `trust.action.${entry.action}`)}</span></span></div>
    ${entry.text === null ? html`<p class="nothing">${t("trust.notStored")}</p>` : html`<blockquote class="stopped-text" dir="auto" tabindex="0" role="group" aria-label=${t("trust.textOf")}>${entry.text}</blockquote>`}
    ${entry.has_frames && html`<img class="stopped-frames" src=${address(`review/${entry.id}/frames`)} alt=${t("trust.frames")} loading="lazy" />`}
    ${entry.appeal !== null && html`<div><h4>${t("trust.appeal")}</h4><p dir="auto" class="pre">${entry.appeal}</p></div>`}
    <details><summary>${t("trust.reasons", { count: entry.findings.length })}</summary><ul class="reasons">${entry.findings.map((finding, index) => html`<li key=${index}><code>${finding.rule}</code> <span>${finding.category.replaceAll("_", " ")} · ${finding.stage} · ${finding.reading}</span></li>`)}</ul></details>
    <small class="breaks">${ago(entry.created_at)} · ${entry.project_id} · ${entry.id}${entry.reviewer ? ` · ${t("trust.by", { reviewer: entry.reviewer })}` : ""}${entry.note ? ` · ${entry.note}` : ""}</small>
    <${Field} label=${t("trust.note")} hint=${t("trust.note.hint")}>${(/** @type {any} */ field) => html`<input ...${field} type="text" maxlength="2000" dir="auto" value=${note} onInput=${(/** @type {any} */ event) => setNote(event.currentTarget.value)} />`}<//>
    <div class="row wrap"><${Button} icon="check" data-decision="approve" disabled=${busy || !entry.approvable} title=${entry.approvable ? undefined : t("trust.gravest")} aria-label=${t("trust.approveOf", { title })} onClick=${() => decide("approve")}>${t("trust.approve")}<//>
      <${Button} kind="danger" icon="close" data-decision="refuse" disabled=${busy} aria-label=${t("trust.refuseOf", { title })} onClick=${() => decide("refuse")}>${t("trust.refuse")}<//>
      ${!entry.approvable && html`<small>${t("trust.gravest")}</small>`}</div>
  </li>`;
}
