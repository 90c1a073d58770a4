// A menu that a button opens: arrow keys move, Escape closes.
import { html, useLayoutEffect, useRef, useState } from "../core/ui.js";
import { Icon } from "./icons.js";
import { Button } from "./controls.js";

/**
 * @typedef {{ label: string, icon?: string, run?: () => void, href?: string, download?: boolean, disabled?: boolean, danger?: boolean, checked?: boolean }} MenuItem
 * @param {{ label: string, icon?: string, children?: any, items: MenuItem[], kind?: string }} properties
 */
export function Menu({ label, icon, children, items, kind = "" }) {
  const [open, setOpen] = useState(false);
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  // Before the next key arrives.
  useLayoutEffect(() => {
    if (!open) return undefined;
    list()[0]?.focus();
    /** @param {Event} event */
    const leave = (event) => event.target instanceof Node && !root.current?.contains(event.target) && setOpen(false);
    addEventListener("pointerdown", leave);
    addEventListener("focusin", leave);
    return () => {
      removeEventListener("pointerdown", leave);
      removeEventListener("focusin", leave);
    };
  }, [open]);
  const list = () => /** @type {HTMLElement[]} */ ([...(root.current?.querySelectorAll("[role^=menuitem]") ?? [])]);
  const close = () => {
    setOpen(false);
    root.current?.querySelector("button")?.focus();
  };
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    const entries = list();
    const at = entries.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape") close();
    else if (next === undefined) return;
    else entries.at(next % entries.length)?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="menu" ref=${root}>
    <${Button} kind=${kind} icon=${icon} label=${label} aria-haspopup="menu" aria-expanded=${open} onClick=${() => setOpen(!open)}>${children}<//>
    ${open && html`<div class="menu-list sheet" role="menu" aria-label=${label} onKeyDown=${move}>
      ${items.map((item) => item.href
        ? html`<a role="menuitem" tabindex="-1" key=${item.label} href=${item.href} download=${item.download} onClick=${close}>${item.icon && html`<${Icon} name=${item.icon} />`}${item.label}</a>`
        : html`<button type="button" role=${item.checked === undefined ? "menuitem" : "menuitemradio"} aria-checked=${item.checked} tabindex="-1" key=${item.label} class=${item.danger ? "danger" : ""} disabled=${item.disabled}
            onClick=${() => { close(); item.run?.(); }}>${item.icon && html`<${Icon} name=${item.icon} />`}${item.label}</button>`)}
    </div>`}
  </div>`;
}
