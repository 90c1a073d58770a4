// Changes of a storyboard: each takes a document and gives another one.
import { randomId } from "../../core/format.js";
import { layout, rateOf } from "./time.js";

/**
 * @typedef {import("./time.js").FilmDocument} FilmDocument
 * @typedef {import("./time.js").Shot} Shot
 */

const NEW_SECONDS = 3;
export const MIN_FRAMES = 1;
export const MAX_FRAMES = 7200;

/** @param {FilmDocument} document @param {Partial<Shot>} [values] @returns {Shot} */
export const newShot = (document, values = {}) => ({
  id: `s${randomId().slice(0, 8)}`, title: "", prompt: "", frames: NEW_SECONDS * rateOf(document.fps).nominal, characters: [], camera: null, path: null,
  transition: { kind: "cut", frames: null }, locked: false, video_id: null, start: 0, references: [], place: "", time: "", weather: "", seed: null, notes: "", ...values,
});

/** @param {FilmDocument} document @param {string} id */
export const indexOf = (document, id) => document.shots.findIndex((shot) => shot.id === id);

/** @param {FilmDocument} document @param {string} id @param {Partial<Shot>} values @returns {FilmDocument} */
export const withShot = (document, id, values) => ({ ...document, shots: document.shots.map((shot) => (shot.id === id ? { ...shot, ...values } : shot)) });

/** @param {FilmDocument} document @param {Shot} shot @param {number} index @returns {FilmDocument} */
export const insert = (document, shot, index) => ({ ...document, shots: [...document.shots.slice(0, index), shot, ...document.shots.slice(index)] });

/** @param {FilmDocument} document @param {string} id @returns {FilmDocument} */
export const without = (document, id) => ({ ...document, shots: document.shots.filter((shot) => shot.id !== id) });

/** @param {FilmDocument} document @param {string} id @param {number} index its place without it @returns {FilmDocument} */
export function move(document, id, index) {
  const shot = document.shots.find((entry) => entry.id === id);
  return shot ? insert(without(document, id), shot, Math.max(0, index)) : document;
}

/** @param {FilmDocument} document @param {string} id @param {number} frames @returns {FilmDocument} */
export const resize = (document, id, frames) => withShot(document, id, { frames: Math.max(MIN_FRAMES, Math.min(MAX_FRAMES, Math.round(frames))) });

/**
 * The shot at a frame of the film as two, which show the same video; null where there is nothing to split.
 * @param {FilmDocument} document @param {number} frame @returns {{ document: FilmDocument, id: string } | null}
 */
export function split(document, frame) {
  const place = layout(document).places.findLast(({ start, end }) => start < frame && frame < end);
  if (!place) return null;
  const { shot, index } = place;
  const first = frame - place.start;
  const second = { ...shot, id: newShot(document).id, frames: shot.frames - first, start: shot.start + first, transition: /** @type {Shot["transition"]} */ ({ kind: "cut", frames: null }),
    references: shot.references.filter((part) => part.role === "last_frame" || (part.role === "keyframe" && part.frame >= first)).map((part) => ({ ...part, frame: Math.max(0, part.frame - first) })) };
  return { document: insert(resize(document, shot.id, first), second, index + 1), id: second.id };
}

/** A copy of a shot behind it. @param {FilmDocument} document @param {string} id */
export function duplicate(document, id) {
  const index = indexOf(document, id);
  const shot = { ...document.shots[index], id: newShot(document).id, locked: false };
  return { document: insert(document, shot, index + 1), id: shot.id };
}

/**
 * Another rate: lengths stay as near as whole frames allow.
 * @param {FilmDocument} document @param {string} fps @returns {FilmDocument}
 */
export function withRate(document, fps) {
  const before = rateOf(document.fps);
  const after = rateOf(fps);
  const convert = (/** @type {number} */ frames) => Math.round((frames * after.count * before.per) / (before.count * after.per));
  return { ...document, fps, shots: document.shots.map((shot) => ({
    ...shot, frames: Math.max(1, convert(shot.frames)), start: convert(shot.start),
    transition: { ...shot.transition, frames: shot.transition.frames && Math.max(1, convert(shot.transition.frames)) },
    references: shot.references.map((part) => ({ ...part, frame: convert(part.frame) })),
  })) };
}

/** What people call a shot. @param {Shot} shot @param {number} index @param {string} untitled */
export function shotName(shot, index, untitled) {
  const words = shot.title || shot.prompt.replace(/^(an?|the) /i, "").split(/[,;.]/)[0].trim();
  const name = words ? words[0].toUpperCase() + words.slice(1) : untitled;
  return `${index + 1} · ${name}`;
}
