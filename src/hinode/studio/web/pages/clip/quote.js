// What an operation takes, before the click, and the click itself.
import { post } from "../../core/api.js";
import { duration } from "../../core/format.js";
import { useShortcuts } from "../../core/keyboard.js";
import { t } from "../../core/strings.js";
import { classes, html, useEffect, useState } from "../../core/ui.js";
import { Button, Segmented, Stepper } from "../../widgets/controls.js";

const DELAY = 250;
const MAX_TAKES = 4;

/**
 * @typedef {object} Quote
 * @property {{ p50: number, p90: number }} eta
 * @property {{ p50: number, p90: number }} queue_wait
 * @property {{ name: string, seconds: number }[]} stages
 * @property {string | null} profile
 * @property {{ label: string, profile: string | null, size: string, model: string, eta: { p50: number, p90: number } }[]} alternatives
 * @property {number} valid_until seconds since 1970
 */

/**
 * The quote of a request; asked again when the request changes, and when it is out of date.
 * @param {string} operation
 * @param {object | null} body null while the request is incomplete
 * @returns {{ quote: Quote | null, refusal: import("../../core/api.js").ApiError | null }}
 */
export function useQuote(operation, body) {
  const [quote, setQuote] = useState(/** @type {Quote | null} */ (null));
  const [refusal, setRefusal] = useState(/** @type {any} */ (null));
  const [round, setRound] = useState(0);
  // The words change nothing about the time; a change of them asks nobody.
  const text = body && JSON.stringify({ operation, ...body, ...("prompt" in body && body.prompt ? { prompt: "a" } : {}) });
  useEffect(() => {
    if (!text) {
      setQuote(null);
      setRefusal(null);
      return undefined;
    }
    const controller = new AbortController();
    let again = 0;
    const timer = setTimeout(async () => {
      try {
        const answer = await post("videos/quote", JSON.parse(text), { signal: controller.signal });
        setQuote(answer);
        setRefusal(null);
        again = window.setTimeout(() => setRound(round + 1), Math.max(5000, answer.valid_until * 1000 - Date.now()));
      } catch (error) {
        if (controller.signal.aborted) return;
        setQuote(null);
        setRefusal(error);
      }
    }, DELAY);
    return () => {
      controller.abort();
      clearTimeout(timer);
      clearTimeout(again);
    };
  }, [text, round]);
  return { quote, refusal };
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
  const { quote, refusal } = useQuote(operation, body);
  // Without an answer the click is tried; a refusal says what to change first.
  const refused = Boolean(refusal && refusal.status >= 400 && refusal.status < 500 && refusal.status !== 404);
  const ready = !missing && !refused && !busy;
  useShortcuts([{ keys: "mod+enter", label, group: t("clip.title"), inText: true, run: () => ready && onGo() }], [ready, label, onGo]);
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
