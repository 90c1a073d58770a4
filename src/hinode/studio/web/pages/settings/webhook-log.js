// What was delivered to an endpoint, and a sample event.
import { get, post } from "../../core/api.js";
import { ago, duration } from "../../core/format.js";
import { notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Button, Field } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { Icon } from "../../widgets/icons.js";
import { Loading } from "./form.js";

const PAGE = 20;
const CHIPS = { pending: "chip swap", delivered: "chip", failed: "chip bad" };

/**
 * @typedef {import("./webhooks.js").Endpoint} Endpoint
 * @typedef {{ number: number, at: number, seconds: number, status_code: number | null, error: string | null }} Attempt
 * @typedef {{ id: string, event_id: string, event_type: string, data: any, status: "pending" | "delivered" | "failed", created_at: number, next_attempt_at: number | null, attempts: Attempt[] }} Delivery
 */

/** @param {{ endpoint: Endpoint }} properties */
export function Deliveries({ endpoint }) {
  const [list, setList] = useState(/** @type {Delivery[] | null} */ (null));
  const [more, setMore] = useState(false);
  const read = async (/** @type {string} */ after) => {
    try {
      const page = await get(`webhook_endpoints/${endpoint.id}/deliveries`, { query: { limit: PAGE, after } });
      setList((before) => [...(after && before ? before : []), ...page.data]);
      setMore(page.has_more);
    } catch (error) {
      notifyError(error);
      setList((before) => before ?? []);
    }
  };
  useEffect(() => { read(""); }, []);
  if (!list) return html`<${Loading} />`;
  return html`<div class="deliveries" role="region" aria-label=${t("settings.logOf", { name: endpoint.name })}>
    <div class="row between"><small>${t("settings.logAbout")}</small><${Button} kind="quiet" icon="loop" onClick=${() => read("")}>${t("settings.readAgain")}<//></div>
    ${list.length === 0 ? html`<p class="nothing">${t("settings.noDeliveries")}</p>` : html`<ul>${list.map((delivery) => html`<${DeliveryRow} key=${delivery.id} delivery=${delivery} />`)}</ul>`}
    ${more && html`<${Button} kind="quiet" onClick=${() => read(list.at(-1)?.id ?? "")}>${t("settings.older")}<//>`}
  </div>`;
}

/** @param {Attempt} attempt */
const outcome = (attempt) => (attempt.status_code ? t("settings.answered", { status: String(attempt.status_code) }) : attempt.error ?? "");

/** @param {{ delivery: Delivery }} properties */
function DeliveryRow({ delivery }) {
  const last = delivery.attempts.at(-1);
  const next = delivery.next_attempt_at && delivery.status === "pending" ? t("settings.nextAttempt", { time: duration(Math.max(1, delivery.next_attempt_at - Date.now() / 1000)) }) : "";
  return html`<li><details><summary><${Icon} name="lower" /><span class=${CHIPS[delivery.status]}>${t(`delivery.${delivery.status}`)}</span><b>${delivery.event_type}</b>
      <small>${[ago(delivery.created_at), last && outcome(last), next].filter(Boolean).join(" · ")}</small></summary>
    <ol>${delivery.attempts.map((attempt) => html`<li key=${attempt.number}><small>${t("settings.attempt", { number: attempt.number })} · ${ago(attempt.at)} · ${duration(attempt.seconds)} · ${outcome(attempt)}${attempt.status_code && attempt.error ? ` · ${attempt.error}` : ""}</small></li>`)}</ol>
    <pre dir="ltr" tabindex="0">${JSON.stringify({ id: delivery.event_id, type: delivery.event_type, data: delivery.data }, null, 2)}</pre></details></li>`;
}

/** @param {{ endpoint: Endpoint, onClose: () => void }} properties */
export function TestDialog({ endpoint, onClose }) {
  const [type, setType] = useState(endpoint.event_types[0]);
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState(/** @type {{ good: boolean, text: string } | null} */ (null));
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setAnswer(null);
    try {
      const { status_code: status } = await post(`webhook_endpoints/${endpoint.id}/test`, { event_type: type });
      setAnswer({ good: status >= 200 && status < 300, text: t("settings.answered", { status: String(status) }) });
    } catch (error) {
      setAnswer({ good: false, text: error instanceof Error ? error.message : String(error) });
    } finally {
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${t("settings.testOf", { name: endpoint.name })} onClose=${onClose}><form class="stack" onSubmit=${send}>
    <p>${t("settings.testText")}</p>
    <${Field} label=${t("settings.testEvent")}>${(/** @type {any} */ properties) => html`<select ...${properties} value=${type} onChange=${(/** @type {any} */ event) => setType(event.currentTarget.value)}>${endpoint.event_types.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select>`}<//>
    <div class="row form-actions"><span role="status" class="grow">${answer && html`<span class=${answer.good ? "chip" : "chip bad"}>${answer.text}</span>`}</span>
      <button class="button" type="submit" disabled=${busy}>${t(busy ? "settings.sending" : "settings.send")}</button></div></form><//>`;
}
