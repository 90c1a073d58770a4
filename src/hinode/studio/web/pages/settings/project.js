// The project: its name, how long clips are kept, how much they may take, and the feed.
import { get, post } from "../../core/api.js";
import { bytes } from "../../core/format.js";
import { notify, notifyError } from "../../core/notices.js";
import { isOwner, session } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Field, Segmented, Switch } from "../../widgets/controls.js";
import { FormError, Loading, OwnersOnly, Section, useForm, useRemote } from "./form.js";

const GIGABYTE = 1e9;

/** @typedef {{ name: string, expiry: string, storage_limit_bytes: number | null, feed_enabled: boolean }} ProjectData */

export default function Project() {
  const { data, setData } = useRemote(() => get("project"));
  if (!data) return html`<${Loading} />`;
  /** @param {Record<string, unknown>} change */
  const change = async (change) => {
    const answer = await post("project", change);
    setData(answer);
    const now = session.peek();
    if (now?.project) session.value = { ...now, project: { ...now.project, name: answer.name, feed_enabled: answer.feed_enabled } };
    notify(t("settings.saved"));
  };
  const own = { project: data, change, locked: !isOwner() };
  return html`${!isOwner() && html`<${OwnersOnly} />`}<${Name} ...${own} /><${Keeping} ...${own} /><${Storage} key=${data.storage_limit_bytes} ...${own} /><${FeedSwitch} ...${own} />`;
}

/** @typedef {{ project: ProjectData, change: (change: Record<string, unknown>) => Promise<void>, locked: boolean }} Part */

/** @param {Part} properties */
function Name({ project, change, locked }) {
  const form = useForm("", { name: project.name }, (values) => change({ name: values.name }));
  return html`<${Section} title=${t("settings.name")} about=${t("settings.nameAbout")}>
    <form class="row field-row" onSubmit=${form.submit}>
      <${Field} label=${t("settings.name")} error=${form.errors.name}>${(/** @type {any} */ properties) => html`<input type="text" required maxlength="100" readonly=${locked} ...${properties} ...${form.text("name")} />`}<//>
      ${!locked && html`<button class="button" type="submit" disabled=${form.busy || form.values.name === project.name}>${t("action.save")}</button>`}
    </form><${FormError} errors=${form.errors} /><//>`;
}

/** @param {Part} properties */
function Keeping({ project, change, locked }) {
  const options = ["never", "week"].map((value) => ({ value, label: t(`settings.expiry.${value}`), disabled: locked }));
  return html`<${Section} title=${t("settings.expiry")} about=${t("settings.expiryAbout")}>
    <${Segmented} label=${t("settings.expiry")} options=${options} value=${project.expiry} onChange=${(/** @type {string} */ expiry) => change({ expiry }).catch(notifyError)} /><//>`;
}

/** @param {Part} properties */
function Storage({ project, change, locked }) {
  const limit = project.storage_limit_bytes;
  const [limited, setLimited] = useState(limit !== null);
  const text = limit === null ? "50" : String(limit / GIGABYTE);
  const form = useForm("", { storage_limit_bytes: text }, (values) => change({ storage_limit_bytes: Math.round(Number(values.storage_limit_bytes) * GIGABYTE) }));
  const toggle = (/** @type {boolean} */ on) => {
    setLimited(on);
    if (!on && limit !== null) change({ storage_limit_bytes: "none" }).catch(notifyError);
  };
  return html`<${Section} title=${t("settings.storage")} about=${t("settings.storageAbout")}>
    <${Switch} label=${limit === null ? t("settings.storageNone") : t("settings.storageSome", { limit: bytes(limit) })} checked=${limited} disabled=${locked} onChange=${toggle} />
    ${limited && html`<form class="row field-row" onSubmit=${form.submit}>
      <${Field} label=${t("settings.storageLimit")} error=${form.errors.storage_limit_bytes}>${(/** @type {any} */ properties) => html`<input type="number" min="0" step="any" required readonly=${locked} ...${properties} ...${form.text("storage_limit_bytes")} />`}<//>
      ${!locked && html`<button class="button" type="submit" disabled=${form.busy || (limit !== null && form.values.storage_limit_bytes === text)}>${t("action.save")}</button>`}
    </form>`}<${FormError} errors=${form.errors} /><//>`;
}

/** @param {Part} properties */
function FeedSwitch({ project, change, locked }) {
  return html`<${Section} title=${t("nav.feed")} about=${t("settings.feedAbout")}>
    <${Switch} label=${t("settings.feedOn")} checked=${project.feed_enabled} disabled=${locked} onChange=${(/** @type {boolean} */ on) => change({ feed_enabled: on }).catch(notifyError)} /><//>`;
}
