// The state of the page: the form with its steps, the takes, what the stage shows, and the one way to make them.
import { get } from "../../core/api.js";
import { createHistory } from "../../core/history.js";
import { notifyError } from "../../core/notices.js";
import { loadDraft, storeDraft } from "../../core/storage.js";
import { batch, computed, effect, signal } from "../../core/ui.js";
import { createVideos, rememberAll, videos } from "../../core/videos.js";
import { characters } from "./characters.js";
import { emptyForm, intentOf, isEdited, randomSeed, requestOf } from "./form.js";
import { modelOf } from "./models.js";

const DRAFT = "create";
const MAX_BATCHES = 12;
/** Fields that lead to another plan. */
const PLANNED = ["prompt", "seconds", "seed", "size", "negative"];

/** @param {any} kept */
const formOf = (kept) => ({ ...emptyForm(), ...kept });

/** What was kept, of this tab or else of the latest one. */
const draft = loadDraft(DRAFT, null) ?? {};
/** The form, with undo and redo. */
export const history = createHistory(/** @type {import("./form.js").Form} */ (formOf(draft.form)));
export const form = history.value;
/** Ids of the takes, the newest batch first. */
export const batches = signal(/** @type {string[][]} */ (draft.batches ?? []));
/** The takes with their numbers, in the order of the strip. */
export const takes = computed(() => {
  let older = batches.value.reduce((sum, ids) => sum + ids.length, 0);
  return batches.value.flatMap((ids) => {
    older -= ids.length;
    return ids.map((id, k) => ({ id, number: older + k + 1 }));
  });
});
/** What the stage shows: the id of a take, or "" for the plan. */
export const shown = signal(/** @type {string} */ (draft.shown ?? ""));
export const making = signal(false);
/** The field and the sentence of a refused request. */
export const refusal = signal(/** @type {{ param: string | null, message: string } | null} */ (null));
let intent = /** @type {{ body: string, key: string } | null} */ (draft.intent ?? null);

const save = () => storeDraft(DRAFT, { form: form.peek(), intent, batches: batches.peek(), shown: shown.peek() });
let timer = 0;
effect(() => {
  form.value;
  batches.value;
  shown.value;
  clearTimeout(timer);
  timer = setTimeout(save, 250);
});
addEventListener("pagehide", save);

/**
 * Change the form. Changes in a row with the same name are one step.
 * @param {Partial<import("./form.js").Form>} change
 * @param {string} [name]
 */
export function change(change, name = Object.keys(change).join()) {
  refusal.value = null;
  // A plan of another clip belongs to its words and its length.
  const replans = PLANNED.some((field) => field in change);
  batch(() => {
    history.set({ ...form.peek(), ...(replans ? { plan: null } : {}), ...change }, name);
    // What changes in the plan is seen in the sketch.
    if (replans || "edits" in change || "camera" in change) shown.value = "";
  });
}

/** The plan as it is sent: only if it was changed by hand. Set by the module of the plan. */
export const plan = { current: /** @type {() => Promise<unknown>} */ (async () => undefined) };

/** The request of the form, without a plan. */
export const draftRequest = () => requestOf(form.value, { characters: characters.value ?? [], model: modelOf(form.value.model) });

/** The last request that was accepted. */
let made = "";

async function currentRequest() {
  const asked = form.peek();
  const edited = (isEdited(asked.edits) || asked.plan) && !asked.footage ? await plan.current() : undefined;
  const request = requestOf(asked, { plan: edited, characters: characters.peek() ?? [], model: modelOf(asked.model) });
  return { ...request, text: JSON.stringify([request.path, request.body]) };
}

/** Make the takes of the form. */
export async function make() {
  if (making.peek() || !form.peek().prompt.trim()) return;
  making.value = true;
  refusal.value = null;
  try {
    let request = await currentRequest();
    if (request.text === made && !form.peek().locked) {
      // The same again means other takes, unless the seed is kept.
      history.set({ ...form.peek(), seed: randomSeed() }, "seed");
      request = await currentRequest();
    }
    intent = intentOf(intent, request.text);
    save();
    const list = await createVideos(request.path, request.body, intent.key);
    made = intent.body;
    intent = null;
    addTakes(list.map((video) => video.id));
    save();
  } catch (error) {
    const { status, param, message } = /** @type {any} */ (error);
    if (status === 400) refusal.value = { param, message };
    else notifyError(error);
  } finally {
    making.value = false;
  }
}

/** @param {string[]} ids */
const without = (ids) => batches.peek().map((batch) => batch.filter((id) => !ids.includes(id))).filter((batch) => batch.length);

/** @param {string[]} ids */
export function addTakes(ids) {
  batch(() => {
    batches.value = [ids, ...without(ids)].slice(0, MAX_BATCHES);
    shown.value = ids[0] ?? "";
  });
}

/** @param {string} id */
export function dropTake(id) {
  batches.value = without([id]);
  if (shown.peek() === id) shown.value = "";
}

/** Takes that this tab does not know yet; those that are gone leave the strip. */
export async function loadTakes() {
  const missing = batches.peek().flat().filter((id) => !videos.peek().has(id));
  await Promise.all(missing.map(async (id) => {
    try {
      rememberAll([await get(`library/${encodeURIComponent(id)}`).catch(() => get(`videos/${encodeURIComponent(id)}`))]);
    } catch (error) {
      if (/** @type {any} */ (error).status === 404) dropTake(id);
    }
  }));
}
