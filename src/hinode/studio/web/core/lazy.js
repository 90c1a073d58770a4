// Parts that are loaded when they are first shown, so that the first page comes soon.
import { notifyError } from "./notices.js";
import { loadStrings } from "./strings.js";
import { html, useEffect, useState } from "./ui.js";

/**
 * @typedef {object} Needs what a part shows besides the shared parts
 * @property {string[]} [strings] modules of the catalogue
 * @property {string[]} [styles] sheets
 */

/** Load texts and styles. @param {Needs} needs */
export const loadNeeds = ({ strings = [], styles = [] }) => Promise.all([...strings.map(loadStrings), ...styles.map(loadStyle)]);

/**
 * A component of a module that is loaded when the component is first shown.
 * @param {() => Promise<Record<string, any>>} load
 * @param {string} name of the export
 * @param {Needs} [needs]
 * @param {() => any} [place] what is shown until then
 * @returns {(properties: Record<string, any>) => any}
 */
export function lazy(load, name, needs = {}, place = () => null) {
  /** @type {any} */
  let Component = null;
  return function Lazy(properties) {
    const [, setLoaded] = useState(false);
    useEffect(() => {
      if (!Component) Promise.all([load(), loadNeeds(needs)]).then(([module]) => { Component = module[name]; setLoaded(true); }, notifyError);
    }, []);
    return Component ? html`<${Component} ...${properties} />` : place();
  };
}

const sheets = new Set();

/**
 * Load a sheet of styles once, before what needs it is shown.
 * @param {string} name such as "library"
 * @returns {Promise<void>}
 */
export function loadStyle(name) {
  if (sheets.has(name)) return Promise.resolve();
  sheets.add(name);
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(`../styles/${name}.css`, import.meta.url).href;
  const done = /** @type {Promise<void>} */ (new Promise((resolve) => {
    // A page without its styles is better than none.
    link.onload = link.onerror = () => resolve();
  }));
  document.head.append(link);
  return done;
}
