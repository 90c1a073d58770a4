// What an operation takes, before the click, and the click itself.
import { duration } from "../../core/format.js";
import { useShortcuts } from "../../core/keyboard.js";
import { followQuote, newEstimate } from "../../core/quotes.js";
import { t } from "../../core/strings.js";
import { classes, html, useEffect, useMemo, useSignal } from "../../core/ui.js";
import { Button, Segmented, Stepper } from "../../widgets/controls.js";

const MAX_TAKES = 4;

/** @typedef {import("../../core/quotes.js").Quote} Quote */

/**
 * What a request takes.
 * @param {string} operation
 * @param {object | null} body null while the request is incomplete
 */
function useEstimate(operation, body) {
  const request = useSignal(/** @type {Record<string, any> | null} */ (null));
  const estimate = useMemo(() => newEstimate(request), []);
  useEffect(() => { request.value = body && { operation, ...body }; });
  useEffect(() => followQuote(estimate), []);
  return { quote: estimate.quote.value, refusal: estimate.refusal.value };
}

/** The stages as one bar, the longest in the strongest colour. @param {{ quote: Quote }} properties */
function Stages({ quote }) {
  const total = quote.stages.reduce((sum, stage) => sum + stage.seconds, 0) || 1;
  const longest = [...quote.stages].sort((a, b) => b.seconds - a.seconds);
  const told = longest.slice(0, 3).filter((stage) => stage.seconds / total > 0.02);
  return html`<div class="stages" aria-hidden="true">${quote.stages.map((stage) => html`<i key=${stage.name} class=${`rank-${Math.min(2, longest.indexOf(stage))}`} style=${{ flexGrow: Math.max(0.015, stage.seconds / total) }}></i>`)}</div>
    <small class="row between wrap">${quote.stages.filter((stage) => told.includes(stage)).map((stage) => html`<span key=${stage.name}>${stageName(stage.name)} ${duration(stage.seconds)}</span>`)}</small>`;
}

/** @param {string} name */
export function stageName(name) {
  const text = t(`stage.${name}`);
  return text === `stage.${name}` ? name : text;
}

/**
 * @param {{ operation: string, label: string, body: object | null, missing: string | null, profiles: string[], profile: string | null, takes: number,
 *   onProfile: (profile: string) => void, onTakes: (takes: number) => void, onGo: () => void, busy: boolean }} properties
 *   takes: 0 for an operation that makes one clip only; missing: what is still to be done, in a sentence
 */
export function BeforeYouClick({ operation, label, body, missing, profiles, profile, takes, onProfile, onTakes, onGo, busy }) {
  const { quote, refusal } = useEstimate(operation, body);
  // Without an answer the click is tried; a refusal says what to change first.
  const refused = Boolean(refusal && refusal.status >= 400 && refusal.status < 500 && refusal.status !== 404);
  const ready = !missing && !refused && !busy;
  useShortcuts([{ keys: "mod+enter", label, group: t("clip.title"), inText: true, run: () => ready && onGo() }]);
  const chosen = profile ?? quote?.profile ?? "standard";
  const minutes = quote ? Math.max(1, Math.round((quote.valid_until - Date.now() / 1000) / 60)) : 0;
  return html`<section class="quote stack" aria-label=${t("quote.title")}>
    <div class="row between"><h3>${t("quote.title")}</h3>${quote && html`<small>${t("quote.holds", { count: minutes })}</small>`}</div>
    <div class=${classes("quote-answer stack", missing && "short")}>
      ${missing && html`<p class="small">${missing}</p>`}
      ${!missing && refused && html`<p class="error" role="status">${refusal?.message}</p>`}
      ${!missing && !refused && (quote
        ? html`<p class="eta"><b>${duration(quote.eta.p50)}</b> <span>${t("quote.worst", { time: duration(quote.eta.p90) })}</span></p>
          ${quote.queue_wait.p50 >= 1 && html`<p class="small">${t("quote.waits", { time: duration(quote.queue_wait.p50) })}</p>`}
          <${Stages} quote=${quote} />`
        : html`<p class="eta quiet"><b>…</b> <span>${refusal ? t("quote.none") : t("quote.asking")}</span></p>`)}
    </div>
    ${profiles.length > 1 && html`<${Segmented} wide label=${t("clip.profile")} value=${chosen} onChange=${onProfile} options=${profiles.map((name) => ({
      value: name, label: t(`profile.${name}`), title: alternative(quote, name) })) } />`}
    ${takes > 0 && html`<${Stepper} label=${t("clip.takes")} value=${takes} minimum=${1} maximum=${MAX_TAKES} onChange=${onTakes} less=${t("clip.takesLess")} more=${t("clip.takesMore")} />`}
    <${Button} kind="primary" disabled=${!ready} onClick=${onGo}>${takes > 1 ? t("clip.goTakes", { label, count: takes }) : label} <kbd aria-hidden="true">Ctrl ↵</kbd><//>
  </section>`;
}

/** How long another profile takes. @param {Quote | null} quote @param {string} profile */
function alternative(quote, profile) {
  const other = quote?.alternatives.find((entry) => entry.profile === profile);
  return other && duration(other.eta.p50);
}
