// Small controls. Each is a native control, or behaves as the pattern of ARIA says.
import { classes, html, useId, useRef, useState } from "../core/ui.js";
import { Icon } from "./icons.js";

/**
 * A button with an icon, and words or a label; a label beside words that are only a sign takes their place.
 * @param {{ icon?: string, label?: string, children?: any, kind?: string, onClick?: (event: MouseEvent) => void, disabled?: boolean, pressed?: boolean, title?: string, filled?: boolean, [name: string]: any }} properties
 */
export function Button({ icon, label, children, kind = "", pressed, title, filled, disabled, onClick, ...rest }) {
  const element = useRef(/** @type {HTMLButtonElement | null} */ (null));
  // The browser takes the focus from a disabled button: one that has it keeps it, and does nothing.
  const held = Boolean(disabled) && element.current !== null && element.current === document.activeElement;
  return html`<button type="button" ref=${element} class=${classes("button", kind, !children && "only-icon")} aria-label=${label} title=${title ?? (children ? undefined : label)} aria-pressed=${pressed}
    disabled=${Boolean(disabled) && !held} aria-disabled=${held || undefined} onClick=${held ? undefined : onClick} ...${rest}>
    ${icon && html`<${Icon} name=${icon} filled=${filled} />`}${children}
  </button>`;
}

/**
 * One choice of a few, as a row; arrow keys move.
 * @param {{ label: string, options: { value: any, label: string, disabled?: boolean, title?: string }[], value: any, onChange: (value: any) => void, wide?: boolean }} properties
 */
export function Segmented({ label, options, value, onChange, wide }) {
  const group = useRef(/** @type {HTMLDivElement | null} */ (null));
  const chosen = options.some((option) => option.value === value) ? value : undefined;
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const free = options.filter((option) => !option.disabled);
    const rtl = document.dir === "rtl" && event.key.match(/Left|Right/) ? -1 : 1;
    const index = free.findIndex((option) => option.value === value);
    const next = free[(index + step * rtl + free.length) % free.length];
    onChange(next.value);
    group.current?.querySelectorAll("button")[options.indexOf(next)]?.focus();
  };
  return html`<div class=${classes("segmented", wide && "wide")} role="radiogroup" aria-label=${label} ref=${group} onKeyDown=${move}>
    ${options.map((option, index) => html`<button type="button" role="radio" key=${option.value} title=${option.title} disabled=${option.disabled}
      aria-checked=${option.value === value} tabindex=${option.value === value || (chosen === undefined && index === 0) ? 0 : -1}
      onClick=${() => onChange(option.value)}>${option.label}</button>`)}
  </div>`;
}

/**
 * A number on a line, with its text beside it.
 * @param {{ label: string, value: number, minimum: number, maximum: number, step?: number, text?: string, onChange: (value: number) => void, disabled?: boolean, hidden?: boolean }} properties
 */
export function Slider({ label, value, minimum, maximum, step = 1, text, onChange, disabled, hidden }) {
  const id = useId();
  const share = maximum > minimum ? (value - minimum) / (maximum - minimum) : 0;
  return html`<div class="slider">
    <div class=${classes("row between", hidden && "visually-hidden")}><label for=${id}>${label}</label><output for=${id}>${text ?? value}</output></div>
    <input id=${id} type="range" min=${minimum} max=${maximum} step=${step} value=${value} disabled=${disabled} aria-valuetext=${text}
      style=${{ "--share": String(share) }} onInput=${(/** @type {any} */ event) => onChange(Number(event.currentTarget.value))} />
  </div>`;
}

/**
 * @param {{ label: string, checked: boolean, onChange: (checked: boolean) => void, disabled?: boolean }} properties
 */
export function Switch({ label, checked, onChange, disabled }) {
  return html`<label class="switch-row"><span>${label}</span><input type="checkbox" role="switch" class="switch" checked=${checked} disabled=${disabled}
    onChange=${(/** @type {any} */ event) => onChange(event.currentTarget.checked)} /></label>`;
}

/**
 * A small whole number with buttons.
 * @param {{ label: string, value: number, minimum: number, maximum: number, onChange: (value: number) => void, less: string, more: string }} properties
 */
export function Stepper({ label, value, minimum, maximum, onChange, less, more }) {
  return html`<div class="row between" role="group" aria-label=${label}><span>${label}</span><span class="row">
    <${Button} label=${less} title=${less} disabled=${value <= minimum} onClick=${() => onChange(value - 1)}>−<//>
    <output aria-live="polite"><b>${value}</b></output>
    <${Button} label=${more} title=${more} disabled=${value >= maximum} onClick=${() => onChange(value + 1)}>+<//>
  </span></div>`;
}

/**
 * A field whose text belongs to the person until it is committed: what is rendered in between leaves it alone.
 * @param {{ value: string | number, onCommit: (text: string) => void, [name: string]: any }} properties
 */
export function DraftInput({ value, onCommit, ...rest }) {
  const [draft, setDraft] = useState(/** @type {string | null} */ (null));
  return html`<input ...${rest} value=${draft ?? String(value)} onInput=${(/** @type {any} */ event) => setDraft(event.currentTarget.value)} onBlur=${() => setDraft(null)}
    onChange=${(/** @type {any} */ event) => { setDraft(null); onCommit(event.currentTarget.value); }} />`;
}

/**
 * A number in a field; a text that is none changes nothing.
 * @param {{ value: number, minimum: number, maximum: number, step?: number, onChange: (value: number) => void, [name: string]: any }} properties
 */
export function NumberField({ value, minimum, maximum, step = 1, onChange, ...rest }) {
  /** @param {string} text */
  const commit = (text) => {
    const number = step === 1 ? Math.round(Number(text)) : Number(text);
    if (text) onChange(Math.max(minimum, Math.min(maximum, number)));
  };
  return html`<${DraftInput} ...${rest} type="number" min=${minimum} max=${maximum} step=${step} value=${value} onCommit=${commit} />`;
}

/**
 * A labelled field: text, select or other.
 * @param {{ label: string, hint?: string, error?: string | null, children: (properties: { id: string, "aria-describedby"?: string, "aria-invalid"?: boolean }) => any }} properties
 */
export function Field({ label, hint, error, children }) {
  const id = useId();
  const described = error || hint ? `${id}-hint` : undefined;
  return html`<div class="field"><label for=${id}>${label}</label>${children({ id, "aria-describedby": described, "aria-invalid": error ? true : undefined })}
    ${described && html`<small id=${described} class=${error ? "error" : ""}>${error || hint}</small>`}</div>`;
}

/**
 * Something that is empty, with what to do about it.
 * @param {{ icon: string, title: string, children?: any }} properties
 */
export function Empty({ icon, title, children }) {
  return html`<div class="empty"><${Icon} name=${icon} /><h2>${title}</h2>${children}</div>`;
}
