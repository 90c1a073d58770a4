// A modal dialog; the browser keeps the focus inside and gives it back.
import { html, useId, useLayoutEffect, useRef } from "../core/ui.js";
import { t } from "../core/strings.js";
import { Button } from "./controls.js";

/**
 * @param {{ title: string, onClose: () => void, children: any, kind?: string, plain?: boolean }} properties
 */
export function Dialog({ title, onClose, children, kind = "", plain }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  // Before the next key arrives.
  useLayoutEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      // What opened it may be gone with what it was about.
      const usable = before instanceof HTMLElement && before.isConnected && before !== document.body;
      (usable ? before : document.getElementById("main"))?.focus({ preventScroll: !usable });
    };
  }, []);
  /** @param {MouseEvent} event */
  const outside = (event) => event.target === element.current && onClose();
  return html`<dialog ref=${element} class=${`sheet ${kind}`} aria-labelledby=${id} onCancel=${(/** @type {Event} */ event) => { event.preventDefault(); onClose(); }} onMouseDown=${outside}>
    <header class=${plain ? "visually-hidden" : "row between"}><h2 id=${id}>${title}</h2><${Button} kind="quiet" icon="close" label=${t("action.close")} onClick=${onClose} /></header>
    ${children}
  </dialog>`;
}
