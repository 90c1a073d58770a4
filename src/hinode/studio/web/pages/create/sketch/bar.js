// The bar under the sketch: its clock, where and when it is, and the list of points.
import { timecode } from "../../../core/format.js";
import { useShortcuts } from "../../../core/keyboard.js";
import { t } from "../../../core/strings.js";
import { html, useEffect, useRef, useState } from "../../../core/ui.js";
import { Button, Segmented } from "../../../widgets/controls.js";
import { isEdited } from "../form.js";
import { change, form } from "../state.js";
import { show } from "./canvas.js";
import { nameOf, move } from "./editor.js";
import { POINTS, resize } from "./edits.js";
import { chosen, clock, drawing, edited, followers, playing, view } from "./view.js";

const CHOICES = {
  place: ["hills", "mountains", "sea", "desert", "city", "meadow", "village", "underwater", "space"],
  time: ["dawn", "noon", "sunset", "night"],
  weather: ["clear", "rain", "snow", "fog"],
};
const MAX_LAND = 2 ** 31;
const STEP = 0.02;
const GROWTH = 1.1;

export function SketchBar() {
  const [listed, setListed] = useState(false);
  useShortcuts([{ keys: "space", label: t("create.sketch.play"), group: t("create.title"), run: () => { playing.value = !playing.peek(); } }]);
  const now = view.value;
  if (!now || now.demo) return null;
  const { plan } = now;
  const own = form.value.plan ?? edited.value?.answer.plan;
  const { edits } = form.value;
  /** @param {"place" | "time" | "weather"} fact @param {string} value */
  const set = (fact, value) => change({ edits: { ...edits, [fact]: value === own?.[fact] ? undefined : value } }, "");
  return html`<div class="sketch-bar" role="group" aria-label=${t("create.sketch.controls")}>
    <${Clock} seconds=${plan.seconds} />
    <div class="row wrap sketch-tools">
      ${/** @type {("place" | "time" | "weather")[]} */ (Object.keys(CHOICES)).map((fact) => html`<select key=${fact} aria-label=${t(`create.sketch.${fact}`)} value=${plan[fact]} onChange=${(/** @type {any} */ event) => set(fact, event.currentTarget.value)}>
        ${CHOICES[fact].map((value) => html`<option key=${value} value=${value}>${t(`create.${fact}.${value}`)}</option>`)}</select>`)}
      <${Button} kind="plain" icon="dice" label=${t("create.sketch.land")} onClick=${() => change({ edits: { ...edits, land: Math.floor(Math.random() * MAX_LAND) } }, "")} />
      ${plan.subjects.length > 0 && html`<${Button} kind="plain" icon="path" label=${t("create.sketch.draw")} pressed=${drawing.value} onClick=${() => { drawing.value = !drawing.value; show(clock.seconds); }} />
        <${Button} kind="plain" icon="filter" label=${t("create.sketch.list")} pressed=${listed} aria-expanded=${listed} onClick=${() => setListed(!listed)} />`}
      ${(isEdited(edits) || form.value.plan) && html`<${Button} kind="plain discard" icon="undo" title=${t("create.sketch.discard.title")} onClick=${() => change({ edits: {}, plan: null }, "")}>${t("create.sketch.discard")}<//>`}
    </div>
    ${listed && html`<${PointList} onClose=${() => setListed(false)} />`}
  </div>`;
}

/** @param {{ seconds: number }} properties */
function Clock({ seconds }) {
  const slider = useRef(/** @type {HTMLInputElement | null} */ (null));
  const text = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    /** @param {number} at */
    const follow = (at) => {
      if (!slider.current || !text.current) return;
      slider.current.value = String(at);
      slider.current.style.setProperty("--share", String(at / seconds));
      text.current.textContent = timecode(at);
    };
    followers.add(follow);
    follow(clock.seconds);
    return () => { followers.delete(follow); };
  }, [seconds]);
  return html`<div class="row sketch-clock">
    <${Button} kind="plain" icon=${playing.value ? "pause" : "play"} label=${t(playing.value ? "player.pause" : "player.play")} onClick=${() => { playing.value = !playing.value; }} />
    <span class="position"><b ref=${text}>0:00.00</b> / ${timecode(seconds)}</span>
    <input ref=${slider} type="range" min="0" max=${seconds} step="0.01" aria-label=${t("player.seek")} onInput=${(/** @type {any} */ event) => show(Number(event.currentTarget.value))} />
  </div>`;
}

/** Every point by single clicks. @param {{ onClose: () => void }} properties */
function PointList({ onClose }) {
  const now = view.value;
  if (!now) return null;
  const { plan } = now;
  const number = Math.min(chosen.value, plan.subjects.length - 1);
  const subject = plan.subjects[number];
  if (!subject) return null;
  const ways = /** @type {[string, string, number, number][]} */ ([["left", "←", -STEP, 0], ["up", "↑", 0, -STEP], ["down", "↓", 0, STEP], ["right", "→", STEP, 0]]);
  /** @param {number | null} point @param {string} label */
  const row = (point, label) => html`<li key=${label} class="row between"><span>${label}</span><span class="row">${ways.map(([way, sign, dx, dy]) => html`<button type="button" key=${way} class="button" aria-label=${`${label}: ${t(`create.sketch.${way}`)}`} title=${t(`create.sketch.${way}`)}
    onClick=${() => { if (point !== null) show(POINTS[point] * plan.seconds); move(number, point, dx, dy, `click-${number}-${point}`); }}>${sign}</button>`)}</span></li>`;
  /** @param {number} factor */
  const grow = (factor) => change({ edits: resize(form.peek().edits, plan, number, factor) }, `size-${number}`);
  return html`<div class="point-list sheet" role="group" aria-label=${t("create.sketch.list")}>
    <div class="row between"><h2>${nameOf(subject)}</h2><${Button} kind="quiet" icon="close" label=${t("action.close")} onClick=${onClose} /></div>
    ${plan.subjects.length > 1 && html`<${Segmented} wide label=${t("create.sketch.subject")} value=${number} onChange=${(/** @type {number} */ next) => { chosen.value = next; }} options=${plan.subjects.map((entry, value) => ({ value, label: entry.kind }))} />`}
    <ul>${row(null, t("create.sketch.all"))}${POINTS.map((part, point) => row(point, timecode(part * plan.seconds)))}
      <li class="row between"><span>${t("create.sketch.size")}</span><span class="row"><button type="button" class="button" aria-label=${t("create.sketch.smaller")} title=${t("create.sketch.smaller")} onClick=${() => grow(1 / GROWTH)}>−</button><button type="button" class="button" aria-label=${t("create.sketch.larger")} title=${t("create.sketch.larger")} onClick=${() => grow(GROWTH)}>+</button></span></li></ul>
  </div>`;
}
