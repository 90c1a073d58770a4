// Undo and redo of a value that is replaced as a whole.
import { signal } from "./ui.js";

const MAX_STEPS = 200;

/**
 * @template T
 * @param {T} initial
 */
export function createHistory(initial) {
  const value = signal(initial);
  const canUndo = signal(false);
  const canRedo = signal(false);
  /** @type {T[]} */
  let past = [];
  /** @type {T[]} */
  let future = [];
  let group = "";

  /** @param {T} next */
  const show = (next) => {
    value.value = next;
    canUndo.value = past.length > 0;
    canRedo.value = future.length > 0;
  };
  return {
    value,
    canUndo,
    canRedo,
    /**
     * Replace the value. Changes in a row with the same name, such as of typing, are one step.
     * @param {T} next
     * @param {string} [name]
     */
    set(next, name = "") {
      if (!name || name !== group) past = [...past.slice(-MAX_STEPS), value.peek()];
      group = name;
      future = [];
      show(next);
    },
    /** Begin anew, without steps. @param {T} next */
    reset(next) {
      past = [];
      future = [];
      group = "";
      show(next);
    },
    undo() {
      const before = past.pop();
      if (before === undefined) return;
      future.push(value.peek());
      group = "";
      show(before);
    },
    redo() {
      const after = future.pop();
      if (after === undefined) return;
      past.push(value.peek());
      group = "";
      show(after);
    },
  };
}
