// Dialogs of a storyboard: two changes at once, versions, the film's own settings.
import { get } from "../../core/api.js";
import { ago, duration } from "../../core/format.js";
import { notify, notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Button, Field, Segmented } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { SHAPES, SIDES, shapeOf, sidesOf, sizeOf } from "../create/form.js";
import { modelOf, models } from "../create/models.js";
import { withRate } from "./document.js";
import { layout, rateLabel, rateOf, secondsOf } from "./time.js";

/** @typedef {import("./state.js").Board} Board */

const RATES = ["24", "25", "30", "24000/1001", "30000/1001", "12", "50", "60"];

/** Both this page and someone else have changed the storyboard. @param {{ board: Board }} properties */
export function ConflictDialog({ board }) {
  const theirs = board.conflict.value;
  if (!theirs) return null;
  const mine = board.value.value;
  const facts = (/** @type {import("./state.js").Film} */ film) => {
    const { total, rate } = layout(film.document);
    return t("storyboard.facts", { count: film.document.shots.length, time: duration(secondsOf(total, rate)) });
  };
  return html`<${Dialog} title=${t("storyboard.conflict")} onClose=${board.keepMine} kind="conflict">
    <p>${t("storyboard.conflict.text", { time: ago(theirs.updated_at) })}</p>
    <div class="versus"><div class="panel"><b>${t("storyboard.conflict.mine")}</b><span dir="auto">${mine.title}</span><small>${facts(mine)}</small></div><div class="panel"><b>${t("storyboard.conflict.theirs")}</b><span dir="auto">${theirs.film.title}</span><small>${facts(theirs.film)}</small></div></div>
    <div class="row wrap"><${Button} kind="primary" onClick=${board.keepMine}>${t("storyboard.conflict.keep")}<//><${Button} onClick=${board.takeTheirs}>${t("storyboard.conflict.take")}<//></div>
    <small>${t("storyboard.conflict.note")}</small>
  <//>`;
}

/** @param {{ board: Board, onClose: () => void }} properties */
export function VersionsDialog({ board, onClose }) {
  const [list, setList] = useState(/** @type {any[] | null} */ (null));
  useEffect(() => {
    board.save().catch(() => {}).then(() => get(`${board.path}/versions`)).then((page) => setList(page.data), (error) => { notifyError(error); setList([]); });
  }, []);
  /** @param {any} version */
  const restore = async (version) => {
    try {
      await board.restore(version.number);
      notify(t("storyboard.versions.restored", { time: ago(version.created_at) }), { action: { label: t("action.undo"), run: () => board.history.undo() } });
      onClose();
    } catch (error) {
      notifyError(error);
    }
  };
  const { rate } = board.places.value;
  return html`<${Dialog} title=${t("storyboard.versions")} onClose=${onClose} kind="versions">
    <p class="small">${t("storyboard.versions.text")}</p>
    ${!list && html`<p class="loading" aria-busy="true">${t("app.loading")}</p>`}
    <ol>${list?.map((version, index) => html`<li key=${version.number} class="row between"><span class="grow"><b dir="auto">${version.title}</b><small>${t("storyboard.facts", { count: version.shots, time: duration(secondsOf(version.frames, rate)) })} · ${ago(version.created_at)}</small></span>
      ${index === 0 ? html`<span class="chip info">${t("storyboard.versions.now")}</span>` : html`<${Button} aria-label=${t("storyboard.versions.restoreOf", { number: version.number })} onClick=${() => restore(version)}>${t("storyboard.versions.restore")}<//>`}</li>`)}</ol>
  <//>`;
}

/** @param {{ board: Board, onClose: () => void }} properties */
export function FilmDialog({ board, onClose }) {
  const { document } = board.value.value;
  const model = modelOf(document.model ?? "");
  /** @param {Partial<import("./time.js").FilmDocument>} values */
  const set = (values) => board.changeDocument((now) => ({ ...now, ...values }), `film-${Object.keys(values)}`);
  const shape = shapeOf(document.size);
  const side = Math.min(...sidesOf(document.size));
  const sides = [...new Set([...SIDES, side])].sort((a, b) => a - b);
  const rates = RATES.includes(document.fps) ? RATES : [...RATES, document.fps];
  const has = document.shots.some((shot) => shot.video_id);
  const text = (/** @type {"style" | "place" | "time" | "weather"} */ name) => html`<${Field} label=${t(`storyboard.film.${name}`)} hint=${name === "style" ? t("storyboard.film.style.hint") : undefined}>${(/** @type {any} */ field) => html`<input ...${field} type="text" dir="auto" maxlength="200" value=${document[name]} onInput=${(/** @type {any} */ event) => set({ [name]: event.currentTarget.value })} />`}<//>`;
  return html`<${Dialog} title=${t("storyboard.film.settings")} onClose=${onClose}>
    <div class="stack">
      <div class="film-fields">
        <${Field} label=${t("storyboard.film.fps")}>${(/** @type {any} */ field) => html`<select ...${field} value=${document.fps} onChange=${(/** @type {any} */ event) => { const fps = event.currentTarget.value; board.changeDocument((now) => withRate(now, fps)); }}>${rates.map((fps) => html`<option key=${fps} value=${fps}>${t("storyboard.fps", { fps: rateLabel(fps) })}</option>`)}</select>`}<//>
        <${Field} label=${t("storyboard.film.size")}>${(/** @type {any} */ field) => html`<select ...${field} value=${String(side)} onChange=${(/** @type {any} */ event) => { const [width, height] = sidesOf(document.size); const to = Number(event.currentTarget.value); set({ size: shape ? sizeOf(shape, to) : [width, height].map((part) => 2 * Math.round((part * to) / side / 2)).join("x") }); }}>${sides.map((value) => html`<option key=${value} value=${String(value)}>${(shape ? sizeOf(shape, value) : document.size).replace("x", " × ")}</option>`)}</select>`}<//>
      </div>
      <${Segmented} wide label=${t("storyboard.film.shape")} value=${shape} onChange=${(/** @type {any} */ to) => set({ size: sizeOf(to, side) })} options=${Object.keys(SHAPES).map((name) => ({ value: name, label: t(`create.shape.${name}`) }))} />
      ${(model?.profiles.length ?? 0) > 1 && html`<${Segmented} wide label=${t("create.field.profile")} value=${document.profile ?? "standard"} onChange=${(/** @type {any} */ profile) => set({ profile })} options=${model?.profiles.map((name) => ({ value: name, label: t(`create.profile.${name}`) }))} />`}
      ${(models.value?.length ?? 0) > 1 && html`<${Field} label=${t("create.field.model")}>${(/** @type {any} */ field) => html`<select ...${field} value=${model?.id} onChange=${(/** @type {any} */ event) => set({ model: event.currentTarget.value })}>${models.value?.map((entry) => html`<option key=${entry.id} value=${entry.id}>${entry.model}</option>`)}</select>`}<//>`}
      ${text("style")}
      <div class="film-fields">${text("place")}${text("time")}${text("weather")}</div>
      ${has && html`<p class="note">${t("storyboard.film.made")}</p>`}
      <div class="row between"><small>${t("storyboard.film.rate", { fps: rateLabel(document.fps), nominal: rateOf(document.fps).nominal })}</small><${Button} kind="primary" onClick=${onClose}>${t("action.done")}<//></div>
    </div>
  <//>`;
}
