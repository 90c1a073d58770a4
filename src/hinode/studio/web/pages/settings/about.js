// The versions, and the studio as an app.
import { install, installed, offer } from "../../core/install.js";
import { session } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { Icon, Sun } from "../../widgets/icons.js";
import { outdated } from "../../widgets/frame.js";
import { Section } from "./form.js";

export default function About() {
  const server = /** @type {{ version: string, instance: string, studio?: string, secure: boolean } | undefined} */ (session.value?.server);
  const own = document.querySelector("meta[name=hinode-version]")?.getAttribute("content") ?? "";
  const facts = [["version", server?.version], ["studio", own], ["instance", server?.instance], ["address", location.origin], ["connection", t(server?.secure ? "settings.about.secure" : "settings.about.plain")]];
  return html`<div class="sheet panel about"><${Sun} /><div><b>Hinode</b><p>${t("settings.about.text")}</p></div></div>
    <${Section} title=${t("settings.about.server")}><dl class="fact-list">${facts.map(([name, value]) => html`<div key=${name}><dt>${t(`settings.about.${name}`)}</dt><dd dir="ltr">${value}</dd></div>`)}</dl>
      ${outdated.value && html`<p class="row"><span>${t("app.update")}</span><${Button} onClick=${() => location.reload()}>${t("app.reload")}<//></p>`}<//>
    <${Section} title=${t("settings.install")} about=${t("settings.installAbout")}><${Install} /><//>
    <${Section} title=${t("settings.about.more")}><ul class="links"><li><a href="./docs">${t("settings.about.api")}</a></li><li><a href="./openapi.json">${t("settings.about.openapi")}</a></li></ul><//>`;
}

function Install() {
  if (installed.value) return html`<p><span class="chip"><${Icon} name="check" />${t("settings.installed")}</span></p>`;
  if (!isSecureContext) return html`<p>${t("settings.installInsecure")}</p>`;
  if (offer.value) return html`<div class="row"><${Button} icon="down" onClick=${install}>${t("settings.installAction")}<//></div>`;
  return html`<p>${t("settings.installMenu")}</p>`;
}
