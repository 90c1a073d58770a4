// The one handler of keys. Shortcuts are registered while a page or a dialog is shown.
import { load, store } from "./storage.js";
import { effect, signal, useLayoutEffect, useRef } from "./ui.js";

/**
 * @typedef {object} Shortcut
 * @property {string} keys such as "mod+k", "j", "shift+ArrowLeft", or "g q" for one after the other; mod is Ctrl, or Command on a Mac
 * @property {string} label
 * @property {(event: KeyboardEvent) => void} run
 * @property {string} [group] heading in the list of shortcuts
 * @property {boolean} [inText] whether it also holds while a text is edited
 */

/** All shortcuts that hold now, those of the innermost part last. */
export const shortcuts = signal(/** @type {Shortcut[]} */ ([]));

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

/**
 * Register shortcuts while the component is shown; a key runs what the last rendering made.
 * @param {Shortcut[]} list
 */
export function useShortcuts(list) {
  const last = useRef(list);
  last.current = list;
  // Before the next key arrives.
  useLayoutEffect(() => {
    const entries = list.map((entry, index) => ({ ...entry, run: (/** @type {KeyboardEvent} */ event) => last.current[index].run(event) }));
    shortcuts.value = [...shortcuts.peek(), ...entries];
    return () => {
      shortcuts.value = shortcuts.peek().filter((entry) => !entries.includes(entry));
    };
    // Without the functions.
  }, [JSON.stringify(list)]);
}

/**
 * Whether the event confirms or edits a word of an input method.
 * @param {KeyboardEvent} event
 */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/**
 * The key of an event by its Latin letter: by the character if it is Latin (AZERTY), else by the position of the
 * key (Cyrillic, Greek).
 * @param {KeyboardEvent} event
 */
function keyOf(event) {
  if (event.key.length !== 1 || /[\x21-\x7e ]/.test(event.key)) return event.key === " " ? "Space" : event.key.toLowerCase();
  const letter = /^(?:Key|Digit)(.)$/.exec(event.code);
  return (letter ? letter[1] : event.key).toLowerCase();
}

/** @param {KeyboardEvent} event @param {string} keys */
export function matches(event, keys) {
  const parts = keys.split("+").map((part) => part.toLowerCase());
  const key = parts.pop() ?? "";
  const mod = MAC ? event.metaKey : event.ctrlKey;
  // The shift of "?" belongs to the character.
  const shift = key === "?" || parts.includes("shift") === event.shiftKey;
  return keyOf(event).toLowerCase() === key && parts.includes("mod") === mod && shift && !event.altKey;
}

/** @param {EventTarget | null} target */
function isText(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "range", "button", "color"].includes(target.type);
}

/** Keys that a focused control uses itself. @param {KeyboardEvent} event */
function belongsToControl(event) {
  const { target } = event;
  if (!(target instanceof HTMLElement) || event.ctrlKey || event.metaKey) return false;
  const keys = keyOf(event);
  if (["Space", "enter"].includes(keys)) return target.matches("button, a, summary, input:not([type=range]), [role=button], [role=option], [role=radio], [role=slider]");
  if (keys.startsWith("arrow") || ["home", "end"].includes(keys)) return target.matches("input, [role=slider], [role=radio], [role=option], [role=gridcell], [role=menuitem], [data-arrows]");
  return false;
}

/** The first key of a shortcut of two keys, such as "g q", while the second one is awaited. */
let first = "";
let waiting = 0;
const PATIENCE = 1200; // milliseconds

/** Whether single letters are shortcuts; they can be turned off for those who speak or strike keys by mistake. */
export const letters = signal(/** @type {boolean} */ (load("letters", true)));
effect(() => store("letters", letters.value));

/** Whether a shortcut is made of letters or signs alone. @param {string} keys */
export const isLetter = (keys) => keys.split(" ").every((part) => !/mod/i.test(part) && part.split("+").at(-1)?.length === 1);

/** @param {KeyboardEvent} event @param {string} before the key before it, or "" */
function find(event, before) {
  const text = isText(event.target);
  const dialog = document.querySelector("dialog[open]");
  return [...shortcuts.peek()].reverse().find((shortcut) => {
    const parts = shortcut.keys.split(" ");
    const last = parts.pop() ?? "";
    if ((parts[0] ?? "") !== before || !matches(event, last) || (!letters.peek() && isLetter(shortcut.keys))) return false;
    return (!text || shortcut.inText) && !belongsToControl(event) && (!dialog || shortcut.group === "dialog");
  });
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || isComposing(event) || ["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
  const before = first;
  first = "";
  clearTimeout(waiting);
  const shortcut = (before && find(event, before)) || find(event, "");
  if (shortcut) {
    event.preventDefault();
    shortcut.run(event);
  } else if (!isText(event.target) && letters.peek()) {
    first = shortcuts.peek().map(({ keys }) => keys.split(" ")).find((parts) => parts.length === 2 && matches(event, parts[0]))?.[0] ?? "";
    waiting = setTimeout(() => { first = ""; }, PATIENCE);
  }
});

/**
 * A shortcut as people read it: "Ctrl K".
 * @param {string} keys
 */
export function keyLabel(keys) {
  /** @type {Record<string, string>} */
  const names = { mod: MAC ? "⌘" : "Ctrl", shift: "Shift", enter: "↵", arrowleft: "←", arrowright: "→", arrowup: "↑", arrowdown: "↓", escape: "Esc", delete: "Del" };
  return keys.split(/[+ ]/).map((key) => names[key.toLowerCase()] ?? (key.length === 1 ? key.toUpperCase() : key)).join(" ");
}
