// How the studio looks, in this browser.
import { openShortcuts } from "../../core/dialogs.js";
import { letters } from "../../core/keyboard.js";
import { t } from "../../core/strings.js";
import { theme } from "../../core/theme.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Button, Segmented, Switch } from "../../widgets/controls.js";
import { Section } from "./form.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");

export default function Appearance() {
  const [reduced, setReduced] = useState(still.matches);
  useEffect(() => {
    const change = () => setReduced(still.matches);
    still.addEventListener("change", change);
    return () => still.removeEventListener("change", change);
  }, []);
  const options = ["light", "dark", "system"].map((value) => ({ value, label: t(`theme.${value}`) }));
  return html`<${Section} title=${t("settings.theme")} about=${t("settings.themeAbout")}>
      <${Segmented} label=${t("settings.theme")} options=${options} value=${theme.value} onChange=${(/** @type {string} */ value) => { theme.value = value; }} /><//>
    <${Section} title=${t("settings.language")} about=${t("settings.languageAbout")}><p><b>${t("settings.languageName")}</b></p><//>
    <${Section} title=${t("settings.motion")} about=${t("settings.motionAbout")}><p>${t(reduced ? "settings.motionReduced" : "settings.motionFull")}</p><//>
    <${Section} title=${t("shortcuts.title")} about=${t("settings.shortcutsAbout")}><${Switch} label=${t("settings.letters")} checked=${letters.value} onChange=${(/** @type {boolean} */ on) => { letters.value = on; }} /><div class="row"><${Button} onClick=${openShortcuts}>${t("settings.showShortcuts")} <kbd>?</kbd><//></div><//>`;
}
