// What the studio tells: toasts that are seen, and sentences that screen readers say.
import { signal } from "./ui.js";

/**
 * @typedef {object} Toast
 * @property {number} id
 * @property {string} text
 * @property {"info" | "error"} kind
 * @property {{ label: string, run: () => void }} [action]
 */

/** The toasts that are shown. */
export const toasts = signal(/** @type {Toast[]} */ ([]));
let lastId = 0;

/** @param {number} id */
export function dismiss(id) {
  toasts.value = toasts.peek().filter((toast) => toast.id !== id);
}

/**
 * Show a sentence for some seconds; an error, and what can be undone, for longer.
 * @param {string} text
 * @param {{ kind?: "info" | "error", action?: Toast["action"] }} [options]
 */
export function notify(text, { kind = "info", action } = {}) {
  const id = ++lastId;
  toasts.value = [...toasts.peek().slice(-3), { id, text, kind, action }];
  announce(text, kind === "error");
  setTimeout(() => dismiss(id), kind === "error" || action ? 12000 : 5000);
  return id;
}

/** @param {unknown} error */
export function notifyError(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  notify(error instanceof Error ? error.message : String(error), { kind: "error" });
}

/**
 * Have screen readers say a sentence.
 * @param {string} text
 * @param {boolean} [urgent]
 */
export function announce(text, urgent = false) {
  const region = document.getElementById(urgent ? "alerts" : "announcer");
  if (!region) return;
  // The same sentence twice is said twice only when the text changes.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}
