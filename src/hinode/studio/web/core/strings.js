// Every text of the studio comes from the catalogue, so that another language is one more catalogue.
import core from "../strings/core.js";

/** @type {Record<string, string>} */
const catalogue = { ...core };

/**
 * Load a module of the catalogue, before what shows its texts.
 * @param {string} name such as "library"
 */
export async function loadStrings(name) {
  const module = await import(`../strings/${name}.js`);
  Object.assign(catalogue, module.default);
}

/**
 * The text of a key, with its values filled in: `t("progress.batch", { count: 3 })`. A text with "|" has a form
 * for one and a form for other numbers, chosen by `count`.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  let text = catalogue[key];
  if (text === undefined) return key;
  if (text.includes("|") && "count" in values) text = text.split("|")[Number(values.count) === 1 ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (_, name) => format(values[name]));
}

/** @param {string | number | undefined} value */
function format(value) {
  return typeof value === "number" ? value.toLocaleString(document.documentElement.lang) : String(value ?? "");
}
