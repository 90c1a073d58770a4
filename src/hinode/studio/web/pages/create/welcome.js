// The first visit: examples that fill the composer.
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { focusPrompt } from "./composer.js";
import { change } from "./state.js";

/** Example prompts: what each shows in the world of the shipped model. */
export const EXAMPLES = ["balloon", "train", "whale", "cat"].map((name) => `create.example.${name}`);

export function Welcome() {
  /** @param {string} prompt */
  const take = (prompt) => {
    change({ prompt }, "");
    focusPrompt();
  };
  return html`<div class="welcome">
    <h2>${t("create.welcome.title")}</h2>
    <p>${t("create.welcome.text")}</p>
    <ul class="examples">${EXAMPLES.map((key) => html`<li key=${key}><button type="button" class="button" onClick=${() => take(t(key))}>${t(key)}</button></li>`)}</ul>
  </div>`;
}
