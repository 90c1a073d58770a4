// The characters that a prompt can name with @.
import { get } from "../../core/api.js";
import { signal } from "../../core/ui.js";

/** @typedef {{ id: string, name: string }} Character */

/** null until they are known. */
export const characters = signal(/** @type {Character[] | null} */ (null));

export async function loadCharacters() {
  const page = await get("videos/characters", { query: { limit: 100 } });
  characters.value = page.data;
}
