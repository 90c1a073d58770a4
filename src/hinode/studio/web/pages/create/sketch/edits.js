// What is changed by hand in a plan: kept as changes, so that they hold while the words, the seed or the length
// change under them.
import { round } from "../form.js";

/**
 * @typedef {import("./motion.js").Plan} Plan
 * @typedef {import("../form.js").Edits} Edits
 * @typedef {import("../form.js").SubjectEdit} SubjectEdit
 * @typedef {[number, number]} Point
 */

/** Moments of the points of a path, as parts of the clip. */
export const POINTS = [0, 0.25, 0.5, 0.75, 1];
const MAX_SIZE = 3;
const MIN_SIZE = 0.05;

/** A value at a part of a list of values that are spread evenly, on a smooth curve. @param {number[]} values @param {number} part */
function spread(values, part) {
  const place = part * (values.length - 1);
  const k = Math.min(Math.floor(place), values.length - 2);
  const at = place - k;
  const [before, first, second, after] = [k - 1, k, k + 1, k + 2].map((index) => values[Math.max(0, Math.min(values.length - 1, index))]);
  return first + 0.5 * at * (second - before + at * (2 * before - 5 * first + 4 * second - after + at * (3 * (first - second) + after - before)));
}

const limit = (/** @type {number} */ value) => round(Math.max(-2, Math.min(3, value)));

/** The plan with what was changed. @param {Plan} plan @param {Edits} edits @returns {Plan} */
export function applyEdits(plan, edits) {
  const subjects = plan.subjects.map((subject, number) => {
    const edit = edits.subjects?.[number];
    if (!edit || (edit.kind && edit.kind !== subject.kind)) return subject;
    const count = subject.x.length;
    /** @param {number[]} keys @param {0 | 1} axis */
    const moved = (keys, axis) => keys.map((value, k) => {
      const part = k / (count - 1);
      const base = edit.path ? spread(edit.path.map((point) => point[axis]), part) : value;
      return limit(base + (edit.offsets ? spread(edit.offsets.map((point) => point[axis]), part) : 0));
    });
    const x = moved(subject.x, 0);
    const scale = edit.scale ?? 1;
    const size = subject.size.map((value) => round(Math.max(MIN_SIZE, Math.min(MAX_SIZE, value * scale))));
    return { ...subject, x, y: moved(subject.y, 1), size, facing: edit.path ? facings(x, subject.facing[0]) : subject.facing };
  });
  const { place = plan.place, time = plan.time, weather = plan.weather } = edits;
  return { ...plan, place, time, weather, subjects, land: { ...plan.land, number: edits.land ?? plan.land.number } };
}

/** The way something faces along a path. @param {number[]} x @param {number} first */
function facings(x, first) {
  let facing = first < 0 ? -1 : 1;
  return x.map((value, k) => {
    const step = (x[k + 1] ?? value) - value;
    if (Math.abs(step) > 0.004) facing = Math.sign(step);
    return facing;
  });
}

/** @param {Edits} edits @param {Plan} plan @param {number} number @param {Partial<SubjectEdit>} change @returns {Edits} */
function withSubject(edits, plan, number, change) {
  const { kind } = plan.subjects[number];
  const before = edits.subjects?.[number];
  const kept = before?.kind === kind ? before : { kind };
  return { ...edits, subjects: { ...edits.subjects, [number]: { ...kept, ...change } } };
}

/**
 * Move a point of a path, or all of it.
 * @param {Edits} edits @param {Plan} plan @param {number} number of the subject
 * @param {number | null} point null for all @param {number} dx @param {number} dy in fractions of the frame
 */
export function movePoint(edits, plan, number, point, dx, dy) {
  const before = edits.subjects?.[number];
  const offsets = before?.kind === plan.subjects[number].kind && before.offsets ? before.offsets : POINTS.map(() => /** @type {Point} */ ([0, 0]));
  return withSubject(edits, plan, number, {
    offsets: offsets.map(([x, y], k) => /** @type {Point} */ (point === null || k === point ? [round(x + dx), round(y + dy)] : [x, y])),
  });
}

/** @param {Edits} edits @param {Plan} plan @param {number} number @param {number} factor */
export function resize(edits, plan, number, factor) {
  const before = edits.subjects?.[number];
  return withSubject(edits, plan, number, { scale: round((before?.kind === plan.subjects[number].kind ? before.scale ?? 1 : 1) * factor) });
}

const PATH_POINTS = 13;
/** A path that was drawn, its points spread evenly along it. @param {Edits} edits @param {Plan} plan @param {number} number @param {Point[]} drawn */
export function drawPath(edits, plan, number, drawn) {
  const lengths = [0];
  for (let k = 1; k < drawn.length; k += 1) lengths.push(lengths[k - 1] + Math.hypot(drawn[k][0] - drawn[k - 1][0], drawn[k][1] - drawn[k - 1][1]));
  const whole = lengths[lengths.length - 1];
  if (whole < 0.02) return edits;
  const path = Array.from({ length: PATH_POINTS }, (_, index) => {
    const want = (whole * index) / (PATH_POINTS - 1);
    const k = Math.max(1, lengths.findIndex((length) => length >= want - 1e-9));
    const part = (want - lengths[k - 1]) / (lengths[k] - lengths[k - 1] || 1);
    return /** @type {Point} */ ([0, 1].map((axis) => round(drawn[k - 1][axis] + (drawn[k][axis] - drawn[k - 1][axis]) * part)));
  });
  return withSubject(edits, plan, number, { path, offsets: undefined });
}

/** Positions of the points of a path. @param {Plan} plan @param {number} number @returns {Point[]} */
export function pointsOf(plan, number) {
  const { x, y } = plan.subjects[number];
  return POINTS.map((part) => {
    const k = Math.round(part * (x.length - 1));
    return [x[k], y[k]];
  });
}
