// What can be made from a clip: for each operation its form, and the request that it becomes.
import { maskPath, maskPicture, isPainted } from "../../widgets/mask.js";
import { rateOf } from "../../widgets/player.js";
import { t } from "../../core/strings.js";
import { BlendForm } from "./blend.js";
import { EditForm, PathForm, ReframeForm } from "./pictures.js";
import { ExtendForm, FinishForm, LoopForm, RemixForm } from "./forms.js";
import { RecutForm, RetakeForm } from "./spans.js";

/**
 * What the forms share.
 * @typedef {object} Context
 * @property {import("../../core/videos.js").Video} video
 * @property {any} value of the form
 * @property {(change: object, group?: string) => void} change
 * @property {import("../../widgets/player.js").Marks | null} marks
 * @property {(marks: import("../../widgets/player.js").Marks | null) => void} setMarks
 * @property {import("../../vendor/libraries.js").Signal<number>} frame that the player shows
 * @property {(frame: number) => void} seek
 * @property {import("../../widgets/mask.js").Mask} mask
 *
 * @typedef {object} Operation
 * @property {string} name of the quote's operation
 * @property {string} icon
 * @property {string} keys
 * @property {(context: Context) => string} path of the API
 * @property {(video: import("../../core/videos.js").Video) => object} initial
 * @property {(context: Context) => object} body without what all have
 * @property {(context: Context) => object} [priced] the body that is quoted, if another; it may name its operation
 * @property {(context: Context) => string | null} [missing] what is still to be done
 * @property {(properties: Context) => any} Form
 * @property {boolean} [single] whether it makes one clip, in a better profile than its source
 * @property {string} [api] the operation in the API, if its name is another
 */

/** Seconds of a frame, exact enough for every rate. @param {number} frame @param {import("../../core/videos.js").Video} video */
export const moment = (frame, video) => Math.round((frame / rateOf(video)) * 1e6) / 1e6;

/** @param {Context} context */
const span = ({ marks, video }) => (marks ? { from: moment(marks.start, video), to: Math.min(Number(video.seconds), moment(marks.end, video)) } : {});
/** @param {Context} context */
const needsMarks = ({ marks }) => (marks ? null : t("clip.needsMarks"));
/** @param {Context} context */
const needsWords = ({ value }) => (value.prompt.trim() ? null : t("clip.needsWords"));
/** @param {Context} context */
const words = ({ value }) => ({ prompt: value.prompt.trim() || undefined });
/** @param {Context} context */
const source = ({ video }) => ({ video: { id: video.id } });

/** @type {Operation[]} */
export const OPERATIONS = [
  {
    name: "extend", icon: "extend", keys: "e", Form: ExtendForm,
    path: () => "videos/extensions",
    initial: (video) => ({ prompt: video.prompt ?? "", seconds: 2, backward: false }),
    body: (context) => ({ ...source(context), ...words(context), seconds: context.value.seconds, backward: context.value.backward || undefined }),
    missing: needsWords,
  },
  {
    name: "loop", icon: "loop", keys: "shift+l", Form: LoopForm,
    path: () => "videos/loops",
    initial: () => ({ prompt: "", more: 1 }),
    body: (context) => ({ ...source(context), ...words(context), seconds: Math.round((Number(context.video.seconds) + context.value.more) * 1e6) / 1e6 }),
  },
  {
    name: "blend", icon: "compare", keys: "b", Form: BlendForm,
    path: () => "videos/blends",
    initial: () => ({ other: null, first: true, seconds: 1, curve: "smooth", prompt: "", cut: false }),
    body: (context) => {
      const { value, video, marks } = context;
      const other = value.other?.file_id ? { file_id: value.other.file_id } : { id: value.other?.id };
      const ids = [{ id: video.id }, other];
      const leave = value.cut && marks ? (value.first ? { from: moment(marks.end, video) } : { to: moment(marks.start, video) }) : {};
      return { videos: value.first ? ids : ids.reverse(), ...words(context), seconds: value.seconds, curve: value.curve, ...leave };
    },
    missing: ({ value }) => (value.other ? null : t("blend.missing")),
  },
  {
    name: "remix", icon: "remix", keys: "r", Form: RemixForm,
    path: ({ video }) => `videos/${encodeURIComponent(video.id)}/remix`,
    initial: (video) => ({ prompt: video.prompt ?? "", strength: null }),
    body: (context) => ({ ...words(context), strength: context.value.strength ?? undefined }),
    priced: (context) => ({ ...source(context), ...words(context), strength: context.value.strength ?? undefined }),
    missing: needsWords,
  },
  {
    name: "retake", icon: "camera", keys: "t", Form: RetakeForm,
    path: () => "videos/retakes",
    initial: () => ({ prompt: "" }),
    body: (context) => ({ ...source(context), ...words(context), ...span(context) }),
    missing: needsMarks,
  },
  {
    name: "recut", icon: "scissors", keys: "c", Form: RecutForm,
    path: () => "videos/recuts",
    initial: () => ({ prompt: "", before: 0, after: 1 }),
    body: (context) => ({ ...source(context), ...words(context), ...span(context), before: context.value.before, after: context.value.after }),
    missing: (context) => needsMarks(context) ?? (context.value.before + context.value.after > 0 ? null : t("recut.missing")),
  },
  {
    name: "edit", icon: "edit", keys: "d", Form: EditForm,
    path: () => "videos/edits",
    initial: (video) => ({ prompt: video.prompt ?? "", whole: false }),
    body: (context) => {
      const { mask, video, value } = context;
      if (value.whole) return { ...source(context), ...words(context) };
      const [width, height] = video.size.split("x").map(Number);
      const drawn = mask.value.peek();
      const track = maskPath(drawn.moves, rateOf(video));
      return { ...source(context), ...words(context), mask: maskPicture(drawn, width, height), ...(track.length ? { mask_path: track } : {}) };
    },
    // The picture of the mask changes nothing in the time.
    priced: (context) => ({ ...source(context), ...words(context), strength: 1 }),
    missing: (context) => needsWords(context) ?? (context.value.whole || isPainted(context.mask.value.value.shapes) ? null : t("edit.missing")),
  },
  {
    name: "path", api: "edit", icon: "path", keys: "shift+p", Form: PathForm,
    path: () => "videos/edits",
    initial: (video) => ({ prompt: video.prompt ?? "", points: [] }),
    body: (context) => ({ ...source(context), ...words(context), path: context.value.points.map((/** @type {any} */ point) => [point.seconds, point.x, point.y]) }),
    missing: (context) => (context.value.points.length > 1 ? needsWords(context) : t("path.missing")),
  },
  {
    name: "finish", api: "generate", icon: "bolt", keys: "shift+f", Form: FinishForm, single: true,
    path: ({ video }) => `videos/${encodeURIComponent(video.id)}/finish`,
    initial: () => ({}),
    body: () => ({}),
    priced: ({ video }) => ({ prompt: video.prompt, seconds: Number(video.seconds), size: video.size, model: video.model }),
  },
  {
    name: "reframe", api: "generate", icon: "crop", keys: "shift+r", Form: ReframeForm,
    path: ({ video }) => `videos/${encodeURIComponent(video.id)}/reframe`,
    initial: ({ making }) => ({ size: "", fit: making?.plan ? "compose" : "crop" }),
    body: ({ value }) => ({ size: value.size, fit: value.fit }),
    priced: ({ video, value }) => ({
      size: value.size, model: video.model,
      ...(value.fit === "crop" ? { operation: "storyboard", shots: [{ video: { id: video.id }, seconds: Number(video.seconds) }] } : { prompt: video.prompt, seconds: Number(video.seconds) }),
    }),
    missing: ({ value }) => (/^\d{2,4}x\d{2,4}$/.test(value.size) ? null : t("reframe.missing")),
  },
];
