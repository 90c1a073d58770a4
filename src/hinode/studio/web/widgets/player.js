// The player: whole frames, keys of editors, no sound before a click.
import { address, mediaAddress } from "../core/api.js";
import { clipTitle, timecode } from "../core/format.js";
import { useShortcuts } from "../core/keyboard.js";
import { load, store } from "../core/storage.js";
import { t } from "../core/strings.js";
import { classes, html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "./controls.js";
import { Sprite } from "./card.js";

const SPEEDS = [0.25, 0.5, 1, 2];
const THUMBNAILS = 8;

/** @typedef {{ start: number, end: number }} Marks frames, the end excluded */

/**
 * @typedef {object} PlayerHandle
 * @property {(frame: number) => void} seek
 * @property {() => number} frame
 * @property {() => HTMLVideoElement | null} element
 * @property {(want?: boolean) => void} toggle
 */

/** @param {import("../core/videos.js").Video} video */
export const rateOf = (video) => video.fps ?? video.making?.fps ?? 24;
/** @param {import("../core/videos.js").Video} video */
export const framesOf = (video) => Math.max(1, video.making?.frames ?? Math.round(Number(video.seconds) * rateOf(video)));

/**
 * @param {{ video: import("../core/videos.js").Video, autoplay?: boolean, marks?: Marks | null, onMarks?: (marks: Marks | null) => void,
 *   onFrame?: (frame: number) => void, overlay?: any, handle?: (handle: PlayerHandle) => void, keys?: boolean, source?: string, sounds?: string }} properties
 *   overlay: lies over the picture; sounds: address of captions
 */
export function Player({ video, autoplay = false, marks = null, onMarks, onFrame, overlay, handle, keys = true, source, sounds }) {
  const element = useRef(/** @type {HTMLVideoElement | null} */ (null));
  const stage = useRef(/** @type {HTMLDivElement | null} */ (null));
  const fps = rateOf(video);
  const [frame, setFrame] = useState(0);
  const place = useRef(0); // the frame before it is rendered, for keys that follow each other quickly
  const [measured, setMeasured] = useState(0);
  const [playing, setPlaying] = useState(false);
  const [loop, setLoop] = useState(load("player.loop", true));
  const [speed, setSpeed] = useState(1);
  const [sound, setSound] = useState(false);
  const [volume, setVolume] = useState(load("player.volume", 0.8));
  const [captions, setCaptions] = useState(load("player.captions", false));
  const [backward, setBackward] = useState(0);
  // A file of another source says its length itself; sound may be longer than the pictures.
  const frames = source ? measured || 1 : framesOf(video);
  const edges = marks ?? { start: 0, end: frames };

  /** @param {number} number */
  const show = (number) => {
    place.current = number;
    setFrame(number);
    onFrame?.(number);
  };
  /** The middle of a frame: a seek to its edge may show its neighbour. @param {number} number */
  const seek = (number) => {
    const player = element.current;
    if (!player) return;
    const target = Math.max(0, Math.min(frames - 1, number));
    player.currentTime = (target + 0.5) / fps;
    show(target);
  };
  /** @param {boolean} [want] */
  const toggle = (want) => {
    const player = element.current;
    if (!player) return;
    const moves = !player.paused || backward > 0;
    setBackward(0);
    if (want ?? !moves) {
      const outside = loop && marks && (place.current < marks.start || place.current >= marks.end - 1);
      if (outside || player.ended || place.current >= frames - 1) player.currentTime = (edges.start + 0.5) / fps;
      player.play().catch(() => setPlaying(false));
    } else player.pause();
  };
  /** @param {number} by */
  const step = (by) => {
    toggle(false);
    seek(place.current + by);
  };
  const forward = () => {
    if (playing) setSpeed(speed < 2 ? 2 : 4);
    else {
      setSpeed(1);
      toggle(true);
    }
  };
  const reverse = () => {
    toggle(false);
    setSpeed(1);
    setBackward(backward ? 2 : 1);
  };
  const markIn = () => onMarks?.({ start: place.current, end: edges.end > place.current ? edges.end : frames });
  const markOut = () => onMarks?.({ start: edges.start <= place.current ? edges.start : 0, end: place.current + 1 });
  /** What moves on at a frame: the marked span begins again after its last one. @param {number} number */
  const pass = (number) => {
    const player = element.current;
    // The picture of a seek that another one has overtaken.
    if (!player || (player.paused && player.seeking)) return;
    show(number);
    if (player.paused || !loop || !marks || number !== marks.end - 1) return;
    setTimeout(() => { if (!player.paused) player.currentTime = (marks.start + 0.5) / fps; }, 600 / (fps * speed));
  };
  const grab = () => {
    const link = document.createElement("a");
    link.download = `${clipTitle(video).replace(/[^\p{L}\p{N} _-]/gu, "")} ${String(frame).padStart(4, "0")}.png`;
    link.href = source ? drawn(element.current) : address(`videos/${encodeURIComponent(video.id)}/frames/${frame}`);
    link.click();
  };
  const fullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : stage.current?.requestFullscreen?.());
  // Keys and callbacks of the browser call what the last rendering made.
  const last = { seek, toggle, step, forward, reverse, markIn, markOut, pass, fullScreen, frames, sound };
  const now = useRef(last);
  now.current = last;

  useEffect(() => {
    const player = element.current;
    if (!player) return undefined;
    handle?.({ seek: (number) => now.current.seek(number), frame: () => place.current, element: () => element.current, toggle: (want) => now.current.toggle(want) });
    if (autoplay) player.play().catch(() => setPlaying(false));
    let stopped = false;
    /** @param {number} _ @param {{ mediaTime: number }} facts */
    const passed = (_, { mediaTime }) => {
      if (stopped) return;
      now.current.pass(Math.min(now.current.frames - 1, Math.round(mediaTime * fps)));
      player.requestVideoFrameCallback(passed);
    };
    if ("requestVideoFrameCallback" in player) player.requestVideoFrameCallback(passed);
    else /** @type {HTMLVideoElement} */ (player).ontimeupdate = () => now.current.pass(Math.floor(/** @type {HTMLVideoElement} */ (player).currentTime * fps));
    return () => {
      stopped = true;
      // A player that is left holds a connection until it has no source.
      player.pause();
      player.removeAttribute("src");
      player.load();
    };
  }, [video.id, source]);
  useEffect(() => {
    const player = element.current;
    if (!player) return;
    player.volume = volume;
    player.muted = !sound;
    player.playbackRate = speed;
    player.loop = loop && !marks;
    for (const track of player.textTracks) track.mode = captions ? "showing" : "hidden";
    store("player.volume", volume);
    store("player.loop", loop);
    store("player.captions", captions);
  }, [volume, sound, speed, loop, captions, sounds, !marks, source, video.id]);
  useEffect(() => {
    if (!backward) return undefined;
    const timer = setInterval(() => {
      if (place.current > 0) now.current.seek(place.current - 1);
      else setBackward(0);
    }, 1000 / (fps * backward));
    return () => clearInterval(timer);
  }, [backward, fps]);
  const ended = () => {
    if (!loop || !marks) return;
    seek(marks.start);
    element.current?.play().catch(() => setPlaying(false));
  };

  const group = t("clip.title");
  useShortcuts(keys ? [
    { keys: "space", label: t("player.play"), group, run: () => now.current.toggle() },
    { keys: "k", label: t("player.pause"), group, run: () => now.current.toggle(false) },
    { keys: "l", label: t("player.forward"), group, run: () => now.current.forward() },
    { keys: "j", label: t("player.backward"), group, run: () => now.current.reverse() },
    { keys: "ArrowLeft", label: t("player.previous"), group, run: () => now.current.step(-1) },
    { keys: "ArrowRight", label: t("player.next"), group, run: () => now.current.step(1) },
    { keys: "shift+ArrowLeft", label: t("player.secondBack"), group, run: () => now.current.step(-Math.round(fps)) },
    { keys: "shift+ArrowRight", label: t("player.secondForward"), group, run: () => now.current.step(Math.round(fps)) },
    { keys: "Home", label: t("player.first"), group, run: () => now.current.step(-now.current.frames) },
    { keys: "End", label: t("player.last"), group, run: () => now.current.step(now.current.frames) },
    { keys: "f", label: t("player.full"), group, run: () => now.current.fullScreen() },
    { keys: "m", label: t("player.unmute"), group, run: () => setSound(!now.current.sound) },
    ...(onMarks ? [
      { keys: "i", label: t("player.markIn"), group, run: () => now.current.markIn() },
      { keys: "o", label: t("player.markOut"), group, run: () => now.current.markOut() },
      { keys: "x", label: t("player.unmark"), group, run: () => onMarks(null) },
    ] : []),
  ] : []);

  const [width, height] = video.size.split("x").map(Number);
  const share = (/** @type {number} */ number) => `${(number / frames) * 100}%`;
  const seconds = frame / fps;
  const moving = playing || backward > 0;
  return html`<div class="player" ref=${stage} style=${{ "--ratio": `${width / height}` }}>
    <div class="player-picture" style=${{ aspectRatio: `${width} / ${height}` }}>
      <video ref=${element} key=${source ?? video.id} src=${source ?? mediaAddress(video.id)} aria-label=${t("clip.video", { title: clipTitle(video) })} playsinline muted preload="auto"
        onPlay=${() => setPlaying(true)} onPause=${() => setPlaying(false)} onClick=${() => toggle()} onEnded=${ended}
        onLoadedMetadata=${(/** @type {any} */ event) => setMeasured(Math.max(1, Math.round(event.currentTarget.duration * fps)))}>
        ${sounds && html`<track kind="captions" src=${sounds} label=${t("player.captions")} />`}
      </video>
      ${overlay}
    </div>
    <div class="player-bar" dir="ltr" role="group" aria-label=${t("player.controls")}>
      <div class="row between">
        <span class="row">
          <${Button} kind="plain" icon=${moving ? "pause" : "play"} label=${t(moving ? "player.pause" : "player.play")} onClick=${() => toggle()} />
          <${Button} kind="plain step" icon="back" label=${t("player.previous")} onClick=${() => step(-1)} />
          <${Button} kind="plain step" icon="forward" label=${t("player.next")} onClick=${() => step(1)} />
          <span class="position"><b>${timecode(seconds)}</b> / ${timecode(frames / fps)} <span class="count">· ${t("player.frame", { frame: frame + 1, frames })}</span></span>
        </span>
        <span class="row">
          ${onMarks && html`<${Button} kind="plain text" title=${t("player.markIn")} aria-label=${`I: ${t("player.markIn")}`} onClick=${markIn}>I<//>
            <${Button} kind="plain text" title=${t("player.markOut")} aria-label=${`O: ${t("player.markOut")}`} onClick=${markOut}>O<//>`}
          <${Button} kind="plain text" title=${t("player.speed")} aria-label=${`${t("player.speed")}: ${speed}×`} onClick=${() => setSpeed(SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length])}>${speed}×<//>
          <${Button} kind="plain" icon="loop" label=${t("player.loop")} pressed=${loop} onClick=${() => setLoop(!loop)} />
          ${sounds && html`<${Button} kind="plain text" title=${t("player.captions")} aria-label=${`CC: ${t("player.captions")}`} pressed=${captions} onClick=${() => setCaptions(!captions)}>CC<//>`}
          <${Button} kind="plain" icon=${sound ? "sound" : "mute"} label=${t(sound ? "player.mute" : "player.unmute")} onClick=${() => setSound(!sound)} />
          ${sound && html`<input class="volume" type="range" min="0" max="1" step="0.05" value=${volume} style=${{ "--share": String(volume) }} aria-label=${t("player.volume")} onInput=${(/** @type {any} */ event) => setVolume(Number(event.currentTarget.value))} />`}
          <${Button} kind="plain" icon="grab" label=${t("player.grab")} onClick=${grab} />
          <${Button} kind="plain" icon="full" label=${t("player.full")} onClick=${fullScreen} />
        </span>
      </div>
      <div class="film">
        ${!source && Array.from({ length: THUMBNAILS }, (_, index) => html`<span class="cell" key=${index}><${Sprite} video=${video} at=${(index + 0.5) / THUMBNAILS} /></span>`)}
        ${marks && html`<i class="marked" style=${{ insetInlineStart: share(marks.start), width: share(marks.end - marks.start) }}></i>`}
        <i class="head" style=${{ insetInlineStart: share(frame + 0.5) }}></i>
        <input type="range" min="0" max=${frames - 1} step="1" value=${frame} aria-label=${t("player.seek")} aria-valuetext=${`${timecode(seconds)}, ${t("player.frame", { frame: frame + 1, frames })}`}
          onInput=${(/** @type {any} */ event) => { toggle(false); seek(Number(event.currentTarget.value)); }} class=${classes(moving && "playing")} />
      </div>
    </div>
  </div>`;
}

/** What a player shows, as the address of a picture. @param {HTMLVideoElement | null} player */
function drawn(player) {
  const canvas = document.createElement("canvas");
  canvas.width = player?.videoWidth ?? 1;
  canvas.height = player?.videoHeight ?? 1;
  if (player) canvas.getContext("2d")?.drawImage(player, 0, 0);
  return canvas.toDataURL("image/png");
}
