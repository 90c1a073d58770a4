// The plan before anything is drawn: an animated sketch whose places and paths are moved by hand.
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { sidesOf } from "./form.js";
import { modelOf, models } from "./models.js";
import { SketchBar } from "./sketch/bar.js";
import { SketchCanvas } from "./sketch/canvas.js";
import { Editor } from "./sketch/editor.js";
import { view } from "./sketch/view.js";
import { form } from "./state.js";
import { Welcome } from "./welcome.js";

export function Sketch() {
  const [width, height] = sidesOf(view.value?.size ?? form.value.size);
  const empty = !form.value.prompt.trim();
  const other = models.value && modelOf(form.value.model)?.engine !== "native";
  const sentence = view.value?.sentence ?? "";
  return html`<div class=${empty ? "stage-frame sheet sketch inviting" : "stage-frame sheet sketch"}>
    ${!view.value && html`<span class="blank"></span>`}
    ${!other && html`<div class="sketch-box" style=${{ "--ratio": `${width / height}` }}><${SketchCanvas} label=${t("create.sketch.label", { sentence })} />${!empty && html`<${Editor} />`}</div>`}
    ${other && !empty && html`<p class="stage-note">${t("create.sketch.none")}</p>`}
    ${empty ? html`<${Welcome} />` : !other && html`<${SketchBar} />`}
  </div>`;
}
