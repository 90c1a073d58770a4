// The canvas of the sketch, and its clock.
import { html, useEffect, useRef } from "../../../core/ui.js";
import { drawPlan } from "./draw.js";
import { onImage } from "./images.js";
import { clock, followers, playing, seek, view } from "./view.js";

const FADE = 220;
const MAX_RATIO = 2;

/** @param {{ label: string }} properties */
export function SketchCanvas({ label }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return undefined;
    let request = 0;
    let last = 0;
    /** @type {import("./view.js").View | null} */
    let shown = null;
    /** @type {{ picture: HTMLCanvasElement, at: number } | null} */
    let fade = null;
    /** @param {number} now */
    const draw = (now) => {
      request = 0;
      const next = view.peek();
      if (!next || !element.width) return;
      if (shown && shown.land !== next.land) fade = { picture: copyOf(element), at: now };
      shown = next;
      if (playing.peek() && last) clock.seconds = (clock.seconds + (now - last) / 1000) % next.plan.seconds;
      else clock.seconds = Math.min(clock.seconds, next.plan.seconds);
      last = playing.peek() ? now : 0;
      drawPlan(context, { ...next, seconds: clock.seconds, width: element.width, height: element.height });
      if (fade) {
        const left = 1 - (now - fade.at) / FADE;
        context.globalAlpha = Math.max(0, left);
        context.drawImage(fade.picture, 0, 0, element.width, element.height);
        context.globalAlpha = 1;
        if (left <= 0) fade = null;
      }
      followers.forEach((follow) => follow(clock.seconds));
      if (playing.peek() || fade) again();
    };
    const again = () => { request ||= requestAnimationFrame(draw); };
    const resize = new ResizeObserver(() => {
      const ratio = Math.min(devicePixelRatio || 1, MAX_RATIO);
      element.width = Math.round(element.clientWidth * ratio);
      element.height = Math.round(element.clientHeight * ratio);
      again();
    });
    resize.observe(element);
    const ends = [view.subscribe(again), playing.subscribe(() => { last = 0; again(); }), onImage(again)];
    redraw = again;
    return () => {
      cancelAnimationFrame(request);
      resize.disconnect();
      ends.forEach((end) => end());
    };
  }, []);
  return label ? html`<canvas ref=${canvas} role="img" aria-label=${label}></canvas>` : html`<canvas ref=${canvas} aria-hidden="true"></canvas>`;
}

let redraw = () => {};

/** Show a moment. @param {number} seconds */
export function show(seconds) {
  playing.value = false;
  seek(seconds);
  redraw();
}

/** @param {HTMLCanvasElement} element */
function copyOf(element) {
  const copy = document.createElement("canvas");
  copy.width = element.width;
  copy.height = element.height;
  if (copy.width) copy.getContext("2d")?.drawImage(element, 0, 0);
  return copy;
}
