// The cost book lacks prices: what they are of, and where they are entered.
import { href } from "../../core/router.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Section } from "../settings/form.js";

/** @typedef {import("hinode-api").components["schemas"]["MissingPrices"]} Missing */

/** Whether an answer names prices that are missing, in place of figures. @param {any} answer @returns {answer is Missing} */
export const lacksPrices = (answer) => answer.object === "economics.missing_prices";

/** @param {{ answer: Missing }} properties */
export function MissingPrices({ answer }) {
  return html`<${Section} title=${t("economics.missing")} about=${t("economics.missing.about")}>
    <ul class="dots">${answer.missing.map((name) => html`<li key=${name}>${name}</li>`)}</ul>
    <p>${t("economics.missing.how", { file: answer.file })}</p>
    <p><a class="button primary" href=${href("economics", "books")}>${t("economics.missing.enter")}</a></p><//>`;
}
