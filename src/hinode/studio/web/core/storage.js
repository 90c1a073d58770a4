// What is kept in the browser: preferences, and drafts for each document and tab, so that two tabs do not
// overwrite each other. A browser that keeps nothing (private windows, full disks) loses only this.
import { randomId } from "./format.js";

const PREFIX = "hinode:";

/** @param {string} name @param {any} fallback */
export function load(name, fallback) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** @param {string} name @param {unknown} value undefined removes it */
export function store(name, value) {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Nothing is kept.
  }
}

/** The name of this tab; it survives a reload. */
const tab = (() => {
  try {
    const known = sessionStorage.getItem(PREFIX + "tab") ?? randomId().slice(0, 8);
    sessionStorage.setItem(PREFIX + "tab", known);
    return known;
  } catch {
    return "tab";
  }
})();

/**
 * The draft of a document: of this tab, or else the latest of any tab.
 * @param {string} name of the document, such as "create"
 * @param {any} fallback
 */
export function loadDraft(name, fallback) {
  const own = load(`draft:${name}:${tab}`, null);
  if (own) return own.value;
  const others = draftNames(name).map((key) => load(key, null)).filter(Boolean);
  others.sort((a, b) => b.at - a.at);
  return others.length ? others[0].value : fallback;
}

/** @param {string} name @param {unknown} value undefined removes it */
export function storeDraft(name, value) {
  store(`draft:${name}:${tab}`, value === undefined ? undefined : { at: Date.now(), value });
  for (const key of draftNames(name)) {
    if (Date.now() - (load(key, null)?.at ?? 0) > 30 * 86400e3) store(key, undefined);
  }
}

/** Forget the drafts of a document, of all tabs. @param {string} name */
export function dropDrafts(name) {
  for (const key of draftNames(name)) store(key, undefined);
}

/** @param {string} name */
function draftNames(name) {
  const start = `${PREFIX}draft:${name}:`;
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(start)).map((key) => key.slice(PREFIX.length));
  } catch {
    return [];
  }
}
