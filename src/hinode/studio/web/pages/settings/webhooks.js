// Webhooks: endpoints with their secrets, a test, and the log of deliveries.
import { get, post, remove } from "../../core/api.js";
import { notify, notifyError } from "../../core/notices.js";
import { isOwner } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Confirm } from "../../widgets/confirm.js";
import { Button, Field } from "../../widgets/controls.js";
import { CopyField } from "../../widgets/copy.js";
import { Dialog } from "../../widgets/dialog.js";
import { Icon } from "../../widgets/icons.js";
import { Menu } from "../../widgets/menu.js";
import { allOf, FormError, Loading, OwnersOnly, Section, useForm, useRemote } from "./form.js";
import { Deliveries, TestDialog } from "./webhook-log.js";

/** @typedef {{ id: string, name: string, url: string, event_types: string[], disabled_at: number | null, signing_secret_hint: string, signing_secret?: string }} Endpoint */

export default function Webhooks() {
  const { data, reload } = useRemote(() => allOf("webhook_endpoints"));
  const types = useRemote(async () => (await get("webhook_event_types")).data);
  const [made, setMade] = useState(/** @type {Endpoint | null} */ (null));
  const [asked, setAsked] = useState(/** @type {{ what: "edit" | "rotate" | "delete" | "test", endpoint: Endpoint } | null} */ (null));
  if (!data || !types.data) return html`<${Loading} />`;
  const close = () => setAsked(null);
  const show = async (/** @type {Endpoint} */ endpoint) => {
    if (endpoint.signing_secret) setMade(endpoint);
    await reload();
  };
  const discard = (/** @type {Endpoint} */ endpoint) => remove(`webhook_endpoints/${endpoint.id}`).then(() => {
    if (made?.id === endpoint.id) setMade(null);
    notify(t("settings.hookDeleted", { name: endpoint.name }));
    return reload();
  }, notifyError);
  const { what, endpoint } = asked ?? {};
  return html`${!isOwner() && html`<${OwnersOnly} />`}
    <${Section} title=${t("settings.hooksHeading")} about=${t("settings.hooksAbout")}>
      ${made?.signing_secret && html`<div class="once" role="status"><p><b>${t("settings.secretOf", { name: made.name })}</b> ${t("settings.secretOnce")}</p><${CopyField} label=${t("settings.secretOf", { name: made.name })} text=${made.signing_secret} /></div>`}
      ${data.length === 0 && html`<p class="nothing">${t("settings.noHooks")}</p>`}
      <ul class="entries">${data.map((entry) => html`<${EndpointRow} key=${entry.id} endpoint=${entry} ask=${setAsked} />`)}</ul>
      ${isOwner() && html`<${EndpointForm} types=${types.data} onDone=${show} />`}
    <//>
    ${endpoint && what === "edit" && html`<${Dialog} title=${t("settings.hookEdit", { name: endpoint.name })} onClose=${close}><${EndpointForm} types=${types.data} endpoint=${endpoint} onDone=${async (/** @type {Endpoint} */ next) => { await show(next); close(); }} /><//>`}
    ${endpoint && what === "rotate" && html`<${Rotate} endpoint=${endpoint} onDone=${show} onClose=${close} />`}
    ${endpoint && what === "test" && html`<${TestDialog} endpoint=${endpoint} onClose=${close} />`}
    ${endpoint && what === "delete" && html`<${Confirm} title=${t("settings.hookDelete", { name: endpoint.name })} action=${t("action.delete")} onConfirm=${() => discard(endpoint)} onClose=${close}><p>${t("settings.hookDeleteText")}</p><//>`}`;
}

/** @param {{ endpoint: Endpoint, ask: (question: { what: "edit" | "rotate" | "delete" | "test", endpoint: Endpoint }) => void }} properties */
function EndpointRow({ endpoint, ask }) {
  const [open, setOpen] = useState(false);
  const entry = (/** @type {"edit" | "rotate" | "delete"} */ what, /** @type {string} */ icon) => ({ label: t(`settings.hook.${what}`), icon, danger: what === "delete", run: () => ask({ what, endpoint }) });
  return html`<li class="entry hook"><span class="entry-initial"><${Icon} name="link" /></span>
    <div class="entry-text"><b dir="auto">${endpoint.name}</b><small dir="ltr" class="address">${endpoint.url}</small><small>${endpoint.event_types.join(", ")}</small></div>
    ${endpoint.disabled_at && html`<span class="chip swap" title=${t("settings.hookDisabledWhy")}>${t("settings.hookDisabled")}</span>`}
    <span class="row"><${Button} aria-expanded=${open} aria-label=${`${t("settings.log")}: ${endpoint.name}`} onClick=${() => setOpen(!open)}>${t("settings.log")}<//>
      ${isOwner() && html`<${Button} aria-label=${`${t("settings.test")}: ${endpoint.name}`} onClick=${() => ask({ what: "test", endpoint })}>${t("settings.test")}<//>
        <${Menu} kind="quiet" icon="more" label=${t("settings.moreFor", { name: endpoint.name })} items=${[entry("edit", "edit"), entry("rotate", "key"), entry("delete", "trash")]} />`}</span>
    ${open && html`<${Deliveries} endpoint=${endpoint} />`}</li>`;
}

/** @param {{ types: string[], endpoint?: Endpoint, onDone: (endpoint: Endpoint) => Promise<void> }} properties */
function EndpointForm({ types, endpoint, onDone }) {
  const initial = { name: endpoint?.name ?? "", url: endpoint?.url ?? "", event_types: endpoint?.event_types ?? ["video.completed", "video.failed"] };
  const path = endpoint ? `webhook_endpoints/${endpoint.id}` : "webhook_endpoints";
  const form = useForm(endpoint ? `hook-${endpoint.id}` : "hook", initial, async (values) => onDone(await post(path, { ...values, name: values.name.trim(), url: values.url.trim() })));
  const toggle = (/** @type {string} */ type, /** @type {boolean} */ on) => form.set({ event_types: types.filter((name) => (name === type ? on : form.values.event_types.includes(name))) });
  return html`<form class=${endpoint ? "stack" : "stack invite"} onSubmit=${form.submit}>${!endpoint && html`<h4>${t("settings.addHook")}</h4>`}
    <div class="row field-row">
      <${Field} label=${t("settings.hookName")} error=${form.errors.name}>${(/** @type {any} */ properties) => html`<input type="text" required maxlength="200" autocomplete="off" ...${properties} ...${form.text("name")} />`}<//>
      <${Field} label=${t("settings.hookUrl")} error=${form.errors.url}>${(/** @type {any} */ properties) => html`<input type="url" required dir="ltr" placeholder="https://example.com/hinode" autocomplete="off" ...${properties} ...${form.text("url")} />`}<//>
    </div>
    <fieldset class="checks columns"><legend>${t("settings.hookEvents")}</legend>${types.map((type) => html`<label key=${type} class="check"><input type="checkbox" checked=${form.values.event_types.includes(type)} onChange=${(/** @type {any} */ event) => toggle(type, event.currentTarget.checked)} /><span>${type}</span></label>`)}
      ${form.errors.event_types && html`<small class="error">${form.errors.event_types}</small>`}</fieldset>
    <div class="row"><button class="button" type="submit" disabled=${form.busy || !form.values.name.trim() || !form.values.url.trim() || form.values.event_types.length === 0}>${t(endpoint ? "action.save" : "settings.addHookAction")}</button></div>
    <${FormError} errors=${form.errors} /></form>`;
}

/** @param {{ endpoint: Endpoint, onDone: (endpoint: Endpoint) => Promise<void>, onClose: () => void }} properties */
function Rotate({ endpoint, onDone, onClose }) {
  const [keep, setKeep] = useState(true);
  const rotate = () => post(`webhook_endpoints/${endpoint.id}/rotate_secret`, { keep_old_secret_active_for_24_hours: keep }).then(onDone, notifyError);
  return html`<${Confirm} title=${t("settings.rotate", { name: endpoint.name })} action=${t("settings.rotateAction")} onConfirm=${rotate} onClose=${onClose}><p>${t("settings.rotateText")}</p>
    <label class="check"><input type="checkbox" checked=${keep} onChange=${(/** @type {any} */ event) => setKeep(event.currentTarget.checked)} /><span>${t("settings.rotateKeep")}</span></label><//>`;
}
