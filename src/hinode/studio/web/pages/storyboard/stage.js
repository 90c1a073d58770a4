// The whole film as it is now: the clips of the shots one after another, to the frame.
import { mediaAddress } from "../../core/api.js";
import { useShortcuts } from "../../core/keyboard.js";
import { t } from "../../core/strings.js";
import { classes, html, useEffect, useRef, useState } from "../../core/ui.js";
import { videos } from "../../core/videos.js";
import { framesOf } from "../../widgets/player.js";
import { Button } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { frameCode, placeAt, secondsOf } from "./time.js";

/** @typedef {import("./time.js").Place} Place */

/** Shots whose clips are loaded: those that are seen, and the next one. @param {Place[]} places @param {number} frame */
function nearby(places, frame) {
  const now = placeAt(places, frame);
  return now ? places.filter((place) => place.index <= now.index + 1 && (place.index >= now.index || place.end > frame)) : [];
}

/** How much of a shot covers the one before it. @param {Place} place @param {number} frame */
const cover = (place, frame) => (frame < place.start + place.overlap ? (frame - place.start + 0.5) / place.overlap : 1);

/** @param {{ board: import("./state.js").Board }} properties */
export function Stage({ board }) {
  const { frame, playing } = board;
  const { places, total, rate } = board.places.value;
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const players = useRef(/** @type {Map<string, HTMLVideoElement>} */ (new Map()));
  const [sound, setSound] = useState(false);
  const [width, height] = board.value.value.document.size.split("x").map(Number);
  const here = placeAt(places, frame.value);
  const shown = nearby(places, frame.value);

  const seek = (/** @type {number} */ to) => {
    playing.value = false;
    frame.value = Math.max(0, Math.min(Math.max(0, total - 1), to));
    const place = placeAt(places, frame.value);
    if (place) board.selected.value = place.shot.id;
  };
  const toggle = (want = !playing.peek()) => {
    if (!want) seek(frame.peek());
    else if (!playing.peek()) board.toggle();
  };
  const fullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : box.current?.requestFullscreen?.());
  const now = useRef({ seek, toggle, total, places, rate });
  now.current = { seek, toggle, total, places, rate };

  // While it plays, the clip that is seen says which frame it is; where there is no clip, a clock does.
  useEffect(() => {
    if (!playing.value) return undefined;
    let tick = 0;
    let from = { frame: frame.peek(), at: performance.now(), id: "" };
    const follow = () => {
      tick = requestAnimationFrame(follow);
      const { places: all, total: end, rate: speed } = now.current;
      const place = placeAt(all, frame.peek());
      if (!place) return;
      const at = performance.now();
      for (const seen of nearby(all, frame.peek())) {
        const clip = players.current.get(seen.shot.id);
        if (clip?.paused && seen.start <= frame.peek() && playableFrames(seen) > frame.peek() - seen.start) start(clip, seen, frame.peek(), speed);
      }
      const player = players.current.get(place.shot.id);
      const has = player && !player.error && playableFrames(place) > frame.peek() - place.start;
      // A clip that is not there yet holds the film up, rather than being skipped.
      if (from.id !== place.shot.id || (has && (player.readyState < 3 || player.seeking))) from = { frame: frame.peek(), at, id: place.shot.id };
      const own = has && !player.ended && player.readyState > 1 && !player.seeking;
      const next = own && player && !player.paused ? place.start + Math.floor((player.currentTime * speed.count) / speed.per + 1e-3) - place.shot.start : from.frame + Math.floor(((at - from.at) / 1000) * (speed.count / speed.per));
      const bounded = Math.max(frame.peek(), Math.min(next, place.end));
      if (bounded >= end) {
        playing.value = false;
        frame.value = end - 1;
        return;
      }
      if (bounded !== frame.peek()) frame.value = bounded;
    };
    tick = requestAnimationFrame(follow);
    return () => {
      cancelAnimationFrame(tick);
      players.current.forEach((player) => player.pause());
    };
  }, [playing.value]);

  // While it stands, and for the clip that comes next: exactly the frame.
  useEffect(() => {
    for (const place of shown) {
      const player = players.current.get(place.shot.id);
      if (!player || !player.paused) continue;
      if (playing.value && place.index === here?.index) continue;
      const wanted = middle(place, Math.max(place.start, frame.value), rate);
      if (Math.abs(player.currentTime - wanted) > 1e-4) player.currentTime = wanted;
    }
  });

  const group = t("storyboard.title");
  useShortcuts([
    { keys: "space", label: t("player.play"), group, run: () => now.current.toggle() },
    { keys: "k", label: t("player.pause"), group, run: () => now.current.toggle(false) },
    { keys: "l", label: t("player.play"), group, run: () => now.current.toggle(true) },
    { keys: "ArrowLeft", label: t("player.previous"), group, run: () => now.current.seek(frame.peek() - 1) },
    { keys: "ArrowRight", label: t("player.next"), group, run: () => now.current.seek(frame.peek() + 1) },
    { keys: "shift+ArrowLeft", label: t("player.secondBack"), group, run: () => now.current.seek(frame.peek() - now.current.rate.nominal) },
    { keys: "shift+ArrowRight", label: t("player.secondForward"), group, run: () => now.current.seek(frame.peek() + now.current.rate.nominal) },
    { keys: "Home", label: t("storyboard.toStart"), group, run: () => now.current.seek(0) },
    { keys: "End", label: t("storyboard.toEnd"), group, run: () => now.current.seek(now.current.total) },
    { keys: "f", label: t("player.full"), group, run: fullScreen },
    { keys: "m", label: t("player.unmute"), group, run: () => setSound((before) => !before) },
  ]);

  const local = here ? frame.value - here.start : 0;
  return html`<div class="board-stage sheet" ref=${box} style=${{ "--ratio": `${width / height}` }}>
    <div class="board-picture" onClick=${() => toggle()}>
      ${shown.map((place) => html`<${Layer} key=${place.shot.id} board=${board} place=${place} sound=${sound} players=${players.current} seen=${place.start <= frame.value} cover=${cover(place, frame.value)} />`)}
      ${!here && html`<p class="stage-note">${t("storyboard.stage.empty")}</p>`}
    </div>
    <div class="board-bar" dir="ltr" role="group" aria-label=${t("player.controls")}>
      <span class="row">
        <${Button} kind="plain" icon="back" label=${t("storyboard.previousShot")} disabled=${!here} onClick=${() => seek(local > 0 || !here?.index ? (here?.start ?? 0) : places[here.index - 1].start)} />
        <${Button} kind="plain play" icon=${playing.value ? "pause" : "play"} label=${t(playing.value ? "player.pause" : "player.play")} disabled=${!here} onClick=${() => toggle()} />
        <${Button} kind="plain" icon="forward" label=${t("storyboard.nextShot")} disabled=${!here} onClick=${() => seek(here && places[here.index + 1] ? places[here.index + 1].start : total)} />
        <span class="position"><b>${frameCode(frame.value, rate)}</b> / ${frameCode(total, rate)}</span>
      </span>
      <span class="row">
        ${here && html`<span class="where">${t("storyboard.where", { number: here.index + 1, frame: local + 1 })}</span>`}
        <${Button} kind="plain" icon=${sound ? "sound" : "mute"} label=${t(sound ? "player.mute" : "player.unmute")} pressed=${sound} onClick=${() => setSound(!sound)} />
        <${Button} kind="plain" icon="full" label=${t("player.full")} onClick=${fullScreen} />
      </span>
    </div>
  </div>`;
}

/** Frames of the shot that its clip has. @param {Place} place */
export function playableFrames(place) {
  const video = videos.value.get(place.shot.video_id ?? "");
  return video?.status === "completed" ? Math.min(place.shot.frames, framesOf(video) - place.shot.start) : 0;
}

/** Seconds in the clip of a frame of the film: its middle, since a seek to an edge may show the neighbour. @param {Place} place @param {number} frame @param {import("./time.js").Rate} rate */
const middle = (place, frame, rate) => secondsOf(place.shot.start + Math.max(0, Math.min(frame - place.start, playableFrames(place) - 1)) + 0.5, rate);

/** @param {HTMLVideoElement} player @param {Place} place @param {number} frame @param {import("./time.js").Rate} rate */
function start(player, place, frame, rate) {
  const wanted = middle(place, frame, rate);
  if (Math.abs(player.currentTime - wanted) > secondsOf(1, rate)) player.currentTime = wanted;
  player.play().catch(() => {});
}

/** @param {{ board: import("./state.js").Board, place: Place, sound: boolean, players: Map<string, HTMLVideoElement>, seen: boolean, cover: number }} properties */
function Layer({ board, place, sound, players, seen, cover: opacity }) {
  const { shot } = place;
  const element = useRef(/** @type {HTMLVideoElement | null} */ (null));
  const video = videos.value.get(shot.video_id ?? "");
  const ready = video?.status === "completed";
  useEffect(() => {
    const player = element.current;
    if (!player) return undefined;
    players.set(shot.id, player);
    return () => {
      players.delete(shot.id);
      // A player that is left holds a connection until it has no source.
      player.pause();
      player.removeAttribute("src");
      player.load();
    };
  }, [shot.video_id, ready]);
  useEffect(() => {
    if (!element.current) return;
    element.current.muted = !sound;
    element.current.volume = seen ? opacity : 0;
  }, [sound, seen, opacity, ready]);
  const name = board.nameOf(shot.id);
  return html`<div class=${classes("layer", !ready && "blank-shot")} style=${{ opacity: seen ? opacity : 0 }} aria-hidden=${!seen}>
    ${ready && video ? html`<video ref=${element} key=${video.id} src=${mediaAddress(video.id)} playsinline muted preload="auto" aria-label=${t("clip.video", { title: name })}></video>`
      : html`<div class="blank-words"><${Icon} name="board" /><b>${name}</b>${shot.prompt && html`<p dir="auto">${shot.prompt}</p>`}</div>`}
  </div>`;
}
