// An appeal against a decision of screening: a note, which reaches the reviewers of the server.
import { ApiError, post } from "../core/api.js";
import { notify } from "../core/notices.js";
import { t } from "../core/strings.js";
import { html, useState } from "../core/ui.js";
import { Button, Field } from "./controls.js";
import { Dialog } from "./dialog.js";

/** @param {{ id: string, onAppealed?: () => void }} properties */
export function Appeal({ id, onAppealed }) {
  const [open, setOpen] = useState(false);
  const [note, setNote] = useState("");
  const [failure, setFailure] = useState("");
  const send = async () => {
    try {
      await post(`review/${id}/appeal`, { note });
      notify(t("rights.appeal.sent"));
      setOpen(false);
      onAppealed?.();
    } catch (error) {
      setFailure(error instanceof ApiError ? error.message : String(error));
    }
  };
  return html`<${Button} icon="flag" onClick=${() => setOpen(true)}>${t("rights.appeal.open")}<//>
    ${open && html`<${Dialog} title=${t("rights.appeal.title")} onClose=${() => setOpen(false)}><div class="stack"><p>${t("rights.appeal.text")}</p>
      <${Field} label=${t("rights.appeal.note")} error=${failure}>${(/** @type {any} */ field) => html`<textarea ...${field} rows="4" maxlength="2000" dir="auto" value=${note} onInput=${(/** @type {any} */ event) => { setNote(event.currentTarget.value); setFailure(""); }}></textarea>`}<//>
      <div class="row dialog-end"><${Button} kind="primary head-button" disabled=${!note.trim()} onClick=${send}>${t("rights.appeal.send")}<//><${Button} onClick=${() => setOpen(false)}>${t("action.cancel")}<//></div></div><//>`}`;
}
