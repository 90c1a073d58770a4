// What a shot is made from beside its words: characters, the camera, pictures.
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Button, NumberField } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { Menu } from "../../widgets/menu.js";
import { Portrait } from "../../widgets/portrait.js";
import { PicturePicker } from "../create/pickers.js";
import { fileAddress } from "../create/uploads.js";

/**
 * @typedef {import("./time.js").Shot} Shot
 * @typedef {(values: Partial<Shot>, step?: string) => void} Setter
 */

const MAX_CHARACTERS = 2;
const MOVES = ["still", "pan left", "pan right", "zoom in", "zoom out"];
const SPEEDS = ["slowly", "", "fast"];
const ROLES = /** @type {const} */ (["first_frame", "keyframe", "last_frame"]);

/** @param {{ shot: Shot, set: Setter }} properties */
export function CameraRow({ shot, set }) {
  const { camera } = shot;
  const isNamed = camera === null || (typeof camera === "string" && /^(?:still|(?:pan|zoom) (?:left|right|in|out)(?: (?:slowly|fast))?)$/.test(camera));
  const [, move = "", speed = ""] = typeof camera === "string" && isNamed ? /^(still|\w+ \w+)(?: (\w+))?$/.exec(camera) ?? [] : [];
  /** @param {string} nextMove @param {string} nextSpeed */
  const put = (nextMove, nextSpeed) => set({ camera: nextMove ? `${nextMove}${nextSpeed && nextMove !== "still" ? ` ${nextSpeed}` : ""}` : null }, "");
  return html`<dt><label for="shot-camera">${t("storyboard.camera")}</label></dt><dd class="row">
    <select id="shot-camera" value=${isNamed ? move : "own"} onChange=${(/** @type {any} */ event) => event.currentTarget.value !== "own" && put(event.currentTarget.value, speed)}>
      <option value="">${t("storyboard.camera.words")}</option>${MOVES.map((name) => html`<option key=${name} value=${name}>${t(`storyboard.camera.${name}`)}</option>`)}
      ${!isNamed && html`<option value="own">${t("storyboard.camera.own")}</option>`}
    </select>
    ${move && move !== "still" && html`<select aria-label=${t("storyboard.camera.speed")} value=${speed} onChange=${(/** @type {any} */ event) => put(move, event.currentTarget.value)}>${SPEEDS.map((name) => html`<option key=${name} value=${name}>${t(`storyboard.camera.speed.${name || "normal"}`)}</option>`)}</select>`}
  </dd>`;
}

/**
 * Characters and pictures, each with a way to take it off, and the buttons that add them.
 * @param {{ shot: Shot, people: { id: string, name: string }[], set: Setter }} properties
 */
export function Sources({ shot, people, set }) {
  const [picking, setPicking] = useState(/** @type {typeof ROLES[number] | null} */ (null));
  const named = shot.characters.map((id) => people.find((person) => person.id === id) ?? { id, name: t("storyboard.character.gone") });
  const others = people.filter((person) => !shot.characters.includes(person.id));
  /** @param {{ id: string, name: string }} person */
  const add = (person) => {
    // A character is drawn where the words name it.
    const has = shot.prompt.toLowerCase().includes(person.name.toLowerCase());
    const prompt = has ? shot.prompt : `${shot.prompt}${shot.prompt && !/\s$/.test(shot.prompt) ? " " : ""}@${person.name}`;
    set({ characters: [...shot.characters, person.id], prompt }, "");
  };
  /** @param {number} index @param {Partial<import("./time.js").ShotReference>} values */
  const put = (index, values) => set({ references: shot.references.map((part, k) => (k === index ? { ...part, ...values } : part)) }, `${shot.id}-reference-${index}`);
  /** @param {{ file_id: string }} picture */
  const pick = ({ file_id }) => {
    const role = picking ?? "keyframe";
    const kept = role === "keyframe" ? shot.references : shot.references.filter((part) => part.role !== role);
    set({ references: [...kept, { file: file_id, role, frame: role === "keyframe" ? Math.floor(shot.frames / 2) : 0, fit: "crop", strength: 0.6 }] }, "");
    setPicking(null);
  };
  const continues = shot.transition.kind === "continue";
  const icons = { first_frame: "first", keyframe: "keyframe", last_frame: "last" };
  return html`<div class="row wrap sources" role="group" aria-label=${t("storyboard.sources")}>
    ${named.map((person) => html`<span class="token" key=${person.id}><${Portrait} id=${person.id} kind=${/** @type {any} */ (person).kind} />@${person.name}
      <${Button} kind="quiet" icon="close" label=${t("storyboard.character.remove", { name: person.name })} onClick=${() => set({ characters: shot.characters.filter((id) => id !== person.id) }, "")} /></span>`)}
    ${shot.references.map((part, index) => html`<span class="token" key=${`${part.file}-${index}`}>
      ${part.role === "guide" ? html`<${Icon} name="clip" />` : html`<img src=${fileAddress(part.file)} alt="" />`}<span>${t(`storyboard.role.${part.role}`)}</span>
      ${part.role === "keyframe" && html`<${NumberField} minimum=${1} maximum=${shot.frames} value=${part.frame + 1} aria-label=${t("storyboard.role.frame")} onChange=${(/** @type {number} */ number) => put(index, { frame: number - 1 })} />`}
      <${Button} kind="quiet" icon="close" label=${t("storyboard.role.remove", { role: t(`storyboard.role.${part.role}`) })} onClick=${() => set({ references: shot.references.filter((_, k) => k !== index) }, "")} /></span>`)}
    ${!shot.locked && others.length > 0 && named.length < MAX_CHARACTERS && html`<${Menu} kind="add" icon="at" label=${t("storyboard.character")} items=${others.map((person) => ({ label: `@${person.name}`, run: () => add(person) }))}>${t("storyboard.character")}<//>`}
    ${!shot.locked && html`<${Menu} kind="add" icon="first" label=${t("storyboard.picture")} items=${ROLES.filter((role) => role !== "first_frame" || !continues).map((role) => ({ label: t(`storyboard.role.${role}`), icon: icons[role], run: () => setPicking(role) }))}>${t("storyboard.picture")}<//>`}
    ${picking && html`<${PicturePicker} title=${t(`storyboard.role.${picking}`)} onPick=${pick} onClose=${() => setPicking(null)} />`}
  </div>`;
}
