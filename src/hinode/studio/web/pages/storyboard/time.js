// Time of a film: whole frames at one exact rate, as the server counts them.

/**
 * @typedef {{ kind: "cut" | "continue" | "fade" | "blend", frames: number | null }} Transition
 * @typedef {{ file: string, role: "first_frame" | "last_frame" | "keyframe" | "guide", frame: number, fit: string | null, strength: number }} ShotReference
 *
 * @typedef {object} Shot
 * @property {string} id
 * @property {string} title
 * @property {string} prompt
 * @property {number} frames overlaps with its neighbours included
 * @property {string[]} characters
 * @property {any} camera
 * @property {any} path
 * @property {Transition} transition how it follows the shot before it
 * @property {boolean} locked
 * @property {string | null} video_id
 * @property {number} start frame of the video from which on it is shown
 * @property {ShotReference[]} references
 * @property {string} place
 * @property {string} time
 * @property {string} weather
 * @property {number | null} seed
 * @property {string} notes
 *
 * @typedef {object} FilmDocument
 * @property {string} fps such as "24" or "24000/1001"
 * @property {string} size
 * @property {string | null} model
 * @property {string | null} profile
 * @property {number | null} seed
 * @property {string} style
 * @property {string} place
 * @property {string} time
 * @property {string} weather
 * @property {Record<string, string>} characters
 * @property {Shot[]} shots
 *
 * @typedef {object} Rate
 * @property {number} count frames in
 * @property {number} per so many seconds
 * @property {number} nominal frames of a second of the time code
 *
 * @typedef {{ shot: Shot, index: number, start: number, end: number, from: number, to: number, overlap: number }} Place
 *   start, end: frames of the film in which the shot is seen, the end excluded; from, to: the same between the
 *   middles of its transitions; overlap: frames shared with the shot before it
 */

/** Seconds of an overlap that has no frames of its own. @type {Record<string, number>} */
const OVERLAPS = { fade: 0.5, blend: 1 };

/** @param {string} fps @returns {Rate} */
export function rateOf(fps) {
  const [count, per = 1] = String(fps).split("/").map(Number);
  return { count, per, nominal: Math.max(1, Math.round(count / per)) };
}

/** @param {number} frames @param {Rate} rate */
export const secondsOf = (frames, rate) => (frames * rate.per) / rate.count;
/** @param {number} seconds @param {Rate} rate */
export const framesAt = (seconds, rate) => Math.round((seconds * rate.count) / rate.per);

/** Frames for which a shot and the one before it are both there. @param {Transition} transition @param {Rate} rate */
export function overlapOf(transition, rate) {
  const seconds = OVERLAPS[transition.kind];
  return seconds === undefined ? 0 : transition.frames || Math.max(1, framesAt(seconds, rate));
}

/**
 * Where each shot is in the film.
 * @param {FilmDocument} document
 * @returns {{ places: Place[], total: number, rate: Rate }}
 */
export function layout(document) {
  const rate = rateOf(document.fps);
  let total = 0;
  const overlaps = document.shots.map((shot, index) => (index ? overlapOf(shot.transition, rate) : 0));
  const places = document.shots.map((shot, index) => {
    const overlap = overlaps[index];
    const next = overlaps[index + 1] ?? 0;
    const start = Math.max(0, total - overlap);
    total = start + shot.frames;
    return { shot, index, start, end: total, from: start + Math.floor(overlap / 2), to: total - (next - Math.floor(next / 2)), overlap };
  });
  return { places, total, rate };
}

/** The shot that is seen at a frame, the later one where two are. @param {Place[]} places @param {number} frame */
export const placeAt = (places, frame) => places.findLast((place) => place.start <= frame) ?? places[0];

/** A position as editors write it, minutes:seconds:frames. @param {number} frames @param {Rate} rate */
export function frameCode(frames, rate) {
  const whole = Math.floor(frames / rate.nominal);
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${Math.floor(whole / 60)}:${two(whole % 60)}:${two(frames % rate.nominal)}`;
}

/**
 * Frames between two marks of a ruler, of which every one has a label.
 * @param {Rate} rate @param {number} scale pixels of a frame
 */
export function rulerStep(rate, scale) {
  const second = rate.nominal;
  const steps = [1, 2, 5, 10, second, 2 * second, 5 * second, 10 * second, 30 * second, 60 * second, 300 * second].filter((step) => step < second ? second % step === 0 : true);
  return steps.find((step) => step * scale >= 72) ?? 600 * second;
}

/** The rate as people say it. @param {string} fps */
export function rateLabel(fps) {
  const { count, per } = rateOf(fps);
  return String(Math.round((count / per) * 1000) / 1000);
}
