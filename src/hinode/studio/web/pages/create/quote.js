// What the click will take, and other ways beside it.
import { decisionOf, duration } from "../../core/format.js";
import { keyLabel } from "../../core/keyboard.js";
import { lazy } from "../../core/lazy.js";
import { newEstimate } from "../../core/quotes.js";
import { mayWrite } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { computed, html } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { change, draftRequest, form, make, making, refusal } from "./state.js";

/** @typedef {import("../../core/quotes.js").Quote} Quote */

const Appeal = lazy(() => import("../../widgets/appeal.js"), "Appeal", { strings: ["rights"] });

/** What the form asks for, and what that takes. */
export const estimate = newEstimate(computed(() => {
  if (!form.value.prompt.trim()) return null;
  const { operation, body } = draftRequest();
  return { ...body, operation };
}));

/** Another way is what the form says then. @param {import("../../core/quotes.js").Alternative} other */
function apply(other) {
  change({ model: other.model, profile: other.profile ?? "", size: other.size, seconds: other.seconds }, "");
}

/** The panel before the click, with the button. */
export function QuotePanel() {
  const known = estimate.quote.value;
  const { takes } = form.value;
  const objection = estimate.refusal.value;
  const trouble = refusal.value ?? (objection?.status === 400 ? objection : null);
  const decision = decisionOf(trouble?.message);
  const ready = Boolean(form.value.prompt.trim()) && mayWrite();
  return html`<section class="sheet panel stack before" aria-labelledby="before-title">
    <div class="row between"><h2 id="before-title">${t("create.quote.title")}</h2>${known && html`<small>${t(`create.quote.${known.basis}`)}</small>`}</div>
    ${known && html`<${Times} known=${known} />`}
    ${!known && !trouble && html`<p class="small quote-none">${t(form.value.prompt.trim() ? "create.quote.none" : "create.quote.empty")}</p>`}
    ${trouble && html`<p class="refusal" role="alert"><${Icon} name="warning" /><span>${trouble.message}</span></p>`}
    ${decision && mayWrite() && html`<${Appeal} key=${decision} id=${decision} />`}
    <${Button} kind="primary" aria-disabled=${!ready || making.value} aria-keyshortcuts="Control+Enter" onClick=${() => ready && make()}>
      ${t(making.value ? "create.making" : "create.make", { count: takes })}<kbd aria-hidden="true">${keyLabel("mod+enter")}</kbd><//>
    <small>${known ? waitText(known.queue_wait) : t("create.quote.hint")}</small>
  </section>`;
}

/** @param {import("../../core/quotes.js").Span} wait */
const waitText = (wait) => (wait.p50 < 1 ? t("create.quote.now") : t("create.quote.wait", { time: duration(wait.p50), worst: duration(wait.p90) }));

/** What is different in another way. @param {import("../../core/quotes.js").Alternative} other @param {Quote} known */
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
