// A field for words, as tall as they are, in which @ names a character.
import { isComposing } from "../core/keyboard.js";
import { t } from "../core/strings.js";
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "../core/ui.js";

const MAX_CHARACTERS = 32000;
const MAX_NAMES = 6;

/** The name after an @ before the caret. @param {string} text @param {number} caret */
function nameBefore(text, caret) {
  const match = /(?:^|\s)@([\p{L}\p{N}_-]*)$/u.exec(text.slice(0, caret));
  return match ? match[1] : null;
}

/**
 * @param {{ value: string, names: { id: string, name: string }[], label: string, placeholder: string, id?: string, disabled?: boolean, onChange: (value: string) => void, onName?: (id: string) => void }} properties
 *   onName: a character was named
 */
export function PromptField({ value, names: all, label, placeholder, id: own, disabled, onChange, onName }) {
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const id = useId();
  const [begun, setBegun] = useState(/** @type {string | null} */ (null));
  const [chosen, setChosen] = useState(0);
  const names = begun === null ? [] : all.filter(({ name }) => name.toLowerCase().startsWith(begun.toLowerCase())).slice(0, MAX_NAMES);
  // As tall as its text, where the style sheet alone cannot do it.
  useLayoutEffect(() => {
    if (!field.current || CSS.supports("field-sizing", "content")) return;
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight}px`;
  }, [value]);
  useEffect(() => setChosen(0), [begun]);
  const look = () => setBegun(field.current ? nameBefore(field.current.value, field.current.selectionStart) : null);
  /** @param {{ id: string, name: string }} character */
  const take = (character) => {
    const area = field.current;
    if (!area) return;
    const start = area.selectionStart - (begun?.length ?? 0);
    area.setRangeText(`${character.name} `, start, area.selectionStart, "end");
    onChange(area.value);
    onName?.(character.id);
    setBegun(null);
    area.focus();
  };
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    if (isComposing(event) || !names.length) return;
    if (event.key === "ArrowDown") setChosen((chosen + 1) % names.length);
    else if (event.key === "ArrowUp") setChosen((chosen - 1 + names.length) % names.length);
    else if ((event.key === "Enter" && !event.ctrlKey && !event.metaKey) || event.key === "Tab") take(names[chosen]);
    else if (event.key === "Escape") setBegun(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="prompt-box">
    <textarea id=${own} class="prompt-text" ref=${field} rows="1" maxlength=${MAX_CHARACTERS} value=${value} placeholder=${placeholder} aria-label=${label} disabled=${disabled}
      aria-autocomplete="list" aria-haspopup="listbox" aria-controls=${`${id}-names`} aria-activedescendant=${names.length ? `${id}-${chosen}` : undefined}
      onInput=${(/** @type {any} */ event) => { onChange(event.currentTarget.value); look(); }}
      onKeyDown=${move} onClick=${look} onBlur=${() => setTimeout(() => setBegun(null), 150)}></textarea>
    <ul class=${names.length ? "mentions sheet" : "mentions"} role="listbox" id=${`${id}-names`} aria-label=${t("create.characters")} hidden=${!names.length}>
      ${names.map((character, at) => html`<li key=${character.id} id=${`${id}-${at}`} role="option" aria-selected=${at === chosen} onMouseDown=${(/** @type {Event} */ event) => { event.preventDefault(); take(character); }}>@${character.name}</li>`)}
    </ul>
  </div>`;
}
