// A plan as a picture: sky, land, subjects between its sheets, weather before everything.
import { imageOf } from "./images.js";
import { drawLayer, drawSky, numbers } from "./land.js";
import { between, cameraAt, phase } from "./motion.js";

/**
 * @typedef {import("./motion.js").Plan} Plan
 * @typedef {import("./motion.js").Subject} Subject
 * @typedef {import("./land.js").Land} Land
 * @typedef {import("./land.js").Picture} Picture
 */

const LOOSE = ["rise", "fall", "circle"];

/**
 * Draw a plan at a moment.
 * @param {CanvasRenderingContext2D} context
 * @param {{ plan: Plan, land: Land, motions: string[], seconds: number, width: number, height: number }} view in pixels
 */
export function drawPlan(context, { plan, land, motions, seconds, width, height }) {
  const picture = { context, width, height, short: Math.min(width, height) };
  const camera = cameraAt(plan, seconds);
  const clock = seconds * plan.land.pace + plan.land.seconds;
  context.save();
  context.translate(width / 2, height / 2);
  drawSky(picture, land.sky);
  const stops = plan.subjects.map((subject) => land.layers.length - (land.covers[subject.rest] ?? 1));
  const order = plan.subjects.map((_, number) => number).sort((a, b) => stops[a] - stops[b] || nearness(plan.subjects[a]) - nearness(plan.subjects[b]));
  for (let number = 0; number <= land.layers.length; number += 1) {
    for (const k of order) if (stops[k] === number) drawSubject(picture, plan, land, k, motions[k] ?? "still", seconds);
    if (number < land.layers.length) drawLayer(picture, land, land.layers[number], camera, clock);
  }
  drawWeather(picture, plan.weather, land, clock);
  context.restore();
}

/** @param {Subject} subject */
const nearness = (subject) => (subject.kind === "planet" ? -10 : subject.size[0]);

/** @param {Picture} picture @param {Plan} plan @param {Land} land @param {number} number @param {string} motion @param {number} seconds */
function drawSubject(picture, plan, land, number, motion, seconds) {
  const subject = plan.subjects[number];
  const { context, width, height, short } = picture;
  const look = land.papers[subject.color];
  const half = (between(subject.size, seconds) / 2) * short;
  const x = (between(subject.x, seconds) - 0.5) * width;
  const y = (between(subject.y, seconds) - 0.5) * height;
  let facing = between(subject.facing, seconds);
  facing = facing < 0 ? Math.min(facing, -0.15) : Math.max(facing, 0.15);
  const tilt = (between(subject.tilt, seconds) * Math.PI) / 180;
  const shape = subject.kind.replaceAll(" ", "_");
  if (subject.rest === "ground" && !LOOSE.includes(motion)) {
    const floor = motion === "bounce" ? (Math.max(...subject.y) - 0.5) * height : y;
    const lift = Math.min(1, Math.max(0, (floor - y) / (0.34 * short)));
    context.fillStyle = `rgb(26 16 48 / ${0.3 * (1 - 0.55 * lift)})`;
    context.beginPath();
    context.ellipse(x, floor + half, half * 0.78 * (1 - 0.35 * lift), half * 0.12, 0, 0, 7);
    context.fill();
  }
  if (subject.kind === "kite") string(context, x, y + half * 0.2, x + 0.24 * short * Math.sign(facing), 0.62 * short, short);
  if (subject.kind === "train" && !LOOSE.includes(motion)) {
    for (const car of [2, 1]) stamp(picture, "car", look, x - facing * half * 2 * 0.86 * car, y, half, facing, tilt, phase(subject.beat, seconds));
  }
  if (subject.kind === "train" || (subject.kind === "rocket" && motion !== "still")) puffs(picture, subject, seconds);
  stamp(picture, shape, look, x, y, half, facing, tilt, phase(subject.beat, seconds));
}

/** @param {Picture} picture @param {string} shape @param {import("./images.js").Look} look @param {number} x @param {number} y @param {number} half @param {number} facing @param {number} tilt @param {number} beat */
function stamp({ context, short }, shape, look, x, y, half, facing, tilt, beat) {
  const reach = half * 1.28;
  const image = imageOf(shape, look, beat, reach * 2);
  if (!image) return;
  context.save();
  context.globalAlpha = look.alpha;
  context.shadowColor = "rgb(26 16 48 / .4)";
  context.shadowBlur = half * 0.16;
  context.shadowOffsetY = Math.max(2, 0.012 * short);
  context.translate(x, y);
  context.rotate(tilt);
  context.scale(facing, 1);
  context.drawImage(image, -reach, -reach, 2 * reach, 2 * reach);
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} top @param {number} hand @param {number} bottom @param {number} short */
function string(context, x, top, hand, bottom, short) {
  context.strokeStyle = "rgb(255 246 230 / .85)";
  context.lineWidth = Math.max(1, 0.0044 * short);
  context.beginPath();
  context.moveTo(x, top);
  context.quadraticCurveTo(x + (hand - x) * 0.35, (top + bottom) / 2, hand, bottom);
  context.stroke();
}

const PUFFS = 6;
const PUFF_SECONDS = 1.5;
/** Smoke: each puff starts where its outlet was, rises, grows and fades. @param {Picture} picture @param {Subject} subject @param {number} seconds */
function puffs({ context, width, height, short }, subject, seconds) {
  const train = subject.kind === "train";
  for (let number = 0; number < PUFFS; number += 1) {
    const age = (seconds + (PUFF_SECONDS / PUFFS) * number) % PUFF_SECONDS;
    const part = age / PUFF_SECONDS;
    const then = Math.max(0, seconds - age);
    const size = between(subject.size, then) * short;
    const facing = between(subject.facing, then) < 0 ? -1 : 1;
    const tilt = (between(subject.tilt, then) * Math.PI) / 180;
    const [dx, dy] = train ? [0.22 * facing * size, -0.3 * size] : [0, 0.42 * size];
    const x = (between(subject.x, then) - 0.5) * width + Math.cos(tilt) * dx - Math.sin(tilt) * dy;
    const y = (between(subject.y, then) - 0.5) * height + Math.sin(tilt) * dx + Math.cos(tilt) * dy - 0.05 * age * short;
    context.fillStyle = train ? `rgb(255 250 242 / ${0.8 * (1 - part) ** 0.7})` : `rgb(255 224 176 / ${0.4 * (1 - part) ** 0.7})`;
    context.beginPath();
    context.arc(x, y, (0.022 + (train ? 0.05 : 0.035) * part) * short, 0, 7);
    context.fill();
  }
}

const RAIN = { count: 90, fall: 1.3, slant: 0.12 };
const SNOW = { count: 120, fall: 0.17 };

/** @param {Picture} picture @param {string} weather @param {Land} land @param {number} clock */
function drawWeather({ context, width, height, short }, weather, land, clock) {
  const next = numbers(weather.length * 7919);
  const place = (/** @type {number} */ at, /** @type {number} */ size) => ((at % size) + size) % size - size / 2;
  if (weather === "rain") {
    context.strokeStyle = "rgb(232 242 255 / .5)";
    context.lineWidth = Math.max(1, 0.005 * short);
    for (let k = 0; k < RAIN.count; k += 1) {
      const speed = RAIN.fall * (0.8 + next() * 0.5) * short;
      const x = place(next() * width - RAIN.slant * speed * clock, width * 1.1);
      const y = place(next() * height + speed * clock, height * 1.2);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x - RAIN.slant * 0.08 * short, y + 0.08 * short);
      context.stroke();
    }
  } else if (weather === "snow") {
    context.fillStyle = "#ffffff";
    for (let k = 0; k < SNOW.count; k += 1) {
      const size = 0.0045 + next() * 0.008;
      const x = place(next() * width + Math.sin(clock * 0.6 + k) * 0.02 * short, width * 1.1);
      const y = place(next() * height + SNOW.fall * (0.6 + size * 60) * clock * short, height * 1.1);
      context.globalAlpha = 0.75 + next() * 0.2;
      context.beginPath();
      context.arc(x, y, size * short, 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
  } else if (weather === "fog") {
    for (const [middle, thickness] of [[0.08, 0.2], [0.3, 0.26]]) {
      const band = context.createLinearGradient(0, (middle - thickness) * short, 0, (middle + thickness) * short);
      band.addColorStop(0, `${land.sky[2]}00`);
      band.addColorStop(0.5, `${land.sky[2]}80`);
      band.addColorStop(1, `${land.sky[2]}00`);
      context.fillStyle = band;
      context.fillRect(-width / 2, (middle - thickness) * short, width, 2 * thickness * short);
    }
  }
}
