// API keys: for programs. A key is shown once.
import { post, remove } from "../../core/api.js";
import { ago } from "../../core/format.js";
import { notify, notifyError } from "../../core/notices.js";
import { isOwner } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Confirm } from "../../widgets/confirm.js";
import { Button, Field } from "../../widgets/controls.js";
import { CopyField } from "../../widgets/copy.js";
import { Icon } from "../../widgets/icons.js";
import { allOf, FormError, Loading, OwnersOnly, Section, useForm, useRemote } from "./form.js";

const SCOPES = ["read", "write", "manage"];

/** @typedef {{ id: string, name: string, hint: string, scopes: string[], requests_per_minute: number | null, created_at: number, last_used_at: number | null, revoked_at: number | null, key?: string }} Key */

export default function Keys() {
  const { data, reload } = useRemote(() => allOf("keys"));
  const [made, setMade] = useState(/** @type {Key | null} */ (null));
  const [revoking, setRevoking] = useState(/** @type {Key | null} */ (null));
  if (!data) return html`<${Loading} />`;
  const create = async (/** @type {Key} */ key) => {
    setMade(key);
    await reload();
  };
  const revoke = async (/** @type {Key} */ key) => {
    try {
      await remove(`keys/${key.id}`);
      if (made?.id === key.id) setMade(null);
      notify(t("settings.keyRevoked", { name: key.name }));
    } catch (error) {
      notifyError(error);
    }
    await reload();
  };
  const live = data.filter((key) => !key.revoked_at);
  const revoked = data.filter((key) => key.revoked_at);
  return html`${!isOwner() && html`<${OwnersOnly} />`}
    <${Section} title=${t("settings.keysHeading")} about=${html`${t("settings.keysAbout")} <code>Authorization: Bearer sk-…</code>`}>
      ${made?.key && html`<div class="once" role="status"><p><b>${t("settings.keyMade", { name: made.name })}</b> ${t("settings.keyOnce")}</p><${CopyField} label=${t("settings.keyMade", { name: made.name })} text=${made.key} /></div>`}
      ${live.length === 0 && html`<p class="nothing">${t("settings.noKeys")}</p>`}
      <ul class="entries">${live.map((key) => html`<${KeyRow} key=${key.id} entry=${key} onRevoke=${setRevoking} />`)}</ul>
      ${isOwner() && html`<${CreateKey} onCreate=${create} />`}
    <//>
    ${revoked.length > 0 && html`<details class="settings-old"><summary>${t("settings.revokedKeys", { count: revoked.length })}</summary><ul class="entries sheet panel">${revoked.map((key) => html`<${KeyRow} key=${key.id} entry=${key} />`)}</ul></details>`}
    ${revoking && html`<${Confirm} title=${t("settings.revokeKey", { name: revoking.name })} action=${t("settings.revoke")} onConfirm=${() => revoke(revoking)} onClose=${() => setRevoking(null)}><p>${t("settings.revokeText")}</p><//>`}`;
}

/** @param {{ entry: Key, onRevoke?: (key: Key) => void }} properties */
function KeyRow({ entry, onRevoke }) {
  const rate = entry.requests_per_minute && t("settings.rate", { count: entry.requests_per_minute });
  const used = entry.last_used_at ? t("settings.lastUsed", { time: ago(entry.last_used_at) }) : t("settings.neverUsed");
  return html`<li class="entry"><span class="entry-initial"><${Icon} name="key" /></span>
    <div class="entry-text"><b dir="auto">${entry.name}</b><small><code dir="ltr">${entry.hint}</code> ${[entry.scopes.map((scope) => t(`scope.${scope}`)).join(", "), rate, used].filter(Boolean).join(" · ")}</small></div>
    ${isOwner() && onRevoke && html`<${Button} kind="danger" aria-label=${`${t("settings.revoke")}: ${entry.name}`} onClick=${() => onRevoke(entry)}>${t("settings.revoke")}<//>`}</li>`;
}

/** @param {{ onCreate: (key: Key) => Promise<void> }} properties */
function CreateKey({ onCreate }) {
  const form = useForm("key", { name: "", scopes: ["read", "write"], requests_per_minute: "" }, async (values) =>
    onCreate(await post("keys", { name: values.name.trim(), scopes: values.scopes, requests_per_minute: values.requests_per_minute ? Number(values.requests_per_minute) : null })));
  const toggle = (/** @type {string} */ scope, /** @type {boolean} */ on) => form.set({ scopes: SCOPES.filter((name) => (name === scope ? on : form.values.scopes.includes(name))) });
  return html`<form class="stack invite" onSubmit=${form.submit}><h4>${t("settings.createKey")}</h4>
    <div class="row field-row">
      <${Field} label=${t("settings.keyName")} error=${form.errors.name}>${(/** @type {any} */ properties) => html`<input type="text" required maxlength="100" autocomplete="off" placeholder=${t("settings.keyNameExample")} ...${properties} ...${form.text("name")} />`}<//>
      <${Field} label=${t("settings.keyRate")} error=${form.errors.requests_per_minute}>${(/** @type {any} */ properties) => html`<input type="number" min="1" max="1000000" placeholder=${t("settings.unlimited")} ...${properties} ...${form.text("requests_per_minute")} />`}<//>
    </div>
    <fieldset class="checks"><legend>${t("settings.scopes")}</legend>${SCOPES.map((scope) => html`<label key=${scope} class="check"><input type="checkbox" checked=${form.values.scopes.includes(scope)} onChange=${(/** @type {any} */ event) => toggle(scope, event.currentTarget.checked)} /><span><b>${t(`scope.${scope}`)}</b> <small>${t(`scope.${scope}.about`)}</small></span></label>`)}
      ${form.errors.scopes && html`<small class="error">${form.errors.scopes}</small>`}</fieldset>
    <div class="row"><button class="button" type="submit" disabled=${form.busy || !form.values.name.trim() || form.values.scopes.length === 0}>${t("settings.createKeyAction")}</button></div><${FormError} errors=${form.errors} /></form>`;
}
