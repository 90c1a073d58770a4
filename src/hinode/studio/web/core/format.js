// Numbers and times as people read them.
import { t } from "./strings.js";

/** A duration such as "9 s", "2 min" or "1.5 h". @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return t("time.seconds", { seconds: seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds) });
  if (seconds < 5400) return t("time.minutes", { minutes: Math.round(seconds / 60) });
  return t("time.hours", { hours: Math.round(seconds / 360) / 10 });
}

/** A position in a clip: "0:01.12", with hundredths. @param {number} seconds */
export function timecode(seconds) {
  const hundredths = Math.round(seconds * 100);
  const minutes = Math.floor(hundredths / 6000);
  const rest = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return `${minutes}:${rest}`;
}

/** A length: "0:04". @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** How long ago something was. @param {number} at seconds since 1970 */
export function ago(at) {
  const seconds = Date.now() / 1000 - at;
  return seconds < 45 ? t("time.now") : t("time.ago", { time: days(seconds) });
}

/** @param {number} seconds */
function days(seconds) {
  return seconds < 129600 ? duration(seconds) : new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit: "day" }).format(Math.round(seconds / 86400));
}

/** @param {number} count */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (count >= 1000 && power < units.length - 1) {
    count /= 1000;
    power += 1;
  }
  return `${count < 10 && power ? count.toFixed(1) : Math.round(count)} ${units[power]}`;
}

/** An amount of money. @param {number} micro micro-units: 1,000,000 is one dollar @param {string} currency */
export const money = (micro, currency) => new Intl.NumberFormat(document.documentElement.lang, { style: "currency", currency, maximumFractionDigits: micro % 10000 ? 6 : 2 }).format(micro / 1e6);

/** The name of a clip: its title or the first words of its prompt. @param {{ title?: string | null, prompt?: string | null }} clip */
export function clipTitle(clip) {
  if (clip.title) return clip.title;
  const words = (clip.prompt ?? "").replace(/^(an?|the) /i, "").trim();
  if (!words) return t("clip.untitled");
  const short = words.length > 42 ? `${words.slice(0, 40).replace(/\s+\S*$/, "")}…` : words;
  return short[0].toUpperCase() + short.slice(1);
}

/** The model that made a clip; before that, the name by which it was requested. @param {{ model: string, making?: any }} clip */
export const modelName = (clip) => clip.making?.model ?? clip.model;

/** The id of the decision of screening that the message of an error names, or "". @param {string | undefined} message */
export const decisionOf = (message) => /\bdecision_[0-9a-f]+\b/.exec(message ?? "")?.[0] ?? "";

/** A random name for a request that may be sent again; `crypto.randomUUID` exists only under https. */
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
