// The sketch that is shown: a plan with its land, replaced as a whole, and its clock.
import { load, store } from "../../../core/storage.js";
import { computed, effect, signal } from "../../../core/ui.js";
import { form } from "../state.js";
import { drawPlan } from "./draw.js";
import { loadShapes, settled } from "./images.js";
import { landOf } from "./land.js";
import { moveCamera } from "./camera-move.js";
import { applyEdits } from "./edits.js";
import { shownReading } from "../reading.js";

/** @typedef {{ plan: import("./motion.js").Plan, land: import("./land.js").Land, motions: string[], size: string, sentence: string, demo: boolean }} View */

const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
/** What is drawn; null until the first plan. */
export const view = signal(/** @type {View | null} */ (null));
export const playing = signal(!calm && load("create.playing", true));
/** Position in seconds. */
export const clock = { seconds: 0 };
/** Moves that follow the clock without a new rendering of the page. @type {Set<(seconds: number) => void>} */
export const followers = new Set();
/** Number of the subject whose path is edited. */
export const chosen = signal(0);
/** Whether a path is being drawn. */
export const drawing = signal(false);
const LONGEST_WAIT = 600;

effect(() => store("create.playing", playing.value));

/** The plan with what was changed by hand. */
export const edited = computed(() => {
  const answer = shownReading.value;
  if (!answer || answer.demo) return answer && { answer, plan: answer.plan };
  return { answer, plan: moveCamera(applyEdits(form.value.plan ?? answer.plan, form.value.edits), form.value.camera, answer.size) };
});

/** @param {number} seconds */
export function seek(seconds) {
  clock.seconds = seconds;
  followers.forEach((follow) => follow(seconds));
}

/** Follow the plan; once for this page. */
export function followPlan() {
  let latest = 0;
  return effect(() => {
    const next = edited.value;
    const turn = ++latest;
    if (!next) return;
    const { answer, plan } = next;
    const rest = { motions: answer.motions ?? [], size: answer.size, sentence: answer.sentence ?? "", demo: Boolean(answer.demo) };
    Promise.all([landOf(plan, answer.size), loadShapes()]).then(async ([land]) => {
      if (turn !== latest) return;
      const before = view.peek();
      if (before?.land !== land) {
        // Its pictures are made before it is shown, so that nothing pops up.
        const [width, height] = answer.size.split("x").map((side) => Number(side));
        const scratch = document.createElement("canvas");
        scratch.width = 960;
        scratch.height = Math.round((960 * height) / width);
        const context = scratch.getContext("2d");
        if (context) drawPlan(context, { plan, land, motions: rest.motions, seconds: clock.seconds, width: scratch.width, height: scratch.height });
        await settled(LONGEST_WAIT);
        if (turn !== latest) return;
      }
      view.value = { plan, land, ...rest };
    }, () => {
      // Without land there is no sketch; the words and the takes go on.
    });
  });
}
