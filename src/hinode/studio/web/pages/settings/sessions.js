// Open sessions, and one's own password.
import { post, remove } from "../../core/api.js";
import { ago } from "../../core/format.js";
import { notify, notifyError } from "../../core/notices.js";
import { session } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button, Field } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { allOf, FormError, Loading, Section, useForm, useRemote } from "./form.js";

const MIN_PASSWORD_LENGTH = 10;

/** @typedef {{ id: string, current: boolean, user_name: string | null, role: string, agent: string, created_at: number, last_used_at: number | null }} Entry */

const BROWSERS = /(Edg|OPR|Firefox|Chrome|Safari)\/(\d+)/g;
const SYSTEMS = /Android|iPhone|iPad|Windows|Mac OS X|CrOS|Linux/;

/** What a browser calls itself, in two words. @param {string} agent */
function browserName(agent) {
  const found = [...agent.matchAll(BROWSERS)].map((match) => match[1]);
  const name = ["Edg", "OPR", "Firefox", "Chrome", "Safari"].find((candidate) => found.includes(candidate));
  if (!name) return agent || t("settings.unknownBrowser");
  const browser = { Edg: "Edge", OPR: "Opera" }[name] ?? name;
  const system = (SYSTEMS.exec(agent)?.[0] ?? "").replace("Mac OS X", "macOS").replace("CrOS", "ChromeOS");
  return system ? t("settings.browserOn", { browser, system }) : browser;
}

export function Sessions() {
  const { data, reload } = useRemote(() => allOf("sessions"));
  const end = (/** @type {Entry} */ entry) => remove(`sessions/${entry.id}`).then(() => {
    notify(t("settings.sessionEnded"));
    return reload();
  }, notifyError);
  const others = data?.filter((entry) => !entry.current) ?? [];
  const endOthers = async () => {
    try {
      for (const entry of others) await remove(`sessions/${entry.id}`);
      notify(t("settings.sessionsEnded", { count: others.length }));
    } catch (error) {
      notifyError(error);
    }
    await reload();
  };
  return html`<${Section} title=${t("settings.sessions")} about=${t("settings.sessionsAbout")}>
    ${data ? html`<ul class="entries">${data.map((entry) => html`<li class="entry" key=${entry.id}><span class="entry-initial"><${Icon} name="key" /></span>
      <div class="entry-text"><b>${browserName(entry.agent)}</b><small>${[entry.user_name ?? t("settings.byLink"), t(`role.${entry.role}`), t("settings.lastUsed", { time: ago(entry.last_used_at ?? entry.created_at) })].join(" · ")}</small></div>
      ${entry.current ? html`<span class="chip">${t("settings.thisSession")}</span>` : html`<${Button} onClick=${() => end(entry)}>${t("settings.endSession")}<//>`}</li>`)}</ul>
      ${others.length > 1 && html`<p><${Button} onClick=${endOthers}>${t("settings.endOthers")}<//></p>`}` : html`<${Loading} />`}
  <//>`;
}

export function OwnPassword() {
  const form = useForm("", { current_password: "", password: "" }, async (values) => {
    await post("password", values);
    notify(t("settings.passwordChanged"));
  });
  if (!session.value?.user) return null;
  return html`<${Section} title=${t("settings.password")} about=${t("settings.passwordAbout")}>
    <form class="row field-row" onSubmit=${form.submit}>
      <${Field} label=${t("settings.currentPassword")} error=${form.errors.current_password}>${(/** @type {any} */ properties) => html`<input type="password" autocomplete="current-password" required ...${properties} ...${form.text("current_password")} />`}<//>
      <${Field} label=${t("signIn.newPassword")} error=${form.errors.password}>${(/** @type {any} */ properties) => html`<input type="password" autocomplete="new-password" required minlength=${MIN_PASSWORD_LENGTH} ...${properties} ...${form.text("password")} />`}<//>
      <button class="button" type="submit" disabled=${form.busy}>${t("settings.changePassword")}</button>
    </form><${FormError} errors=${form.errors} /><//>`;
}
