// A text in YAML that is edited, tried without effect, and then put in force: the policy, and the books.
import { notify, notifyError } from "../core/notices.js";
import { loadDraft, storeDraft } from "../core/storage.js";
import { t } from "../core/strings.js";
import { html, useRef, useState } from "../core/ui.js";
import { Confirm } from "./confirm.js";
import { Button, Field } from "./controls.js";
import { goTo } from "./lines.js";

/** @typedef {{ line: number | null, message: string }} Fault */

/**
 * The state of such a text. What was typed stays in this browser until it is in force, or the text in force is
 * another one.
 *
 * `tryText` answers with the fault of a text, if it has one, and with whatever `Result` shows.
 * @template {{ fault?: Fault | null }} Check
 * @param {{ name: string, revision: string, inForce: string, tryText: (text: string) => Promise<Check>, put: (text: string) => Promise<void> }} properties
 */
export function useTextDraft({ name, revision, inForce, tryText, put }) {
  const [text, setText] = useState(() => /** @type {string} */ (loadDraft(name, {})[revision] ?? inForce));
  const [last, setLast] = useState(/** @type {{ text: string, check: Check } | null} */ (null));
  const [busy, setBusy] = useState(false);
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const check = last?.text === text ? last.check : null;
  const change = (/** @type {string} */ value) => {
    setText(value);
    storeDraft(name, value === inForce ? undefined : { [revision]: value });
  };
  const attempt = async () => {
    setBusy(true);
    try {
      const answer = await tryText(text);
      setLast({ text, check: answer });
      if (answer.fault) goTo(area.current, answer.fault);
    } catch (error) {
      notifyError(error);
    }
    setBusy(false);
  };
  const save = async () => {
    try {
      await put(text);
      storeDraft(name, undefined);
    } catch (error) {
      notifyError(error);
    }
  };
  return { text, change, area, busy, check, attempt, save, isInForce: text === inForce, isTried: check !== null && !check.fault };
}

/** @typedef {ReturnType<typeof useTextDraft>} TextDraft */

/**
 * The text and its fault; `fault` is that of the text in force.
 * @param {{ draft: TextDraft, label: string, hint?: string, rows: number, fault?: Fault | null }} properties
 */
export function DraftText({ draft, label, hint = "", rows, fault: inForce }) {
  const fault = draft.check ? draft.check.fault : draft.isInForce ? inForce : null;
  const line = fault?.line ?? 0;
  const sentence = fault && (line ? t("draft.atLine", { line, message: fault.message }) : fault.message);
  return html`<${Field} label=${label} hint=${hint} error=${sentence}>${(/** @type {any} */ field) => html`<textarea ...${field} ref=${draft.area} class="code" rows=${rows} spellcheck=${false} autocomplete="off" dir="ltr" value=${draft.text} onInput=${(/** @type {any} */ event) => draft.change(event.currentTarget.value)}></textarea>`}<//>
    ${line > 0 && html`<div><${Button} onClick=${() => goTo(draft.area.current, /** @type {Fault} */ (fault))}>${t("draft.goTo", { line })}<//></div>`}`;
}

/**
 * The buttons, the state of the text in words, the result of the dry run, and the question before it is put in
 * force. `name` stands in the labels of the buttons where a page has several texts; `children` come before them.
 * @param {{ draft: TextDraft, name?: string, result: any, title: string, question: any, children?: any }} properties
 */
export function DraftActions({ draft, name, result, title, question, children }) {
  const [sure, setSure] = useState(false);
  const label = (/** @type {"try" | "save"} */ action) => name && t(`draft.${action}Of`, { name });
  return html`<div class="row wrap field-row">${children}
      <${Button} icon="play" disabled=${draft.busy} label=${label("try")} onClick=${draft.attempt}>${t("draft.try")}<//>
      <${Button} kind="primary head-button" icon="check" disabled=${!draft.isTried || draft.isInForce} label=${label("save")} onClick=${() => setSure(true)}>${t("draft.save")}<//></div>
    <p class="small">${t(draft.isInForce ? "draft.same" : draft.isTried ? "draft.ready" : "draft.tryFirst")}</p>
    <div role="status" class="stack">${draft.isTried && result}</div>
    ${sure && html`<${Confirm} title=${title} action=${t("draft.save")} onConfirm=${draft.save} onClose=${() => setSure(false)}>${question}<//>`}`;
}
