// The words, what becomes of them, and what else the clip is made from.
import { lazy } from "../../core/lazy.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { PromptField } from "../../widgets/prompt-field.js";
import { characters } from "./characters.js";
import { change, form } from "./state.js";

const loadParts = () => import("./parts.js");
const Reading = lazy(loadParts, "Reading");
const ReferenceTray = lazy(loadParts, "ReferenceTray");
const ReferenceTools = lazy(loadParts, "ReferenceTools");

/** Asks the composer to take the focus. */
export const focusPrompt = () => document.getElementById("prompt")?.focus();

export function Composer() {
  return html`<section class="composer sheet" aria-label=${t("create.composer")}>
    <${PromptField} id="prompt" value=${form.value.prompt} names=${characters.value ?? []} label=${t("create.prompt")} placeholder=${t("create.prompt.placeholder")}
      onChange=${(/** @type {string} */ prompt) => change({ prompt }, "prompt")} />
    <${Reading} />
    <${ReferenceTray} />
    <${ReferenceTools} />
  </section>`;
}
