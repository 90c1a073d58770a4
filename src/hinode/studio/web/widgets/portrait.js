// The picture of a character; one that is known by words has none.
import { address } from "../core/api.js";
import { html, useState } from "../core/ui.js";
import { Icon } from "./icons.js";

/** @param {{ id: string, kind?: string }} properties */
export function Portrait({ id, kind }) {
  const [failed, setFailed] = useState(false);
  if (failed || kind === "words") return html`<span class="portrait"><${Icon} name="people" /></span>`;
  return html`<img class="portrait" src=${address(`characters/${encodeURIComponent(id)}/picture`)} alt="" loading="lazy" onError=${() => setFailed(true)} />`;
}
