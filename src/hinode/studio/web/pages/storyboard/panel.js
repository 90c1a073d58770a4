// The chosen shot: its words and what becomes of them, what it is made from, how it follows, its takes.
import { notifyError } from "../../core/notices.js";
import { duration } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { videos } from "../../core/videos.js";
import { Button, NumberField, Segmented } from "../../widgets/controls.js";
import { PromptField } from "../../widgets/prompt-field.js";
import { ReadingChips, chipsOf } from "../../widgets/reading-chips.js";
import { framesOf } from "../../widgets/player.js";
import { characters } from "../create/characters.js";
import { CameraRow, Sources } from "./sources.js";
import { useQuote, useReading } from "./asking.js";
import { MAX_FRAMES, MIN_FRAMES, resize } from "./document.js";
import { Takes } from "./takes.js";
import { layout, overlapOf, rateOf, secondsOf } from "./time.js";

const KINDS = /** @type {const} */ (["cut", "continue", "fade", "blend"]);

/** @param {{ board: import("./state.js").Board }} properties */
export function ShotPanel({ board }) {
  const shot = board.shot.value;
  if (!shot) return html`<aside class="board-panel sheet panel stack" aria-label=${t("storyboard.shot")}><p class="small">${t("storyboard.shot.none")}</p></aside>`;
  return html`<${Shot} key=${shot.id} board=${board} shot=${shot} />`;
}

/** @param {{ board: import("./state.js").Board, shot: import("./time.js").Shot }} properties */
function Shot({ board, shot }) {
  const { document } = board.value.value;
  const index = document.shots.indexOf(shot);
  const { reading, busy } = useReading(shot, document);
  const quote = useQuote(shot, document);
  const [sending, setSending] = useState(false);
  const rate = rateOf(document.fps);
  const people = characters.value ?? [];
  const video = videos.value.get(shot.video_id ?? "");
  const making = board.isMaking(shot.id);
  /** @param {Partial<import("./time.js").Shot>} values @param {string} [step] */
  const set = (values, step = `${shot.id}-${Object.keys(values)}`) => board.changeShot(shot.id, values, step);
  /** @param {{ takes?: number }} [options] */
  const render = async (options) => {
    setSending(true);
    try {
      await board.render(shot.id, options);
    } catch (error) {
      notifyError(error);
    } finally {
      setSending(false);
    }
  };
  /** @param {string} id */
  const name = (id) => !shot.characters.includes(id) && set({ characters: [...shot.characters, id] }, "");
  const lacks = video?.status === "completed" ? shot.start + shot.frames - framesOf(video) : 0;
  const blocked = !shot.prompt.trim() || shot.locked || sending;
  const wait = quote && quote.queue_wait?.p50 > 1 ? ` ${t("storyboard.wait", { time: duration(quote.queue_wait.p50) })}` : "";
  return html`<aside class="board-panel sheet" aria-label=${t("storyboard.shot")}>
    <div class="row between shot-head"><span class="number">${index + 1}</span>
      <input class="shot-title" type="text" maxlength="200" aria-label=${t("storyboard.shot.title")} placeholder=${board.nameOf(shot.id).replace(/^\d+ · /, "")} value=${shot.title} dir="auto" onInput=${(/** @type {any} */ event) => set({ title: event.currentTarget.value })} />
      <${Button} icon=${shot.locked ? "lock" : "unlock"} pressed=${shot.locked} onClick=${() => set({ locked: !shot.locked }, "")}>${t(shot.locked ? "storyboard.locked" : "storyboard.lock")}<//></div>
    <fieldset class="stack" disabled=${shot.locked}><legend class="visually-hidden">${t("storyboard.shot")}</legend>
      <${PromptField} id="shot-prompt" value=${shot.prompt} names=${people} label=${t("storyboard.prompt")} placeholder=${t("storyboard.prompt.placeholder")} disabled=${shot.locked}
        onChange=${(/** @type {string} */ prompt) => set({ prompt })} onName=${name} />
      ${reading && html`<${ReadingChips} chips=${chipsOf(reading)} busy=${busy} onKeep=${shot.locked ? undefined : (/** @type {string} */ words) => set({ prompt: `${shot.prompt.trim()} ${words}` }, "")} />`}
      <dl class="shot-facts">
        ${index > 0 && html`<dt>${t("storyboard.begins")}</dt><dd><${Begins} board=${board} shot=${shot} index=${index} set=${set} /></dd>`}
        <dt><label for="shot-frames">${t("storyboard.length")}</label></dt>
        <dd class="row"><${NumberField} id="shot-frames" minimum=${MIN_FRAMES} maximum=${MAX_FRAMES} value=${shot.frames} onChange=${(/** @type {number} */ frames) => board.changeDocument((now) => resize(now, shot.id, frames), `${shot.id}-frames`)} /><small>${t("storyboard.framesAre", { time: duration(secondsOf(shot.frames, rate)) })}</small></dd>
        <${CameraRow} shot=${shot} set=${set} />
      </dl>
      <${Sources} shot=${shot} people=${people} set=${set} />
    </fieldset>
    <div class="stack shot-make">
      ${lacks > 0 && html`<p class="note warn">${t("storyboard.lacks", { count: lacks })} <button type="button" class="link" onClick=${() => board.changeDocument((now) => resize(now, shot.id, shot.frames - lacks), "")}>${t("storyboard.fitClip")}</button></p>`}
      <${Takes} board=${board} shot=${shot} />
      <div class="row wrap make"><${Button} kind="primary" disabled=${blocked} title=${t("storyboard.othersStay")} onClick=${() => render()}>${t(video ? "storyboard.again" : "storyboard.make")}<//>
        <${Button} disabled=${blocked} onClick=${() => render({ takes: 4 })}>${t("storyboard.fourTakes")}<//></div>
      <small>${!shot.prompt.trim() ? t("storyboard.needsWords") : shot.locked ? t("storyboard.lockedNote") : making ? t("storyboard.makingNote") : quote ? `${t("storyboard.quote", { time: duration(quote.eta.p50), worst: duration(quote.eta.p90) })}${wait}` : t("storyboard.othersStay")}</small>
    </div>
  </aside>`;
}

/** @param {{ board: import("./state.js").Board, shot: import("./time.js").Shot, index: number, set: (values: Partial<import("./time.js").Shot>, step?: string) => void }} properties */
function Begins({ board, shot, index, set }) {
  const { document } = board.value.value;
  const { kind } = shot.transition;
  const { places, rate } = layout(document);
  const overlap = overlapOf(shot.transition, rate);
  const most = Math.max(1, Math.min(shot.frames - (places[index + 1]?.overlap ?? 0), document.shots[index - 1].frames - places[index - 1].overlap));
  return html`<div class="begins"><${Segmented} label=${t("storyboard.begins")} value=${kind} onChange=${(/** @type {any} */ next) => set({ transition: { kind: next, frames: null } }, "")}
      options=${KINDS.map((value) => ({ value, label: t(`storyboard.transition.${value}`), title: t(`storyboard.transition.${value}.title`), disabled: shot.locked }))} />
    ${overlap > 0 && html`<label class="row"><${NumberField} id="transition-frames" minimum=${1} maximum=${most} value=${overlap} onChange=${(/** @type {number} */ frames) => set({ transition: { kind, frames } })} /><small>${t("storyboard.framesAre", { time: duration(secondsOf(overlap, rate)) })}</small></label>`}
    ${kind === "continue" && html`<small>${t("storyboard.continueOf", { number: index })}</small>`}
    ${overlap > most && html`<small class="warn">${t("storyboard.tooLong", { count: most })}</small>`}
  </div>`;
}
