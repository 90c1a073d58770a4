// What the server says of a shot before it is drawn: how its words are read, and how long it takes.
import { post } from "../../core/api.js";
import { useEffect, useState } from "../../core/ui.js";
import { characters } from "../create/characters.js";
import { modelOf, models } from "../create/models.js";
import { framesAt, rateOf, secondsOf } from "./time.js";

/**
 * @typedef {import("./time.js").Shot} Shot
 * @typedef {import("./time.js").FilmDocument} FilmDocument
 * @typedef {import("../../widgets/reading-chips.js").Reading} Reading
 */

const PAUSE_MS = 220;
const MAX_SECONDS = 60;

/**
 * The answer of a question, asked when it has stood for a moment; the last answer stays until the next one.
 * @param {string} path @param {Record<string, unknown> | null} question
 */
function useAnswer(path, question) {
  const [state, setState] = useState(/** @type {{ answer: any, busy: boolean }} */ ({ answer: null, busy: false }));
  const text = question ? JSON.stringify(question) : "";
  useEffect(() => {
    if (!text) return setState({ answer: null, busy: false });
    const controller = new AbortController();
    setState((before) => ({ ...before, busy: true }));
    const timer = setTimeout(async () => {
      try {
        const answer = await post(path, JSON.parse(text), { signal: controller.signal });
        setState({ answer, busy: false });
      } catch {
        if (!controller.signal.aborted) setState((before) => ({ ...before, busy: false }));
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [path, text]);
  return state;
}

/** What stands for the names of characters. @param {string} prompt */
const described = (prompt) => (characters.value ?? []).reduce((text, person) => text.replaceAll(`@${person.name}`, /** @type {any} */ (person).description || person.name), prompt);

/** Words of the film that stand for those that a shot does not have. @param {Shot} shot @param {FilmDocument} document */
const words = (shot, document) => [document.style, described(shot.prompt.trim()), shot.place || document.place, shot.time || document.time, shot.weather || document.weather].filter(Boolean).join(", ");

/** @param {Shot} shot @param {FilmDocument} document @returns {{ reading: Reading | null, busy: boolean }} */
export function useReading(shot, document) {
  const model = modelOf(document.model ?? "");
  const seconds = secondsOf(shot.frames, rateOf(document.fps));
  const reads = shot.prompt.trim() && (!models.value || model?.engine === "native") && seconds <= MAX_SECONDS;
  const { answer, busy } = useAnswer("videos/plan", reads ? { prompt: words(shot, document), size: document.size, seconds, ...(shot.seed ?? document.seed ? { seed: shot.seed ?? document.seed } : {}) } : null);
  return { reading: answer, busy };
}

/** @param {Shot} shot @param {FilmDocument} document */
export function useQuote(shot, document) {
  const rate = rateOf(document.fps);
  // Rounded, so that a drag asks only now and then.
  const frames = Math.max(1, framesAt(Math.ceil(secondsOf(shot.frames, rate) * 4) / 4, rate));
  const question = shot.prompt.trim() && !shot.locked ? {
    operation: "generate", prompt: "a", size: document.size, seconds: secondsOf(frames, rate), fps: rate.count / rate.per, ...(document.profile ? { profile: document.profile } : {}), ...(document.model ? { model: document.model } : {}),
  } : null;
  return useAnswer("videos/quote", question).answer;
}
