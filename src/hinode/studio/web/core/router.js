// The route stands in the fragment, so that every other address can be relative to one page.
import { signal } from "./ui.js";

/**
 * @typedef {object} Route
 * @property {string} page such as "library"
 * @property {string} id of what the page shows, or ""
 * @property {URLSearchParams} query
 */

/** @returns {Route} */
function read() {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page = "", id = ""] = path.split("/").map(decodeURIComponent);
  return { page: page || "create", id, query: new URLSearchParams(query) };
}

export const route = signal(read());
addEventListener("hashchange", () => {
  route.value = read();
});

/**
 * The address of a page.
 * @param {string} page
 * @param {string} [id]
 * @param {Record<string, string>} [query]
 */
export function href(page, id = "", query = {}) {
  const words = new URLSearchParams(query).toString();
  return `#/${page}${id && `/${encodeURIComponent(id)}`}${words && `?${words}`}`;
}

/** @param {string} page @param {string} [id] @param {Record<string, string>} [query] */
export function navigate(page, id, query) {
  location.hash = href(page, id, query);
}

/** Change the address without a new step of the history, as while words are typed. @param {string} page @param {string} [id] @param {Record<string, string>} [query] */
export function replaceRoute(page, id, query) {
  history.replaceState(history.state, "", href(page, id, query));
  route.value = read();
}
