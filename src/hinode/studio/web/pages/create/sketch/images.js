// Cut-outs as pictures: each is drawn once from its SVG for the colours and the size that it is shown with.
import { get } from "../../../core/api.js";

/**
 * @typedef {{ base: string, dark: string, light: string, glow: string, ambient: number[], haze: string, share: number, alpha: number }} Look
 * @typedef {{ svg: string, phases: number, rim: number, waves: Record<string, [number, number, number]> }} Drawing
 */

/** @type {{ roles: Record<string, string>, rim: string, shapes: Record<string, Drawing> } | null} */
let known = null;
/** @type {Promise<unknown> | null} */
let loading = null;
const MAX_IMAGES = 700;
const SIDES = [64, 128, 256, 512];
/** @type {Map<string, HTMLCanvasElement | null>} null while it is being drawn */
const images = new Map();
/** Called when another picture is there. @type {Set<() => void>} */
const waiting = new Set();

/** @param {() => void} listener */
export function onImage(listener) {
  waiting.add(listener);
  return () => waiting.delete(listener);
}

/** The cut-outs; once for this page. */
export function loadShapes() {
  loading ??= get("videos/plan/shapes").then((answer) => { known = answer; }, (error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** @param {string} hex */
const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
/** @param {number[]} values */
const hexOf = (values) => `#${values.map((value) => Math.round(Math.max(0, Math.min(255, value))).toString(16).padStart(2, "0")).join("")}`;

/** @param {string} first @param {string} second @param {number} share of the second */
export function mixed(first, second, share) {
  const other = parts(second);
  return hexOf(parts(first).map((value, k) => value + (other[k] - value) * share));
}

/** @param {string} color @param {Look} look */
const seen = (color, look) => mixed(hexOf(parts(color).map((value, k) => value * look.ambient[k])), look.haze, look.share);

/** The SVG of a shape in its colours. @param {string} shape @param {Look} look @param {number} beat @param {number} side */
function paint(shape, look, beat, side) {
  if (!known) return "";
  const { svg, rim, waves } = known.shapes[shape];
  const { roles } = known;
  let inner = svg.replace(/^[\s\S]*?<svg[^>]*>/, "").replace(/<\/svg>\s*$/, "");
  for (const [name, [bias, amplitude, offset]] of Object.entries(waves)) {
    inner = inner.replaceAll(`$${name}`, (bias + amplitude * Math.sin(2 * Math.PI * (beat + offset))).toFixed(3));
  }
  /** @type {Record<string, string>} */
  const table = { [roles.base]: look.base, [roles.dark]: look.dark, [roles.light]: look.light };
  const body = inner.replace(/#[0-9a-f]{6}/g, (color) => (color === roles.glow ? mixed(look.glow, look.haze, look.share * 0.5) : seen(table[color] ?? color, look)));
  const paper = seen(known.rim, look);
  const under = rim ? `<g stroke="${paper}" stroke-width="${2 * rim}" stroke-linejoin="round" stroke-linecap="round">${inner.replace(/#[0-9a-f]{6}/g, paper).replace(/stroke-width="([\d.]+)"/g, (_, width) => `stroke-width="${Number(width) + 2 * rim}"`)}</g>` : "";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-128 -128 256 256" width="${side}" height="${side}">${under}${body}</svg>`;
}

/**
 * The picture of a shape, or null while it is being drawn.
 * @param {string} shape @param {Look} look @param {number} beat @param {number} pixels of its square's side
 */
export function imageOf(shape, look, beat, pixels) {
  const drawing = known?.shapes[shape];
  if (!drawing) return null;
  const side = SIDES.find((value) => value >= pixels) ?? 512;
  const step = Math.floor(beat * drawing.phases) % drawing.phases;
  const key = [shape, step, side, look.base, look.dark, look.light, look.glow, look.haze, look.share, ...look.ambient].join();
  const found = images.get(key);
  if (found !== undefined) return found;
  if (images.size > MAX_IMAGES) images.delete(images.keys().next().value ?? "");
  images.set(key, null);
  const image = new Image(side, side);
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    canvas.getContext("2d")?.drawImage(image, 0, 0, side, side);
    images.set(key, canvas);
    waiting.forEach((listener) => listener());
  };
  image.src = `data:image/svg+xml,${encodeURIComponent(paint(shape, look, step / drawing.phases, side))}`;
  return null;
}

/** Wait until the pictures that were asked for are there, or for a moment. @param {number} longest in milliseconds */
export function settled(longest) {
  const open = () => [...images.values()].some((image) => image === null);
  return new Promise((resolve) => {
    const stop = onImage(() => { if (!open()) done(); });
    const timer = setTimeout(done, longest);
    function done() {
      stop();
      clearTimeout(timer);
      resolve(null);
    }
    if (!open()) done();
  });
}
