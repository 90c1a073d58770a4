// The timeline of the film with the buttons above it.
import { notifyError } from "../../core/notices.js";
import { useShortcuts } from "../../core/keyboard.js";
import { t } from "../../core/strings.js";
import { announce, notify } from "../../core/notices.js";
import { html, useMemo, useState } from "../../core/ui.js";
import { duration } from "../../core/format.js";
import { videos } from "../../core/videos.js";
import { ClipPicture, Sprite } from "../../widgets/card.js";
import { Button } from "../../widgets/controls.js";
import { Menu } from "../../widgets/menu.js";
import { Timeline } from "../../widgets/timeline.js";
import { Waveform } from "../../widgets/waveform.js";
import { framesOf } from "../../widgets/player.js";
import { duplicate, indexOf, insert, move, newShot, resize, shotName, split, without } from "./document.js";
import { frameCode, layout, placeAt, rateLabel, rulerStep, secondsOf } from "./time.js";

/** @typedef {import("./state.js").Board} Board */

const PICTURE_HEIGHT = 102;
/** Shots whose sound is drawn. */
const MAX_HEARD = 60;
/** Width of a card of usual length below which the film is scrolled instead of fitted. */
const FIT_PIXELS = 92;

/** What can be done with the chosen shot. @param {Board} board */
export function actions(board) {
  const chosen = () => board.selected.peek();
  const document = () => board.value.peek().document;
  const say = (/** @type {string} */ key) => {
    const index = indexOf(document(), chosen());
    announce(t(key, { name: board.nameOf(chosen()), number: index + 1, count: document().shots.length, frames: document().shots[index]?.frames ?? 0 }));
  };
  return {
    add() {
      const index = indexOf(document(), chosen());
      const shot = newShot(document());
      board.changeDocument((now) => insert(now, shot, index < 0 ? now.shots.length : index + 1));
      choose(board, shot.id);
      setTimeout(() => /** @type {HTMLElement | null} */ (window.document.getElementById("shot-prompt"))?.focus());
    },
    /** @param {number} by */
    shift(by) {
      const index = indexOf(document(), chosen());
      if (index < 0 || !document().shots[index + by]) return;
      board.changeDocument((now) => move(now, chosen(), index + by));
      say("storyboard.said.moved");
    },
    /** @param {number} by frames */
    stretch(by) {
      const shot = board.shot.peek();
      if (!shot) return;
      board.changeDocument((now) => resize(now, shot.id, shot.frames + by), `${shot.id}-frames`);
      say("storyboard.said.length");
    },
    split() {
      const result = split(document(), board.frame.peek());
      if (!result) return notify(t("storyboard.split.nothing"));
      board.changeDocument(() => result.document);
      board.selected.value = result.id;
      return say("storyboard.said.split");
    },
    duplicate() {
      if (!board.shot.peek()) return;
      const result = duplicate(document(), chosen());
      board.changeDocument(() => result.document);
      choose(board, result.id);
    },
    remove() {
      const index = indexOf(document(), chosen());
      if (index < 0) return;
      const name = board.nameOf(chosen());
      const shots = document().shots;
      const next = shots[index + 1] ?? shots[index - 1];
      board.changeDocument((now) => without(now, shots[index].id));
      board.selected.value = next?.id ?? "";
      notify(t("storyboard.removed", { name }), { action: { label: t("action.undo"), run: () => { board.history.undo(); choose(board, shots[index].id); } } });
    },
    lock() {
      const shot = board.shot.peek();
      if (shot) board.changeShot(shot.id, { locked: !shot.locked });
    },
  };
}

/** The playhead goes along with the choice, unless it is there already. @param {Board} board @param {string} id */
export function choose(board, id) {
  board.selected.value = id;
  const place = board.places.peek().places.find((entry) => entry.shot.id === id);
  if (!place || board.playing.peek()) return;
  if (placeAt(board.places.peek().places, board.frame.peek())?.shot.id !== id) board.frame.value = Math.min(place.start + place.overlap, place.end - 1);
}

/** @param {{ board: Board, onSettings: () => void, children: any }} properties */
export function Line({ board, onSettings, children }) {
  const [width, setWidth] = useState(0);
  const [zoom, setZoom] = useState(1);
  const [preview, setPreview] = useState(/** @type {{ id: string, index?: number, by?: number } | null} */ (null));
  const act = useMemo(() => actions(board), [board]);
  const { document } = board.value.value;
  const now = board.places.value;
  // While a card is dragged, the film is seen as it would be; the cards keep their order until it is dropped.
  const drawn = preview ? layout(preview.by !== undefined ? resize(document, preview.id, (document.shots.find((shot) => shot.id === preview.id)?.frames ?? 1) + preview.by) : move(document, preview.id, preview.index ?? 0)) : now;
  const placed = preview ? document.shots.map((shot) => /** @type {import("./time.js").Place} */ (drawn.places.find((place) => place.shot.id === shot.id))) : drawn.places;
  const lengths = document.shots.map((shot) => shot.frames).sort((a, b) => a - b);
  const usual = lengths[Math.floor(lengths.length / 2)] ?? 1;
  const fitting = now.total ? Math.max(0.01, (width - 2) / now.total) : 1;
  const scale = Math.max(fitting, Math.min(FIT_PIXELS / usual, 24)) * zoom;
  const { rate } = now;
  const step = rulerStep(rate, scale);
  const marks = Array.from({ length: Math.floor(Math.max(0, drawn.total - 1) / step) + 1 }, (_, index) => ({ frame: index * step, text: step < rate.nominal ? frameCode(index * step, rate) : `${(index * step) / rate.nominal}s` }));
  const ratio = ratioOf(document.size);
  const cards = placed.map((place) => cardOf(board, place, ratio));
  const spans = drawn.places.slice(0, MAX_HEARD).map(({ shot: { video_id, start }, from, to, start: begin }) => ({
    video: videos.value.get(video_id ?? "")?.status === "completed" ? video_id ?? "" : "", from: secondsOf(from, rate), to: secondsOf(to, rate), start: secondsOf(start + from - begin, rate),
  }));
  const shot = board.shot.value;
  const index = shot ? document.shots.indexOf(shot) : -1;
  const missing = document.shots.filter((entry) => !entry.video_id && !entry.locked && entry.prompt.trim() && !board.isMaking(entry.id) && !board.wanted.value.has(entry.id)).length;
  const group = t("storyboard.shot");
  useShortcuts([
    { keys: "n", label: t("storyboard.addShot"), group, run: act.add },
    { keys: "b", label: t("storyboard.split"), group, run: act.split },
    { keys: "d", label: t("storyboard.duplicate"), group, run: act.duplicate },
    { keys: "delete", label: t("action.delete"), group, run: act.remove },
    { keys: "backspace", label: "", group, run: act.remove },
    { keys: "mod+shift+arrowleft", label: t("storyboard.earlier"), group, run: () => act.shift(-1) },
    { keys: "mod+shift+arrowright", label: t("storyboard.later"), group, run: () => act.shift(1) },
    { keys: "-", label: t("storyboard.shorter"), group, run: () => act.stretch(-1) },
    { keys: "=", label: t("storyboard.longer"), group, run: () => act.stretch(1) },
    { keys: "shift+l", label: t("storyboard.lock"), group, run: act.lock },
  ]);
  /** Keys of a card: those that move and stretch it. @param {KeyboardEvent} event */
  const onKey = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && (event.shiftKey || event.altKey)) act.shift(by);
    else if (event.key === " ") board.toggle();
    else if (event.key === "+") act.stretch(1);
    else if (event.key === "PageUp") act.stretch(rate.nominal);
    else if (event.key === "PageDown") act.stretch(-rate.nominal);
    else if (event.key === "Enter") /** @type {HTMLElement | null} */ (window.document.getElementById("shot-prompt"))?.focus();
    else return false;
    return true;
  };
  /** @param {string} id @param {number} to */
  const onMove = (id, to) => {
    board.selected.value = id;
    board.changeDocument((before) => move(before, id, to));
    announce(t("storyboard.said.moved", { name: board.nameOf(id), number: to + 1, count: document.shots.length }));
  };
  /** @param {string} id */
  const onJoint = (id) => {
    choose(board, id);
    setTimeout(() => /** @type {HTMLElement | null} */ (window.document.querySelector(".begins [aria-checked=true]"))?.focus());
  };
  const makeMissing = () => board.renderMissing().catch(notifyError);
  return html`<section class="board-line sheet" aria-label=${t("storyboard.timeline")}>
    <div class="row between wrap line-tools">
      <span class="row wrap"><${Button} icon="plus" onClick=${act.add}>${t("storyboard.add")}<//>
        <${Button} kind="quiet" icon="left" label=${t("storyboard.earlier")} disabled=${index < 1} onClick=${() => act.shift(-1)} />
        <${Button} kind="quiet" icon="right" label=${t("storyboard.later")} disabled=${index < 0 || index === document.shots.length - 1} onClick=${() => act.shift(1)} />
        <span class="row frames-step" role="group" aria-label=${t("storyboard.length")}><${Button} kind="quiet" title=${t("storyboard.shorter")} disabled=${!shot} onClick=${() => act.stretch(-1)}>−1 <span class="visually-hidden">${t("storyboard.shorter")}</span><//><${Button} kind="quiet" title=${t("storyboard.longer")} disabled=${!shot} onClick=${() => act.stretch(1)}>+1 <span class="visually-hidden">${t("storyboard.longer")}</span><//></span>
        <${Button} kind="quiet" icon="scissors" disabled=${!shot} onClick=${act.split}>${t("storyboard.split")}<//>
        <${Menu} kind="quiet" icon="more" label=${t("storyboard.shot.more")} items=${[{ label: t("storyboard.duplicate"), icon: "plus", disabled: !shot, run: act.duplicate }, ...(shot?.video_id ? [{ label: t("storyboard.openClip"), icon: "clip", href: `#/clip/${shot.video_id}` }] : []), { label: t("action.delete"), icon: "trash", danger: true, disabled: !shot, run: act.remove }]} />
      </span>
      <span class="row wrap">${missing > 0 && html`<${Button} icon="create" onClick=${makeMissing}>${t("storyboard.makeMissing", { count: missing })}<//>`}
        <span class="row"><${Button} kind="quiet" icon="zoomOut" label=${t("storyboard.zoomOut")} disabled=${zoom <= 1} onClick=${() => setZoom(Math.max(1, zoom / 1.5))} /><${Button} kind="quiet" icon="zoomIn" label=${t("storyboard.zoomIn")} disabled=${scale > 40} onClick=${() => setZoom(zoom * 1.5)} /></span>
        <${Button} kind="quiet film-facts" title=${t("storyboard.film.settings")} onClick=${onSettings}>${duration(secondsOf(now.total, rate))} · ${document.size.replace("x", " × ")} · ${t("storyboard.fps", { fps: rateLabel(document.fps) })}<//>${children}</span>
    </div>
    ${cards.length ? html`<${Timeline} cards=${cards} total=${drawn.total} scale=${scale} marks=${marks} selected=${board.selected.value} frame=${board.frame} text=${(/** @type {number} */ frame) => frameCode(frame, rate)}
      onSelect=${(/** @type {string} */ id) => choose(board, id)} onSeek=${(/** @type {number} */ frame, /** @type {boolean} */ ends) => { board.playing.value = false; board.frame.value = frame; const place = placeAt(board.places.peek().places, frame); if (ends && place) board.selected.value = place.shot.id; }}
      onMove=${onMove} onResize=${(/** @type {string} */ id, /** @type {number} */ by) => board.changeDocument((before) => resize(before, id, (before.shots.find((entry) => entry.id === id)?.frames ?? 1) + by))}
      onKey=${onKey} onPreview=${setPreview} onWidth=${setWidth} onJoint=${onJoint}
      under=${html`<${Waveform} spans=${spans} seconds=${secondsOf(drawn.total, rate)} width=${drawn.total * scale} />`} />` : html`<p class="line-empty">${t("storyboard.empty")}</p>`}
  </section>`;
}

/** @param {string} size */
function ratioOf(size) {
  const [width, height] = size.split("x").map(Number);
  return width / height;
}

/** @param {Board} board @param {import("./time.js").Place} place @param {number} ratio @returns {import("../../widgets/timeline.js").Card} */
function cardOf(board, place, ratio) {
  const { shot, index } = place;
  const { rate } = board.places.value;
  const video = videos.value.get(shot.video_id ?? "");
  const latest = board.takes.value.filter((take) => take.shot === shot.id).map((take) => videos.value.get(take.id)).find(Boolean);
  const open = board.takes.value.filter((take) => take.shot === shot.id).map((take) => videos.value.get(take.id)).filter((take) => take && ["queued", "in_progress"].includes(take.status));
  const running = open.find((take) => take?.status === "in_progress");
  const state = running ? "making" : open.length || board.wanted.value.has(shot.id) ? "waiting" : video?.status === "completed" ? "done" : shot.video_id && !video ? "gone" : latest?.status === "failed" && latest.error?.code !== "cancelled" ? "failed" : "open";
  const note = `${duration(secondsOf(shot.frames, rate))} · ${frameCode(place.start, rate)}`;
  const name = shotName(shot, index, t("storyboard.shot.untitled"));
  const label = [t("storyboard.card", { count: shot.frames }), index ? t(`storyboard.transition.${shot.transition.kind}`) : "", t(`storyboard.state.${state}`), shot.locked ? t("storyboard.locked") : ""].filter(Boolean).join(", ");
  /** @param {number} width */
  const picture = (width) => {
    if (running && !video) return html`<${ClipPicture} video=${running} scrub=${false} lazy=${false} />`;
    if (video?.status !== "completed") return html`<span class="shot-blank" dir="auto">${shot.prompt || t("storyboard.card.blank")}</span>`;
    const count = Math.max(1, Math.round(width / (PICTURE_HEIGHT * ratio)));
    if (count === 1) return html`<${ClipPicture} video=${video} scrub=${false} lazy=${false} />`;
    return html`<span class="strip">${Array.from({ length: count }, (_, k) => html`<span class="still" key=${k}><${Sprite} video=${video} at=${Math.min(0.999, (shot.start + ((k + 0.5) / count) * shot.frames) / framesOf(video))} /></span>`)}</span>`;
  };
  return { id: shot.id, name, note, label, from: place.from, to: place.to, overlap: place.overlap, kind: shot.transition.kind, state, progress: running?.progress ?? 0, locked: shot.locked, picture };
}
