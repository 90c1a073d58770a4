// What becomes of the words: asked while they are typed, shown without a flicker.
import { post } from "../../core/api.js";
import { t } from "../../core/strings.js";
import { batch, computed, effect, html, signal } from "../../core/ui.js";
import { chipsOf, ReadingChips } from "../../widgets/reading-chips.js";
import { isEdited } from "./form.js";
import { modelOf, models } from "./models.js";
import { change, form } from "./state.js";

/** @typedef {import("../../widgets/reading-chips.js").Reading} Reading */

/** The last answer; it stays until the next one. */
export const reading = signal(/** @type {Reading | null} */ (null));
/** Whether an answer is awaited. */
export const reads = signal(false);
const MAX_SECONDS = 60;

/** The seed of the example that is shown on the first visit. */
const DEMO_SEED = 11;

/** The question that the form asks, as text, since the same question is not asked twice; "" where there is no plan. */
const question = computed(() => {
  const { prompt, negative, size, seconds, seed, model } = form.value;
  const known = modelOf(model);
  if ((models.value && known?.engine !== "native") || seconds > MAX_SECONDS) return "";
  if (!prompt.trim()) return JSON.stringify({ prompt: t("create.example.balloon"), size, seconds, seed: DEMO_SEED });
  const excluded = negative.split(/[,;.\n]/).map((part) => part.trim()).filter(Boolean).map((part) => `, no ${part}`).join("");
  return JSON.stringify({ prompt: prompt.trim() + excluded, size, seconds, seed });
});

/** The last plan, of an example too. */
export const shownReading = signal(/** @type {Reading | null} */ (null));

/** @type {{ key: string, answer: Promise<Reading> } | null} */
let latest = null;

/** @param {string} asked @param {AbortSignal} [signal] @returns {Promise<Reading>} */
function ask(asked, signal) {
  if (latest?.key === asked) return latest.answer;
  const answer = post("videos/plan", JSON.parse(asked), { signal });
  latest = { key: asked, answer };
  answer.catch(() => { if (latest?.answer === answer) latest = null; });
  return answer;
}

/** The reading of the form as it is now. */
export async function currentReading() {
  const asked = question.peek();
  if (!asked) return null;
  // A question that the page takes back is asked again.
  return ask(asked).catch((error) => {
    if (error.name === "AbortError") return ask(asked);
    throw error;
  });
}

const PAUSE = 180;
/** Follow the form; once for this page. */
export function followForm() {
  let timer = 0;
  let controller = new AbortController();
  return effect(() => {
    const asked = question.value;
    clearTimeout(timer);
    controller.abort();
    if (!asked || !form.peek().prompt.trim()) reading.value = null;
    if (!asked) {
      shownReading.value = null;
      reads.value = false;
      return;
    }
    reads.value = Boolean(form.peek().prompt.trim());
    controller = new AbortController();
    const { signal } = controller;
    timer = setTimeout(async () => {
      try {
        const answer = await ask(asked, signal);
        if (signal.aborted) return;
        const demo = !form.peek().prompt.trim();
        batch(() => {
          reading.value = demo ? null : answer;
          shownReading.value = demo ? { ...answer, demo } : answer;
        });
      } catch (error) {
        // The words may be wrong only for a moment; what was read before stays.
        if (!signal.aborted && /** @type {any} */ (error).status === 400) reading.value = null;
      } finally {
        if (!signal.aborted) reads.value = false;
      }
    }, reading.peek() ? PAUSE : 0);
  });
}

/** The reading as chips. */
export function Reading() {
  const answer = reading.value;
  const text = form.value.prompt.trim();
  const isNative = modelOf(form.value.model)?.engine === "native";
  if (!text) return html`<p class="reading small">${t("create.reading.empty")}</p>`;
  if (models.value && !isNative) return html`<p class="reading small">${t("create.reading.other")}</p>`;
  if (!answer && reads.value) return html`<p class="reading small" aria-busy="true">${t("create.reading.begun")}</p>`;
  const chips = answer ? chipsOf(answer, form.value.edits) : [];
  /** @param {string} words */
  const keep = (words) => change({ prompt: `${form.peek().prompt.trim()} ${words}` }, "");
  return html`<${ReadingChips} chips=${chips} busy=${reads.value} onKeep=${keep}>
    ${answer?.sentence && !isEdited(form.value.edits) && !form.value.plan && html`<li class="expanded small">${t("create.reading.sentence", { sentence: answer.sentence })}</li>`}
  <//>`;
}
