// The panel of the clip: model, shape, size, length, profile, seed, sound, takes.
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Button, DraftInput, Segmented, Slider, Stepper, Switch } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { LENGTHS, randomSeed, SHAPES, shapeOf, SIDES, sidesOf, sizeOf } from "./form.js";
import { modelOf, models } from "./models.js";
import { change, form } from "./state.js";

const MAX_TAKES = 10;

/** "640 × 360", left to right in every language. @param {string} size */
const sizeText = (size) => `\u2066${size.replace("x", " × ")}\u2069`;

export function ClipPanel() {
  const { model: name, size, seconds, profile, locked, sound, takes, footage } = form.value;
  const model = modelOf(name);
  const list = models.value ?? [];
  const shape = shapeOf(size);
  const side = Math.min(...sidesOf(size));
  const lengths = [...new Set([...LENGTHS.filter((length) => !model || (length >= model.seconds[0] && length <= model.seconds[1])), seconds])].sort((a, b) => a - b);
  const profiles = model?.profiles ?? ["draft", "standard", "best"];
  const fixed = footage !== null;
  return html`<section class="sheet panel stack clip-panel" aria-labelledby="clip-panel-title">
    <h2 id="clip-panel-title">${t("create.clip")}</h2>
    ${list.length > 1 && html`<label class="row between"><span>${t("create.model")}</span><select aria-label=${t("create.model")} value=${model?.id} onChange=${(/** @type {any} */ event) => change({ model: event.currentTarget.value })}>
      ${list.map((entry) => html`<option key=${entry.id} value=${entry.id}>${entry.model}</option>`)}</select></label>`}
    ${fixed ? html`<p class="small">${t("create.sizeOfFootage")}</p>` : html`<${Segmented} wide label=${t("create.shape")} value=${shape} onChange=${(/** @type {keyof typeof SHAPES} */ next) => change({ size: sizeOf(next, side) }, "size")}
        options=${Object.keys(SHAPES).map((value) => ({ value, label: SHAPES[/** @type {keyof typeof SHAPES} */ (value)].join(":"), title: t(`create.shape.${value}`) }))} />
      <label class="row between"><span>${t("create.size")}</span><select aria-label=${t("create.size")} value=${String(side)} onChange=${(/** @type {any} */ event) => change({ size: sizeOf(shape || "wide", Number(event.currentTarget.value)) }, "size")}>
        ${[...new Set([...SIDES, side])].sort((a, b) => a - b).map((value) => html`<option key=${value} value=${String(value)}>${sizeText(value === side ? size : sizeOf(shape || "wide", value))}</option>`)}</select></label>`}
    ${footage?.use !== "change" && html`<${Slider} label=${t(fixed ? "create.added" : "create.length")} value=${lengths.indexOf(seconds)} minimum=${0} maximum=${lengths.length - 1} text=${t("time.seconds", { seconds })}
      onChange=${(/** @type {number} */ index) => change({ seconds: lengths[index] })} />`}
    ${profiles.length > 1 && html`<${Segmented} wide label=${t("create.profile")} value=${profile} onChange=${(/** @type {string} */ next) => change({ profile: next })}
      options=${profiles.map((value) => ({ value, label: t(`create.profile.${value}`), title: t(`create.profile.${value}.title`) }))} />`}
    <${Seed} locked=${locked} />
    <${Switch} label=${t("create.sound")} checked=${sound && Boolean(model?.sound ?? true)} disabled=${model ? !model.sound : false} onChange=${(/** @type {boolean} */ next) => change({ sound: next })} />
    <${Stepper} label=${t("create.takes")} value=${takes} minimum=${1} maximum=${MAX_TAKES} less=${t("create.takes.less")} more=${t("create.takes.more")} onChange=${(/** @type {number} */ next) => change({ takes: next })} />
  </section>`;
}

/** @param {{ locked: boolean }} properties */
function Seed({ locked }) {
  /** @param {string} text */
  const set = (text) => {
    const digits = text.replace(/\D/g, "").slice(0, 15);
    if (digits) change({ seed: Number(digits) });
  };
  return html`<div class="row between seed" role="group" aria-label=${t("create.seed")}><label for="seed">${t("create.seed")}</label><span class="row">
    <span class="seed-field"><button type="button" class="button quiet only-icon" aria-label=${t("create.seed.new")} title=${t("create.seed.new")} onClick=${() => change({ seed: randomSeed() }, "")}><${Icon} name="dice" /></button>
      <${DraftInput} id="seed" type="text" inputmode="numeric" value=${form.value.seed} onCommit=${set} /></span>
    <${Button} icon=${locked ? "lock" : "unlock"} label=${t("create.seed.lock")} pressed=${locked} onClick=${() => change({ locked: !locked })} />
  </span></div>`;
}
