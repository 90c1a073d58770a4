// What the person asks for: one value, kept through reloads, and the body of the request that it stands for.
import { randomId } from "../../core/format.js";

/**
 * @typedef {object} Picture a picture that was uploaded, or a frame of a clip
 * @property {string} file_id
 * @property {string} name
 *
 * @typedef {object} Footage a clip of the project, or an uploaded one
 * @property {string} [id]
 * @property {string} [file_id]
 * @property {string} name
 * @property {"extend" | "before" | "change"} use
 *
 * @typedef {object} SubjectEdit
 * @property {string} kind of the subject that was changed; another one at its place is left alone
 * @property {[number, number][]} [offsets] at the points of the path, in fractions of the frame
 * @property {[number, number][]} [path] that was drawn, in fractions of the frame
 * @property {number} [scale]
 *
 * @typedef {object} Edits what was changed by hand in the plan
 * @property {Record<string, SubjectEdit>} [subjects] by number
 * @property {string} [place]
 * @property {string} [time]
 * @property {string} [weather]
 * @property {number} [land]
 *
 * @typedef {object} Form
 * @property {string} prompt
 * @property {string} model
 * @property {string} size
 * @property {number} seconds
 * @property {string} profile
 * @property {number} seed
 * @property {boolean} locked whether the next takes have the same seed
 * @property {boolean} sound
 * @property {number} takes
 * @property {string} negative
 * @property {Picture | null} first
 * @property {Picture | null} last
 * @property {(Picture & { at: number })[]} keyframes
 * @property {Footage | null} footage
 * @property {number} strength of a change of the footage
 * @property {Picture | null} mask
 * @property {[number, number, number][]} camera seconds, pan, zoom
 * @property {Edits} edits
 * @property {any} plan of another clip, in place of the one that the words lead to
 */

/** Short sides to choose from, and the shapes. */
export const SIDES = [360, 540, 720, 1080];
export const SHAPES = { wide: [16, 9], square: [1, 1], tall: [9, 16] };
export const LENGTHS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 45, 60, 90, 120];
const MAX_RANDOM_SEED = 1e6;

export const randomSeed = () => Math.floor(Math.random() * MAX_RANDOM_SEED);

/** @returns {Form} */
export const emptyForm = () => ({
  prompt: "", model: "", size: "640x360", seconds: 4, profile: "draft", seed: randomSeed(), locked: false, sound: true, takes: 4,
  negative: "", first: null, last: null, keyframes: [], footage: null, strength: 0.85, mask: null, camera: [], edits: {}, plan: null,
});

/** @param {string} size @returns {[number, number]} */
export const sidesOf = (size) => /** @type {[number, number]} */ (size.split("x").map(Number));

/** @param {string} size @returns {keyof typeof SHAPES | ""} */
export function shapeOf(size) {
  const [width, height] = sidesOf(size);
  const names = /** @type {(keyof typeof SHAPES)[]} */ (Object.keys(SHAPES));
  return names.find((name) => Math.abs(width / height - SHAPES[name][0] / SHAPES[name][1]) < 0.02) ?? "";
}

/** @param {keyof typeof SHAPES} shape @param {number} side the shorter one */
export function sizeOf(shape, side) {
  const [wide, high] = SHAPES[shape];
  const short = Math.min(wide, high);
  return [wide, high].map((part) => 2 * Math.round((part * side) / short / 2)).join("x");
}

/** Whether the plan was changed by hand. @param {Edits} edits */
export const isEdited = (edits) =>
  Boolean(edits.place || edits.time || edits.weather || edits.land !== undefined || Object.keys(edits.subjects ?? {}).length);

/** @param {Picture | null} picture */
const reference = (picture) => (picture ? { file_id: picture.file_id } : undefined);

/**
 * The request of a form: the path below /v1, the name of its operation, and its body.
 * @param {Form} form
 * @param {{ plan?: unknown, characters?: { id: string, name: string }[], model?: import("./models.js").Model | null }} [context]
 *   plan: only one that was changed by hand
 */
export function requestOf(form, { plan, characters = [], model } = {}) {
  /** @type {Record<string, unknown>} */
  const body = { prompt: form.prompt.trim(), model: form.model || undefined, n: form.takes, seed: form.seed };
  if (!model || model.profiles.includes(form.profile)) body.profile = form.profile || undefined;
  if (form.negative.trim()) body.negative_prompt = form.negative.trim();
  // Sound is on wherever the model has it; only silence is asked for.
  if (!form.sound && model?.sound) body.sound = false;
  if (form.camera.length) body.camera = form.camera;
  if (form.footage) {
    const { id, file_id, use } = form.footage;
    body.video = id ? { id } : { file_id };
    if (use === "change") {
      body.strength = form.strength;
      if (form.mask) Object.assign(body, { mask: reference(form.mask), input_reference_fit: "stretch" });
      return { operation: "edit", path: "videos/edits", body };
    }
    Object.assign(body, { seconds: form.seconds, backward: use === "before" || undefined });
    return { operation: "extend", path: "videos/extensions", body };
  }
  Object.assign(body, { size: form.size, seconds: form.seconds });
  const named = characters.filter(({ name }) => mentions(form.prompt, name)).slice(0, 2);
  if (named.length) body.characters = named.map(({ id }) => ({ id }));
  if (form.first) body.input_reference = reference(form.first);
  if (form.last) body.last_frame_reference = reference(form.last);
  if (form.keyframes.length) body.keyframes = form.keyframes.map(({ at, file_id }) => ({ at, file_id }));
  if (form.first || form.last || form.keyframes.length) body.input_reference_fit = "crop";
  const drawn = form.edits.subjects?.["0"]?.path;
  if (plan) body.plan = plan;
  else if (drawn && model && model.engine !== "native") body.path = drawn.map(([x, y], k) => [round((k / (drawn.length - 1)) * form.seconds), x, y]);
  return { operation: "generate", path: "videos", body };
}

/** @param {string} prompt @param {string} name */
export const mentions = (prompt, name) => prompt.includes(`@${name}`);

/** @param {number} value */
export const round = (value) => Math.round(value * 1e4) / 1e4;

/**
 * The key of an intent: the same while the same request is sent again, another one after it was accepted.
 * @param {{ body: string, key: string } | null} known
 * @param {string} body
 */
export const intentOf = (known, body) => (known && known.body === body ? known : { body, key: randomId() });
