// Trust: what screening stopped, the policy, notices, consents and the audit log, for whoever runs the server.
import { href } from "../core/router.js";
import { isOperator, mayReview } from "../core/session.js";
import { t } from "../core/strings.js";
import { html, useEffect } from "../core/ui.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import Audit from "./trust/audit.js";
import Consents from "./trust/consents.js";
import Policy from "./trust/policy.js";
import Review from "./trust/review.js";
import Takedowns from "./trust/takedowns.js";

/** A new tab is a module and a line here. @type {{ name: string, icon: string, isShown: () => boolean, Tab: () => any }[]} */
const TABS = [
  { name: "review", icon: "flag", isShown: mayReview, Tab: Review },
  { name: "policy", icon: "filter", isShown: isOperator, Tab: Policy },
  { name: "takedowns", icon: "close", isShown: mayReview, Tab: Takedowns },
  { name: "consents", icon: "people", isShown: isOperator, Tab: Consents },
  { name: "audit", icon: "lock", isShown: isOperator, Tab: Audit },
];

/** @param {{ id: string }} properties */
export default function TrustPage({ id }) {
  const tabs = TABS.filter((tab) => tab.isShown());
  const current = tabs.find((tab) => tab.name === id) ?? tabs[0];
  useEffect(() => {
    document.querySelector(".settings-tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, []);
  return html`<${PageHead} title=${t("trust.title")} />
    ${!current ? html`<p class="settings-note">${t("trust.operatorsOnly")}</p>` : html`<div class="settings trust">
      <div class="settings-tabs" role="navigation" aria-label=${t("trust.title")}><ul>
        ${tabs.map((tab) => html`<li key=${tab.name}><a href=${href("trust", tab.name)} aria-current=${tab === current ? "page" : undefined}><${Icon} name=${tab.icon} /><span>${t(`trust.${tab.name}`)}</span></a></li>`)}
      </ul></div>
      <div class="settings-tab"><h2 tabindex="-1">${t(`trust.${current.name}`)}</h2><${current.Tab} /></div>
    </div>`}`;
}
