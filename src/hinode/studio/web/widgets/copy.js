// A text to take away: a link, a key.
import { copyText } from "../core/clipboard.js";
import { announce } from "../core/notices.js";
import { t } from "../core/strings.js";
import { html, useRef, useState } from "../core/ui.js";
import { Button } from "./controls.js";

/** @param {{ label: string, text: string }} properties */
export function CopyField({ label, text }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [state, setState] = useState(/** @type {"" | "done" | "select"} */ (""));
  const copy = async () => {
    const done = await copyText(text);
    setState(done ? "done" : "select");
    announce(t(done ? "copy.done" : "copy.select"));
    if (!done) {
      field.current?.focus();
      field.current?.select();
    } else setTimeout(() => setState(""), 2000);
  };
  return html`<div class="copy"><input ref=${field} type="text" readonly value=${text} aria-label=${label} dir="ltr" onFocus=${(/** @type {any} */ event) => event.currentTarget.select()} />
    <${Button} icon=${state === "done" ? "check" : "copy"} onClick=${copy}>${t(state === "done" ? "copy.done" : "copy.copy")}<//>
    ${state === "select" && html`<small>${t("copy.select")}</small>`}</div>`;
}
