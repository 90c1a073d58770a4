// The models to choose from.
import { get } from "../../core/api.js";
import { signal } from "../../core/ui.js";

/**
 * @typedef {object} Model
 * @property {string} id
 * @property {string} engine
 * @property {string} model
 * @property {string[]} operations
 * @property {string[]} references
 * @property {[number, number]} seconds
 * @property {number | null} extension_seconds
 * @property {boolean} sound
 * @property {boolean} negative_prompt
 * @property {string[]} profiles
 */

/** Each model once, whatever names it has; null until they are known. */
export const models = signal(/** @type {Model[] | null} */ (null));

export async function loadModels() {
  /** @type {{ data: Model[] }} */
  const page = await get("models");
  const known = new Map();
  for (const model of page.data) {
    const name = `${model.engine}/${model.model}`;
    if (!known.has(name)) known.set(name, model);
  }
  // The test card is a picture for checks of the chain, not something to make films with.
  const real = [...known.values()].filter((model) => model.engine !== "testcard");
  models.value = real.length ? real : [...known.values()];
}

/** The model of a name, or the first one. @param {string} name @returns {Model | null} */
export function modelOf(name) {
  const list = models.value ?? [];
  return list.find((model) => [model.id, model.model, `${model.engine}/${model.model}`].includes(name)) ?? list[0] ?? null;
}
