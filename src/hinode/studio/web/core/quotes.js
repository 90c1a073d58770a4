// What a request takes, before it is made: asked while it changes, when the queue changes, and before it ends.
import { post } from "./api.js";
import { listen } from "./events.js";
import { batch, computed, effect, signal } from "./ui.js";

/**
 * @typedef {{ p50: number, p90: number }} Span seconds
 * @typedef {{ label: string, model: string, profile: string | null, size: string, seconds: number, eta: Span }} Alternative
 * @typedef {object} Quote
 * @property {string} id
 * @property {string} model
 * @property {string | null} profile
 * @property {string} size
 * @property {number} seconds
 * @property {number} n
 * @property {Span} eta
 * @property {Span} queue_wait
 * @property {{ name: string, seconds: number }[]} stages
 * @property {string} basis
 * @property {Alternative[]} alternatives
 * @property {number} valid_until seconds since 1970
 */

/**
 * @template T
 * @typedef {import("../vendor/libraries.js").Signal<T>} Signal
 */
/**
 * A request and what the server says of it.
 * @typedef {object} Estimate
 * @property {{ readonly value: Record<string, any> | null }} request a signal: `operation` and the body; null while it is incomplete
 * @property {Signal<Quote | null>} quote
 * @property {Signal<import("./api.js").ApiError | null>} refusal why there is no quote
 */

const PAUSE = 250;
const QUEUE_PAUSE = 1500;
/** A quote is asked again some seconds before it ends. */
const MARGIN = 5;
/** Events after which the wait before the start is another. */
const QUEUE_EVENTS = ["queue.changed", "video.queued", "video.completed", "video.failed", "resync"];

/** @param {Estimate["request"]} request @returns {Estimate} */
export const newEstimate = (request) => ({ request, quote: signal(null), refusal: signal(null) });

/**
 * Ask for the quote of a request until the function that is returned is called.
 * @param {Estimate} estimate
 */
export function followQuote({ request, quote, refusal }) {
  const round = signal(0);
  const renew = () => { round.value += 1; };
  let [question, renewal, pause] = [0, 0, 0];
  let controller = new AbortController();
  const clear = () => {
    controller.abort();
    [question, renewal].forEach((timer) => clearTimeout(timer));
  };
  const stop = listen((type) => {
    if (!QUEUE_EVENTS.includes(type)) return;
    clearTimeout(pause);
    pause = window.setTimeout(renew, QUEUE_PAUSE);
  });
  // The words and the seed change nothing about the time; a change of them asks nobody.
  const text = computed(() => {
    const body = request.value;
    return body ? JSON.stringify({ ...body, ...(body.prompt ? { prompt: "a" } : {}), seed: undefined, characters: undefined }) : "";
  });
  const end = effect(() => {
    const body = text.value;
    round.value;
    clear();
    if (!body) {
      batch(() => { quote.value = refusal.value = null; });
      return;
    }
    controller = new AbortController();
    const { signal } = controller;
    question = window.setTimeout(async () => {
      try {
        const answer = await post("videos/quote", JSON.parse(body), { signal });
        batch(() => {
          quote.value = answer;
          refusal.value = null;
        });
        renewal = window.setTimeout(renew, Math.max(10, answer.valid_until - Date.now() / 1000 - MARGIN) * 1000);
      } catch (error) {
        if (signal.aborted) return;
        batch(() => {
          quote.value = null;
          refusal.value = /** @type {any} */ (error);
        });
      }
    }, quote.peek() ? PAUSE : 0);
  });
  return () => {
    stop();
    end();
    clear();
    clearTimeout(pause);
  };
}
