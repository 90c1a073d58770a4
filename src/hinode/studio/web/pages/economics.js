// Economics of the server, for its operator: one tab for each part, in the address.
import { href } from "../core/router.js";
import { isOperator } from "../core/session.js";
import { t } from "../core/strings.js";
import { html } from "../core/ui.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import Books from "./economics/books.js";
import Budgets from "./economics/budgets.js";
import Capacity from "./economics/capacity.js";
import Limits from "./economics/limits.js";
import Margin from "./economics/margin.js";
import WhatIf from "./economics/what-if.js";

/** @type {{ name: string, icon: string, Tab: () => any }[]} */
const TABS = [
  { name: "margin", icon: "chart", Tab: Margin },
  { name: "limits", icon: "lock", Tab: Limits },
  { name: "budgets", icon: "wallet", Tab: Budgets },
  { name: "books", icon: "tag", Tab: Books },
  { name: "what-if", icon: "dice", Tab: WhatIf },
  { name: "capacity", icon: "worker", Tab: Capacity },
];

/** @param {{ id: string }} properties */
export default function EconomicsPage({ id }) {
  const current = TABS.find((tab) => tab.name === id) ?? TABS[0];
  if (!isOperator()) return html`<${PageHead} title=${t("economics.title")} /><p class="settings-note">${t("economics.operatorsOnly")}</p>`;
  return html`<${PageHead} title=${t("economics.title")} />
    <div class="settings economics">
      <div class="settings-tabs" role="navigation" aria-label=${t("economics.title")}><ul>
        ${TABS.map((tab) => html`<li key=${tab.name}><a href=${href("economics", tab.name)} aria-current=${tab === current ? "page" : undefined}><${Icon} name=${tab.icon} /><span>${t(`economics.tab.${tab.name}`)}</span></a></li>`)}
      </ul></div>
      <div class="settings-tab"><h2>${t(`economics.tab.${current.name}`)}</h2><${current.Tab} /></div>
    </div>`;
}
