// Where things are in a plan at a moment, as the drawn world computes it.

/**
 * @typedef {object} Subject
 * @property {string} kind
 * @property {string} color
 * @property {"air" | "ground" | "water" | "rails"} rest
 * @property {number[]} x
 * @property {number[]} y
 * @property {number[]} size
 * @property {number[]} tilt
 * @property {number[]} facing
 * @property {number[]} beat
 *
 * @typedef {object} Plan
 * @property {number} seconds
 * @property {string} place
 * @property {string} time
 * @property {string} weather
 * @property {{ move: string, x: number[], y: number[], scale: number[], zoom: number[] }} camera
 * @property {Subject[]} subjects
 * @property {{ number: number, x: number, y: number, seconds: number, pace: number }} land
 */

/** Seconds from key to key. */
export const STEP = 1 / 6;
/** How far a subject follows a camera's move. */
export const NEARNESS = 0.7;

/** A value between keys, on a smooth curve through them. @param {number[]} keys @param {number} seconds */
export function between(keys, seconds) {
  const last = keys.length - 1;
  const place = Math.min(Math.max(seconds / STEP, 0), last);
  const k = Math.min(Math.floor(place), last - 1);
  const part = place - k;
  const first = keys[k];
  const second = keys[k + 1];
  const before = k > 0 ? keys[k - 1] : 2 * first - second;
  const after = k + 2 <= last ? keys[k + 2] : 2 * second - first;
  const bend = (second - before) * part + (2 * before - 5 * first + 4 * second - after) * part ** 2;
  return first + 0.5 * (bend + (3 * (first - second) + after - before) * part ** 3);
}

/** A phase between keys, each less than a turn after the one before. @param {number[]} beats @param {number} seconds */
export function phase(beats, seconds) {
  const place = Math.min(Math.max(seconds / STEP, 0), beats.length - 1);
  const k = Math.min(Math.floor(place), beats.length - 2);
  const next = beats[k + 1] < beats[k] ? beats[k + 1] + 1 : beats[k + 1];
  return (beats[k] + (next - beats[k]) * (place - k)) % 1;
}

/** @typedef {{ pan: number, tilt: number, zoom: number, dolly: number, orbit: number }} Camera */

/** @param {Plan} plan @param {number} seconds @returns {Camera} */
export function cameraAt({ camera, land }, seconds) {
  const across = between(camera.x, seconds);
  const zoom = between(camera.zoom, seconds);
  const orbits = camera.move === "orbit";
  return {
    pan: (orbits ? 0 : across) + land.x,
    tilt: between(camera.y, seconds) + land.y,
    zoom,
    dolly: between(camera.scale, seconds) / zoom,
    orbit: orbits ? across / (1 - NEARNESS) : 0,
  };
}

/** By how much a layer at a depth is moved and enlarged. @param {Camera} camera @param {number} depth */
export const viewOf = (camera, depth) => ({
  x: camera.pan * depth + camera.orbit * (depth - NEARNESS),
  y: camera.tilt * (0.8 + 0.2 * depth),
  scale: camera.zoom * (1 + (camera.dolly - 1) * depth),
});
