// Settings: one tab for each part, in the address.
import { href } from "../core/router.js";
import { t } from "../core/strings.js";
import { html, useEffect, useRef } from "../core/ui.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import About from "./settings/about.js";
import Appearance from "./settings/appearance.js";
import Keys from "./settings/keys.js";
import Limits from "./settings/limits.js";
import Members from "./settings/members.js";
import Models from "./settings/models.js";
import Project from "./settings/project.js";
import Webhooks from "./settings/webhooks.js";

/** A new tab is a module and a line here. @type {{ name: string, icon: string, Tab: () => any }[]} */
const TABS = [
  { name: "project", icon: "folder", Tab: Project },
  { name: "members", icon: "people", Tab: Members },
  { name: "keys", icon: "key", Tab: Keys },
  { name: "webhooks", icon: "link", Tab: Webhooks },
  { name: "models", icon: "clip", Tab: Models },
  { name: "limits", icon: "filter", Tab: Limits },
  { name: "appearance", icon: "settings", Tab: Appearance },
  { name: "about", icon: "star", Tab: About },
];

/** @param {{ id: string }} properties */
export default function SettingsPage({ id }) {
  const current = TABS.find((tab) => tab.name === id) ?? TABS[0];
  const heading = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  useEffect(() => {
    // The link to this tab stood on the page before.
    if (id && document.activeElement === document.body) heading.current?.focus({ preventScroll: true });
    document.querySelector(".settings-tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, []);
  return html`<${PageHead} title=${t("settings.title")} />
    <div class="settings">
      <div class="settings-tabs" role="navigation" aria-label=${t("settings.title")}><ul>
        ${TABS.map((tab) => html`<li key=${tab.name}><a href=${href("settings", tab.name)} aria-current=${tab === current ? "page" : undefined}><${Icon} name=${tab.icon} /><span>${t(`settings.${tab.name}`)}</span></a></li>`)}
      </ul></div>
      <div class="settings-tab"><h2 ref=${heading} tabindex="-1">${t(`settings.${current.name}`)}</h2><${current.Tab} /></div>
    </div>`;
}
