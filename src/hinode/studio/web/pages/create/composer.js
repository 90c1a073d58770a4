// The words, what becomes of them, and what else the clip is made from.
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { PromptField } from "../../widgets/prompt-field.js";
import { characters } from "./characters.js";
import { Reading } from "./reading.js";
import { ReferenceTools, ReferenceTray } from "./references.js";
import { change, form } from "./state.js";

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
