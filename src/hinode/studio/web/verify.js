// The page where everybody checks a file begins here. It needs nobody to be signed in.
import { loadNeeds } from "./core/lazy.js";
import { t } from "./core/strings.js";
import "./core/theme.js";
import { html, render } from "./core/ui.js";
import { VerifyPage } from "./pages/verify.js";

await loadNeeds({ strings: ["provenance"] });
document.title = `${t("verify.page")} – Hinode`;
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${VerifyPage} />`, root);
