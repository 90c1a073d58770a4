// The reading of a prompt as chips: what is drawn, what is drawn instead, what is left to chance.
import { t } from "../core/strings.js";
import { html } from "../core/ui.js";
import { Icon } from "./icons.js";

/**
 * @typedef {object} Reading the answer of POST /v1/videos/plan
 * @property {string} prompt
 * @property {string} size
 * @property {number} seed
 * @property {string[]} understood
 * @property {{ words: string, drawn: string }[]} substituted
 * @property {string[]} not_understood
 * @property {string[]} excluded
 * @property {string[]} chosen
 * @property {string[]} [motions]
 * @property {string} [sentence]
 * @property {any} plan
 * @property {boolean} [demo] whether it is of an example, shown while there are no words yet
 */

/**
 * @typedef {{ text: string, kind: "known" | "swap" | "unknown" | "chance" | "without" | "hand", words?: string }} Chip
 *   words: those that keep what was left to chance
 */

/** More unknown words than these share a chip. */
const MAX_UNKNOWN = 2;
/** Facts of the frame, in the order of the chips. */
const FACTS = /** @type {const} */ (["place", "time", "weather"]);

/** @param {Reading} answer @param {Record<string, any>} [edits] facts that were changed by hand @returns {Chip[]} */
export function chipsOf(answer, edits = {}) {
  const { plan } = answer;
  const chosen = answer.chosen.filter((fact) => !(fact in edits));
  /** @type {Chip[]} */
  const chips = [];
  plan.subjects.forEach((/** @type {any} */ subject, /** @type {number} */ number) => {
    const motion = answer.motions?.[number];
    const words = [chosen.includes("color") ? "" : subject.color, subject.kind].filter(Boolean).join(" ");
    chips.push({ kind: chosen.includes("kind") ? "chance" : "known", text: motion && !chosen.includes("motion") ? `${words}, ${t(`create.motion.${motion}`)}` : words });
  });
  for (const fact of FACTS) {
    const byHand = edits[fact];
    if (byHand) {
      chips.push({ kind: "hand", text: t(`create.${fact}.${byHand}`) });
      continue;
    }
    const isUsual = fact === "weather" && plan.weather === "clear";
    if (!chosen.includes(fact) && !isUsual) chips.push({ kind: "known", text: t(`create.${fact}.${plan[fact]}`) });
  }
  if (plan.camera.move !== "still") chips.push({ kind: "known", text: t(`create.camera.${plan.camera.move}`) });
  answer.substituted.forEach(({ words, drawn }) => chips.push({ kind: "swap", text: `${words} → ${drawn}` }));
  if (answer.excluded.length) chips.push({ kind: "without", text: t("create.reading.without", { words: answer.excluded.join(", ") }) });
  const unknown = answer.not_understood.length > MAX_UNKNOWN ? [answer.not_understood.join(", ")] : answer.not_understood;
  unknown.forEach((words) => chips.push({ kind: "unknown", text: t("create.reading.unknown", { words }) }));
  const [first] = plan.subjects;
  /** @type {Record<string, string>} */
  const values = { ...Object.fromEntries(FACTS.map((fact) => [fact, plan[fact]])), color: first?.color, motion: answer.motions?.[0] ?? "", kind: first?.kind };
  for (const fact of chosen) {
    const value = values[fact];
    if (!value || (fact === "weather" && value === "clear")) continue;
    if (fact === "place" || fact === "time") chips.push({ kind: "chance", text: t(`create.${fact}.${value}`), words: t(`create.words.${fact}.${value}`) });
    else if (fact === "color" || fact === "motion") chips.push({ kind: "chance", text: fact === "motion" ? t(`create.motion.${value}`) : value });
  }
  return chips;
}

/** @type {Record<Chip["kind"], [string, string]>} class and icon */
const LOOKS = { known: ["", "check"], swap: ["swap", "redo"], unknown: ["bad", "warning"], chance: ["open", "dice"], without: ["info", "close"], hand: ["info", "edit"] };

/**
 * @param {{ chips: Chip[], busy: boolean, onKeep?: (words: string) => void, children?: any }} properties
 *   onKeep: takes the words that keep what was left to chance
 */
export function ReadingChips({ chips, busy, onKeep, children }) {
  return html`<ul class="reading" aria-label=${t("create.reading.title")} aria-busy=${busy}>
    ${chips.map((chip) => html`<li key=${chip.kind + chip.text}>${chip.words && onKeep
      ? html`<button type="button" class="chip open" title=${t("create.reading.keep", { words: chip.words })} onClick=${() => onKeep(chip.words ?? "")}><${Icon} name="dice" />${chip.text}<span class="visually-hidden">, ${t("create.reading.keep", { words: chip.words })}</span></button>`
      : html`<span class=${`chip ${LOOKS[chip.kind][0]}`} title=${t(`create.reading.${chip.kind}.title`)}><${Icon} name=${LOOKS[chip.kind][1]} /><span class="visually-hidden">${t(`create.reading.${chip.kind}.title`)}: </span>${chip.text}</span>`}</li>`)}
    ${children}
  </ul>`;
}
