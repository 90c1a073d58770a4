// What the click will take: asked while the form changes, and other ways beside it.
import { post } from "../../core/api.js";
import { listen } from "../../core/events.js";
import { duration } from "../../core/format.js";
import { keyLabel } from "../../core/keyboard.js";
import { t } from "../../core/strings.js";
import { batch, computed, effect, html, signal } from "../../core/ui.js";
import { mayWrite } from "../../core/session.js";
import { Button } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { change, draftRequest, form, make, making, refusal } from "./state.js";

/**
 * @typedef {{ p50: number, p90: number }} Span
 * @typedef {{ label: string, model: string, profile: string | null, size: string, seconds: number, eta: Span }} Alternative
 * @typedef {{ id: string, model: string, profile: string | null, size: string, seconds: number, n: number, eta: Span, queue_wait: Span,
 *   stages: { name: string, seconds: number }[], basis: string, alternatives: Alternative[], valid_until: number }} Quote
 */

export const quote = signal(/** @type {Quote | null} */ (null));
/** Why there is no quote: what the server says about the request. */
const objection = signal(/** @type {{ param: string | null, message: string } | null} */ (null));
const PAUSE = 250;
const QUEUE_PAUSE = 1500;
/** A quote is asked again some seconds before it ends. */
const MARGIN = 5;
/** Counts the quotes that ran out. */
const renewals = signal(0);

const question = computed(() => {
  if (!form.value.prompt.trim()) return "";
  const { operation, body } = draftRequest();
  // The words and the seed change nothing about the time; a change of them asks nobody.
  return JSON.stringify({ ...body, operation, prompt: "a", seed: undefined, characters: undefined });
});

/** Follow the form; once for this page. */
export function followQuote() {
  let timer = 0;
  let renewal = 0;
  let controller = new AbortController();
  let pause = 0;
  // The wait before the start changes with the queue.
  const stop = listen((type) => {
    if (!["queue.changed", "video.queued", "video.completed", "video.failed", "resync"].includes(type)) return;
    clearTimeout(pause);
    pause = setTimeout(() => { renewals.value += 1; }, QUEUE_PAUSE);
  });
  const end = effect(() => {
    const asked = question.value;
    renewals.value;
    clearTimeout(timer);
    clearTimeout(renewal);
    controller.abort();
    if (!asked) return;
    controller = new AbortController();
    const { signal } = controller;
    timer = setTimeout(async () => {
      try {
        const answer = await post("videos/quote", JSON.parse(asked), { signal });
        batch(() => {
          quote.value = answer;
          objection.value = null;
        });
        renewal = setTimeout(() => { renewals.value += 1; }, Math.max(10, answer.valid_until - Date.now() / 1000 - MARGIN) * 1000);
      } catch (error) {
        const { status, param, message } = /** @type {any} */ (error);
        if (signal.aborted) return;
        batch(() => {
          quote.value = null;
          objection.value = status === 400 ? { param, message } : null;
        });
      }
    }, quote.peek() ? PAUSE : 0);
  });
  return () => {
    stop();
    end();
    clearTimeout(pause);
    clearTimeout(renewal);
  };
}

/** Another way is what the form says then. @param {Alternative} other */
function apply(other) {
  change({ model: other.model, profile: other.profile ?? "", size: other.size, seconds: other.seconds }, "");
}

/** The panel before the click, with the button. */
export function QuotePanel() {
  const known = quote.value;
  const { takes } = form.value;
  const trouble = refusal.value ?? objection.value;
  const ready = Boolean(form.value.prompt.trim()) && mayWrite();
  return html`<section class="sheet panel stack before" aria-labelledby="before-title">
    <div class="row between"><h2 id="before-title">${t("create.quote.title")}</h2>${known && html`<small>${t(`create.quote.${known.basis}`)}</small>`}</div>
    ${known && html`<${Times} known=${known} />`}
    ${!known && !trouble && html`<p class="small quote-none">${t(form.value.prompt.trim() ? "create.quote.none" : "create.quote.empty")}</p>`}
    ${trouble && html`<p class="refusal" role="alert"><${Icon} name="warning" /><span>${trouble.message}</span></p>`}
    <${Button} kind="primary" aria-disabled=${!ready || making.value} aria-keyshortcuts="Control+Enter" onClick=${() => ready && make()}>
      ${t(making.value ? "create.making" : "create.make", { count: takes })}<kbd aria-hidden="true">${keyLabel("mod+enter")}</kbd><//>
    <small>${known ? waitText(known.queue_wait) : t("create.quote.hint")}</small>
  </section>`;
}

/** @param {Span} wait */
const waitText = (wait) => (wait.p50 < 1 ? t("create.quote.now") : t("create.quote.wait", { time: duration(wait.p50), worst: duration(wait.p90) }));

/** What is different in another way. @param {Alternative} other @param {Quote} known */
function difference(other, known) {
  if (other.size !== known.size) return other.size.replace("x", " × ");
  if (other.profile === known.profile) return other.model;
  const key = `create.profile.${other.profile}`;
  return t(key) === key ? other.label : t(key);
}

/** @param {{ known: Quote }} properties */
function Times({ known }) {
  const whole = known.stages.reduce((sum, stage) => sum + stage.seconds, 0) || 1;
  const stages = known.stages.filter((stage) => stage.seconds / whole > 0.01);
  const name = (/** @type {string} */ stage) => t(`create.stage.${stage}`) === `create.stage.${stage}` ? stage : t(`create.stage.${stage}`);
  const words = stages.map((stage) => `${name(stage.name)} ${duration(stage.seconds)}`);
  return html`<p class="row between times"><span class="big">${duration(known.eta.p50)}</span><span class="small">${t("create.quote.worst", { time: duration(known.eta.p90) })}</span></p>
    <div class="quote-stages" role="img" aria-label=${words.join(", ")}>${stages.map((stage) => html`<i key=${stage.name} style=${{ flexGrow: Math.max(0.02, stage.seconds / whole) }}></i>`)}</div>
    <ul class="row wrap quote-words small" aria-hidden="true">${words.map((word) => html`<li key=${word}>${word}</li>`)}</ul>
    ${known.alternatives.length > 0 && html`<ul class="alternatives" aria-label=${t("create.quote.quicker")}>${known.alternatives.map((other) => html`<li key=${other.label}>
      <button type="button" class="alternative" onClick=${() => apply(other)}>
        <span>${t(other.eta.p50 < known.eta.p50 ? "create.quote.way.quicker" : "create.quote.way.slower", { way: difference(other, known) })}</span><b>${duration(other.eta.p50)}</b>
      </button></li>`)}</ul>`}`;
}
