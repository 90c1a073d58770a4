// How a clip was made: what was understood, the settings, and where the time went.
import { ago, bytes, duration } from "../../core/format.js";
import { notify } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { classes, html, useState } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { stageName } from "./quote.js";
import { maker, Routing } from "./routing.js";

export const SMALL_WORDS = /^(a|an|the|of|at|in|on|and|over|with|to|its?|on|by|for|from|into)$/i;

const LONG = 240;

/** The words of a clip; long ones open on request. @param {{ text: string }} properties */
export function Prompt({ text }) {
  const [open, setOpen] = useState(false);
  const long = text.length > LONG;
  return html`<div><p class=${classes("prompt", long && !open && "cut")}>${text}</p>
    ${long && html`<button type="button" class="bare small" aria-expanded=${open} onClick=${() => setOpen(!open)}>${t(open ? "facts.less" : "facts.more")}</button>`}</div>`;
}

/** What the model made of the words. @param {{ video: import("../../core/videos.js").Video }} properties */
export function Understanding({ video }) {
  const { understood = [], not_understood: unknown = [] } = video.making ?? {};
  const told = /** @type {string[]} */ (understood).filter((word) => !SMALL_WORDS.test(word));
  if (!told.length && !unknown.length) return null;
  return html`<ul class="row wrap chips" aria-label=${t("facts.understanding")}>
    ${told.map((word) => html`<li class="chip" key=${word}><${Icon} name="check" />${word}</li>`)}
    ${unknown.map((/** @type {string} */ word) => html`<li class="chip swap" key=${word}><span class="visually-hidden">${t("facts.notUnderstood")} </span><s>${word}</s></li>`)}
  </ul>`;
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Off localhost and without https there is no clipboard.
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "visually-hidden";
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  notify(t("facts.copied"));
}

/** @param {{ video: any }} properties */
export function Facts({ video }) {
  const making = video.making ?? {};
  const fps = video.fps ?? making.fps;
  const stages = /** @type {[string, number][]} */ (Object.entries(making.stage_seconds ?? {}));
  const total = stages.reduce((sum, [, seconds]) => sum + seconds, 0);
  /** @type {[string, any][]} */
  const rows = [
    ["model", making.engine ? `${making.engine}/${making.model}` : video.model],
    ["maker", maker(video)],
    ["pool", video.routing?.pool],
    ["profile", video.profile ? t(`profile.${video.profile}`) : null],
    ["seed", html`<span class="row">${String(video.seed)}<${Button} kind="quiet tiny" icon="link" label=${t("facts.copySeed")} onClick=${() => copy(String(video.seed))} /></span>`],
    ["steps", making.steps ?? video.steps],
    ["length", `${duration(Number(video.seconds))}${making.frames ? ` · ${t("facts.frames", { count: making.frames })}` : ""}`],
    ["size", `${video.size.replace("x", " × ")}${fps ? ` · ${fps} fps` : ""}`],
    ["drawn", making.native_size && making.native_size !== video.size ? making.native_size.replace("x", " × ") : null],
    ["sound", making.sound],
    ["avoided", video.negative_prompt],
    ["file", video.bytes ? bytes(video.bytes) : null],
    ["made", ago(video.completed_at ?? video.created_at)],
    ["kept", video.expires_at && video.status === "completed" ? new Date(video.expires_at * 1000).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" }) : null],
  ];
  return html`<dl class="clip-facts">${rows.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => html`<div key=${name}><dt>${t(`facts.${name}`)}</dt><dd>${value}</dd></div>`)}</dl>
    ${total > 0 && html`<div class="stack tight"><div class="row between"><h3>${t("facts.time")}</h3><small>${duration(total)}</small></div>
      <ul class="stage-list">${stages.filter(([, seconds]) => seconds >= 0.05).map(([name, seconds]) => html`<li key=${name}><span>${stageName(name)}</span><i aria-hidden="true"><b style=${{ width: `${Math.max(1, (seconds / total) * 100)}%` }}></b></i><small>${duration(seconds)}</small></li>`)}</ul></div>`}
    <${Routing} video=${video} />
    ${making.read_as && html`<details class="read-as"><summary>${t("facts.readAs")}</summary><p class="small">${making.read_as}</p></details>`}`;
}
