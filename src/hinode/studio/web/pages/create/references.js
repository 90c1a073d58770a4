// What else the clip is made from: the tools that add it, and the tray that shows it.
import { notify, notifyError } from "../../core/notices.js";
import { lazy } from "../../core/lazy.js";
import { t } from "../../core/strings.js";
import { html, signal, useState } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { Menu } from "../../widgets/menu.js";
import { characters } from "./characters.js";
import { modelOf } from "./models.js";
import { Footage, Keyframes, PictureCard } from "./tray.js";
import { drawing, view } from "./sketch/view.js";
import { change, form, shown } from "./state.js";

const CLIP = { strings: ["clip"], styles: ["clip"] };
const CameraDialog = lazy(() => import("./camera.js"), "CameraDialog");
const MaskDialog = lazy(() => import("./mask.js"), "MaskDialog", CLIP);
const FootagePicker = lazy(() => import("./pickers.js"), "FootagePicker", CLIP);
const PicturePicker = lazy(() => import("./pickers.js"), "PicturePicker", CLIP);

/** The dialog that is open. */
export const open = signal(/** @type {"first" | "last" | "keyframe" | "footage" | "mask" | "camera" | null} */ (null));
const close = () => { open.value = null; };

/** Names of moves of the camera, as the sentence of a plan has them. */
const MOVES = ["still", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out", "dolly in", "dolly out", "orbit", "follow"];

/** The words of the camera in the prompt are replaced by others. @param {string} move */
function setCamera(move) {
  const rest = form.peek().prompt.replace(/[,;.]?\s*(?:the\s+)?camera\s+(?:is\s+)?(?:still|(?:pans|tilts)\s+(?:left|right|up|down)|zooms\s+(?:in|out)|moves\s+(?:closer|back)|orbits|follows(?:\s+the\s+subject)?)/gi, "").trimEnd();
  change({ prompt: `${rest}${rest ? ", " : ""}${t(`create.camera.${move}`)}` }, "");
}

/** Name a character in the words. @param {string} name */
export function addName(name) {
  const { prompt } = form.peek();
  change({ prompt: `${prompt}${prompt && !/\s$/.test(prompt) ? " " : ""}@${name} ` }, "");
  document.getElementById("prompt")?.focus();
}

export function ReferenceTools() {
  const [more, setMore] = useState(form.peek().negative !== "");
  const { footage, negative, model: name } = form.value;
  const model = modelOf(name);
  const takes = (/** @type {string} */ role) => !model || model.references.includes(role);
  const fixed = footage !== null;
  const people = characters.value ?? [];
  /** @param {"first" | "last" | "keyframe" | "footage" | "mask" | "camera"} tool @param {string} icon @param {boolean} [off] @param {string} [reason] */
  const tool = (tool, icon, off = false, reason = "") => html`<${Button} icon=${icon} aria-disabled=${off} title=${off ? reason : undefined} onClick=${() => (off ? notify(reason) : (open.value = tool))}>${t(`create.tool.${tool}`)}<//>`;
  const noFootage = t("create.tool.notWithFootage");
  const draw = () => {
    if (!view.peek()?.plan.subjects.length) return notify(t("create.tool.noSubject"));
    shown.value = "";
    drawing.value = true;
    document.querySelector(".stage-box")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  };
  return html`<div class="row wrap tools">
      ${takes("first_frame") && tool("first", "first", fixed, noFootage)}
      ${takes("last_frame") && tool("last", "last", fixed, noFootage)}
      ${takes("keyframe") && tool("keyframe", "keyframe", fixed, noFootage)}
      ${tool("footage", "clip")}
      ${takes("mask") && tool("mask", "mask", footage?.use !== "change", t("create.tool.maskFirst"))}
      <${Button} icon="path" aria-disabled=${fixed} onClick=${() => (fixed ? notify(noFootage) : draw())}>${t("create.tool.path")}<//>
      <${Menu} icon="camera" label=${t("create.tool.camera")} items=${[...MOVES.map((move) => ({ label: t(`create.camera.${move}`), run: () => setCamera(move) })), { label: t("create.tool.curve"), icon: "path", run: () => { open.value = "camera"; } }]}>${t("create.tool.camera")}<//>
      ${people.length > 0 && takes("character") && html`<${Menu} icon="at" label=${t("create.tool.character")} items=${people.map((person) => ({ label: `@${person.name}`, run: () => addName(person.name) }))}>${t("create.tool.character")}<//>`}
      <${Button} icon="more" aria-expanded=${more} onClick=${() => setMore(!more)}>${t("action.more")}<//>
    </div>
    ${more && html`<label class="negative"><span>${t("create.negative")}</span><input type="text" value=${negative} placeholder=${t("create.negative.placeholder")} onInput=${(/** @type {any} */ event) => change({ negative: event.currentTarget.value }, "negative")} /></label>`}
    <${OpenDialog} />`;
}

function OpenDialog() {
  const which = open.value;
  /** @param {import("./form.js").Picture} picture */
  const take = (picture) => {
    if (which === "first") change({ first: picture }, "");
    else if (which === "last") change({ last: picture }, "");
    else change({ keyframes: [...form.peek().keyframes, { ...picture, at: Math.min(form.peek().seconds, Math.round(form.peek().seconds * 5) / 10) }] }, "");
    close();
  };
  if (which === "first" || which === "last" || which === "keyframe") return html`<${PicturePicker} title=${t(`create.tool.${which}`)} onPick=${take} onClose=${close} />`;
  if (which === "footage") return html`<${FootagePicker} onPick=${(/** @type {import("./form.js").Footage} */ footage) => { change({ footage, mask: null }, ""); close(); }} onClose=${close} />`;
  if (which === "mask") return html`<${MaskDialog} onClose=${close} />`;
  if (which === "camera") return html`<${CameraDialog} onClose=${close} />`;
  return null;
}

/** What the clip is made from, each with a way to take it off. */
export function ReferenceTray() {
  const { first, last, keyframes, footage, camera } = form.value;
  if (!first && !last && !keyframes.length && !footage && !camera.length) return null;
  return html`<ul class="tray" aria-label=${t("create.tray")}>
    ${footage && html`<${Footage} footage=${footage} />`}
    ${!footage && first && html`<${PictureCard} label=${t("create.tool.first")} picture=${first} onRemove=${() => change({ first: null }, "")} />`}
    ${!footage && html`<${Keyframes} />`}
    ${!footage && last && html`<${PictureCard} label=${t("create.tool.last")} picture=${last} onRemove=${() => change({ last: null }, "")} />`}
    ${camera.length > 0 && html`<li class="reference"><button type="button" class="button quiet" onClick=${() => { open.value = "camera"; }}>${t("create.camera.points", { count: camera.length })}</button>
      <${Button} kind="quiet" icon="close" label=${`${t("action.delete")}: ${t("create.tool.curve")}`} onClick=${() => change({ camera: [] }, "")} /></li>`}
  </ul>`;
}

/** Files that were dropped on the page. @param {File[]} files @param {(file: File) => Promise<{ kind: "picture" | "video", file_id: string, name: string }>} send */
export async function takeFiles(files, send) {
  for (const file of files) {
    try {
      const { kind, ...reference } = await send(file);
      const now = form.peek();
      if (kind === "video") change({ footage: { ...reference, use: "extend" }, mask: null }, "");
      else if (!now.first) change({ first: reference, footage: null }, "");
      else if (!now.last) change({ last: reference, footage: null }, "");
      else change({ keyframes: [...now.keyframes, { ...reference, at: Math.round(now.seconds * 5) / 10 }], footage: null }, "");
      notify(t(`create.file.${kind}`, { name: file.name }));
    } catch (error) {
      notifyError(error);
    }
  }
}
