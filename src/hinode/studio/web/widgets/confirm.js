// A question before what cannot be undone.
import { t } from "../core/strings.js";
import { html, useState } from "../core/ui.js";
import { Button } from "./controls.js";
import { Dialog } from "./dialog.js";

/**
 * @param {{ title: string, action: string, onConfirm: () => Promise<unknown> | void, onClose: () => void, children: any }} properties
 */
export function Confirm({ title, action, onConfirm, onClose, children }) {
  const [busy, setBusy] = useState(false);
  const confirm = async () => {
    setBusy(true);
    await onConfirm();
    onClose();
  };
  return html`<${Dialog} title=${title} onClose=${onClose} kind="confirm"><div class="stack">${children}
    <div class="row form-actions"><${Button} onClick=${onClose} autofocus>${t("action.cancel")}<//><${Button} kind="danger-solid" disabled=${busy} onClick=${confirm}>${action}<//></div></div><//>`;
}
