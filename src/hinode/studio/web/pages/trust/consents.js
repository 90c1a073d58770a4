// Every consent on this server: what it allows, its receipts, and revocation.
import { address, post } from "../../core/api.js";
import { notify, notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Confirm } from "../../widgets/confirm.js";
import { Button, Switch } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { day } from "../characters/consent.js";
import { Loading, Section } from "../settings/form.js";
import { usePages } from "./pages.js";

/** @typedef {import("hinode-api").components["schemas"]["ServerConsent"]} Consent */

const CHIPS = { active: "", expired: "open", revoked: "bad" };

export default function Consents() {
  /** @type {ReturnType<typeof usePages<Consent>>} */
  const { list, more, readMore, setList } = usePages("consents/all", { limit: 50 });
  const [chosen, setChosen] = useState(/** @type {Consent | null} */ (null));
  if (!list) return html`<${Loading} />`;
  return html`<${Section} title=${t("trust.consents.title")} about=${t("trust.consents.about")}>
      ${list.length === 0 && html`<p class="nothing">${t("trust.consents.none")}</p>`}
      <ul class="entries">${list.map((consent) => html`<li class="entry" key=${consent.id}><div class="entry-text"><b dir="auto">${consent.person}</b><small>${consent.uses.map((use) => t(`rights.use.${use}`)).join(", ")} · ${t(`rights.access.${consent.access}`)} · ${t("trust.consents.until", { day: day(consent.expires_at) })}</small>${consent.scope && html`<small dir="auto">${consent.scope}</small>`}<small>${consent.project_id} · ${consent.character_id} · ${consent.id}</small></div>
        <span class="row wrap entry-end"><span class=${`chip ${CHIPS[consent.status]}`}>${t(`trust.consents.${consent.status}`)}</span>
        <a class="button" href=${address(`consents/all/${consent.id}/receipts`)} download=${`${consent.id}.json`} aria-label=${t("trust.consents.receiptsOf", { person: consent.person })}><${Icon} name="down" />${t("trust.consents.receipts")}</a>
        ${consent.status === "active" && html`<${Button} kind="danger" aria-label=${t("trust.consents.revokeOf", { person: consent.person })} onClick=${() => setChosen(consent)}>${t("rights.revoke")}<//>`}</span></li>`)}</ul>
      ${more && html`<div><${Button} onClick=${readMore}>${t("trust.more")}<//></div>`}
    <//>
    ${chosen && html`<${Revoke} consent=${chosen} onClose=${() => setChosen(null)} onRevoked=${(/** @type {Consent} */ revoked) => setList((before) => before.map((entry) => (entry.id === revoked.id ? revoked : entry)))} />`}`;
}

/** @param {{ consent: Consent, onClose: () => void, onRevoked: (consent: Consent) => void }} properties */
function Revoke({ consent, onClose, onRevoked }) {
  const [everything, setEverything] = useState(false);
  const revoke = () => post(`consents/all/${consent.id}/revoke`, { everything }).then((revoked) => { notify(t("rights.revoked")); onRevoked(revoked); }, notifyError);
  return html`<${Confirm} title=${t("rights.revoke.title", { name: consent.person })} action=${t("rights.revoke")} onConfirm=${revoke} onClose=${onClose}><p>${t("trust.consents.revokeText")}</p>
    <${Switch} label=${t("trust.consents.everything")} checked=${everything} onChange=${setEverything} /><//>`;
}
