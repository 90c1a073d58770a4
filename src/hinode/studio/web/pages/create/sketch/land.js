// The land of a plan: outlines from the API, drawn sheet by sheet.
import { get } from "../../../core/api.js";
import { imageOf } from "./images.js";
import { viewOf } from "./motion.js";

/**
 * @typedef {import("./images.js").Look} Look
 * @typedef {{ shape: string, x: number, y: number, half: number, facing: number, tilt: number, beat: number, look: Look }} Mark
 * @typedef {{ kind: string, color: string, values: number[] }} Soft
 * @typedef {{ depth: number, drift: number, skyline: number[] | null, tint: string | null, edge: number, cap: { line: number[], color: string } | null,
 *   behind: Mark[], front: Mark[], soft: Soft[], paths?: { sheet: Path2D, edge: Path2D, cap: Path2D | null } }} Layer
 * @typedef {{ start: number, step: number, sky: string[], papers: Record<string, Look>, covers: Record<string, number>, layers: Layer[] }} Land
 *
 * @typedef {{ context: CanvasRenderingContext2D, width: number, height: number, short: number }} Picture in pixels; the origin is the middle
 */

/** @type {Map<string, Promise<Land>>} */
const lands = new Map();
const MAX_LANDS = 40;
/** y of the lower edge of every sheet, in short sides. */
const FLOOR = 3;

/** @param {import("./motion.js").Plan} plan @param {string} size @returns {Promise<Land>} */
export function landOf({ place, time, weather, land }, size) {
  const key = [place, time, weather, land.number, size].join();
  let found = lands.get(key);
  if (!found) {
    if (lands.size > MAX_LANDS) lands.delete(lands.keys().next().value ?? "");
    found = get("videos/plan/land", { query: { place, time, weather, number: land.number, size } });
    found.catch(() => lands.delete(key));
    lands.set(key, found);
  }
  return found;
}

/** @param {Land} land @param {Layer} layer */
function pathsOf(land, layer) {
  if (layer.paths || !layer.skyline) return layer.paths;
  const { start, step } = land;
  const line = layer.skyline;
  const edge = new Path2D();
  line.forEach((y, k) => (k ? edge.lineTo(start + k * step, y) : edge.moveTo(start, y)));
  const sheet = new Path2D(edge);
  sheet.lineTo(start + (line.length - 1) * step, FLOOR);
  sheet.lineTo(start, FLOOR);
  sheet.closePath();
  let cap = null;
  if (layer.cap) {
    cap = new Path2D(edge);
    for (let k = line.length - 1; k >= 0; k -= 1) cap.lineTo(start + k * step, Math.max(line[k], layer.cap.line[k]));
    cap.closePath();
  }
  layer.paths = { sheet, edge, cap };
  return layer.paths;
}

/** @param {Picture} picture @param {string[]} sky */
export function drawSky({ context, width, height }, sky) {
  const light = context.createLinearGradient(0, -height / 2, 0, height * 0.22);
  light.addColorStop(0, sky[0]);
  light.addColorStop(0.55, sky[1]);
  light.addColorStop(1, sky[2]);
  context.fillStyle = light;
  context.fillRect(-width / 2, -height / 2, width, height);
}

/**
 * Lay one layer over the picture, as the camera sees it.
 * @param {Picture} picture @param {Land} land @param {Layer} layer
 * @param {import("./motion.js").Camera} camera @param {number} clock seconds that clouds and waves have moved
 */
export function drawLayer(picture, land, layer, camera, clock) {
  const { context, short } = picture;
  const view = viewOf(camera, layer.depth);
  const size = short * view.scale;
  context.save();
  context.scale(size, size);
  context.translate(-(view.x - layer.drift * clock), -view.y);
  // The middle of the view in the layer's own lengths, and its half width: what lies beyond is not drawn.
  const middle = view.x - layer.drift * clock;
  const reach = picture.width / 2 / size;
  layer.soft.forEach((soft) => drawSoft(picture, soft, size));
  const visible = (/** @type {Mark} */ mark) => Math.abs(mark.x - middle) < reach + mark.half * 1.6;
  layer.behind.filter(visible).forEach((mark) => drawMark(context, mark, size));
  const paths = pathsOf(land, layer);
  if (paths && layer.tint) {
    context.save();
    context.shadowColor = "rgb(26 16 48 / .34)";
    context.shadowBlur = 0.035 * size;
    context.fillStyle = layer.tint;
    context.fill(paths.sheet);
    context.restore();
    if (paths.cap && layer.cap) {
      context.fillStyle = layer.cap.color;
      context.fill(paths.cap);
    }
    if (layer.edge) {
      context.strokeStyle = `rgb(255 255 255 / ${layer.edge * 0.75})`;
      context.lineWidth = 0.008;
      context.stroke(paths.edge);
    }
  }
  layer.front.filter(visible).forEach((mark) => drawMark(context, mark, size));
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {Mark} mark @param {number} size pixels of a short side */
function drawMark(context, { shape, x, y, half, facing, tilt, beat, look }, size) {
  context.save();
  context.globalAlpha = look.alpha;
  context.translate(x, y);
  if (shape === "sun") {
    context.fillStyle = look.base;
    context.beginPath();
    context.arc(0, 0, half, 0, 7);
    context.fill();
  } else {
    const reach = half * 1.28;
    const image = imageOf(shape, look, beat, reach * 2 * size);
    context.rotate(tilt);
    context.scale(facing, 1);
    if (image) context.drawImage(image, -reach, -reach, 2 * reach, 2 * reach);
  }
  context.restore();
}

/** Numbers of 0 to 1 that are the same every time. @param {number} seed */
export function numbers(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** @param {string} hex @param {number} alpha */
const faint = (hex, alpha) => `${hex}${Math.round(Math.max(0, Math.min(1, alpha)) * 255).toString(16).padStart(2, "0")}`;

/** @param {Picture} picture @param {Soft} soft @param {number} size */
function drawSoft({ context, width }, { kind, color, values }, size) {
  const [first, second, third, fourth = 0] = values;
  if (kind === "glow") {
    const glow = context.createRadialGradient(first, second, 0, first, second, third * 5.4);
    for (const part of [0, 0.2, 0.4, 0.6, 0.8, 1]) glow.addColorStop(part, faint(color, fourth * Math.exp(-0.9 * (part * 2.08) ** 2)));
    context.fillStyle = glow;
    context.fillRect(first - third * 6, second - third * 6, third * 12, third * 12);
  } else if (kind === "stars") {
    const next = numbers(first);
    context.fillStyle = color;
    for (let k = 0; k < second; k += 1) {
      context.globalAlpha = 0.5 + next() / 2;
      context.beginPath();
      context.arc(-2.4 + next() * 4.8, -0.75 + next() * (third + 0.75), Math.max(0.0026 + next() * 0.0024, 0.7 / size), 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
  } else if (kind === "rays") {
    const shaft = context.createLinearGradient(0, -0.35, 0, 0.65);
    shaft.addColorStop(0, faint(color, third * fourth));
    shaft.addColorStop(1, faint(color, 0));
    context.fillStyle = shaft;
    // It widens downwards, from above a tall frame on.
    context.beginPath();
    [[-0.5, -1], [-0.5, 1], [1.15, 1], [1.15, -1]].forEach(([down, side]) => context.lineTo(first + 0.22 * down + side * second * (0.35 + 0.65 * down), down - 0.5));
    context.fill();
  } else {
    // A soft band: mist lies level, a nebula at an angle.
    const isMist = kind === "mist";
    const [middle, thickness, strength] = isMist ? [first, second, third] : [second, 0.16, 0.38];
    context.save();
    if (!isMist) context.rotate(-first);
    const band = context.createLinearGradient(0, middle - 2.2 * thickness, 0, middle + 2.2 * thickness);
    for (const part of [-1, -0.7, -0.4, 0, 0.4, 0.7, 1]) band.addColorStop((part + 1) / 2, faint(color, part ** 2 === 1 ? 0 : strength * Math.exp(-((part * 2.2) ** 2))));
    context.fillStyle = band;
    const reach = (width / size) * 3 + 2;
    context.fillRect(-reach, middle - 2.2 * thickness, 2 * reach, 4.4 * thickness);
    context.restore();
  }
}
