// The installed models: what each can do, in which sizes, and under which terms.
import { get } from "../../core/api.js";
import { duration } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Icon } from "../../widgets/icons.js";
import { named } from "../queue/rows.js";
import { Loading, useRemote } from "./form.js";

/** @typedef {{ id: string, engine: string, model: string, created: number, operations: string[], references: string[], seconds: number[], fps: number[], native_sizes: string[], native_fps: number[], negative_prompt: boolean, sound: boolean, profiles: string[], licence: string, licence_terms?: string[] }} Model */

/** The models by what they are, each with all names that requests may use. @param {Model[]} list */
function distinct(list) {
  const models = /** @type {Map<string, { model: Model, names: string[] }>} */ (new Map());
  for (const model of list) {
    const key = `${model.engine}/${model.model}`;
    const known = models.get(key) ?? { model, names: [] };
    known.names.push(model.id);
    models.set(key, known);
  }
  return [...models.values()];
}

export default function Models() {
  const { data } = useRemote(async () => {
    const [models, queue] = await Promise.all([get("models"), get("queue", { query: { limit: 0 } })]);
    const resident = /** @type {string[]} */ (queue.workers.flatMap((/** @type {any} */ worker) => worker.resident));
    return { models: distinct(models.data), resident: new Set(resident) };
  });
  if (!data) return html`<${Loading} />`;
  return html`<p class="settings-note">${t("settings.modelsAbout")} <code>hinode models add</code></p>
    <div class="stack">${data.models.map((entry) => html`<${ModelCard} key=${entry.model.id} ...${entry} resident=${data.resident.has(`${entry.model.engine}/${entry.model.model}`)} />`)}</div>`;
}

/** @param {{ model: Model, names: string[], resident: boolean }} properties */
function ModelCard({ model, names, resident }) {
  const extras = [model.sound ? t("settings.model.sound") : "", model.negative_prompt ? t("settings.model.negative") : ""].filter(Boolean);
  const [shortest, longest] = model.seconds;
  const facts = /** @type {[string, any][]} */ ([
    ["can", chips([...model.operations.map((name) => named("settings.operation", name)), ...extras])],
    ["from", model.references.length ? chips(model.references.map((name) => named("settings.reference", name))) : t("settings.model.words")],
    ["sizes", model.native_sizes.length ? model.native_sizes.map((size) => size.replace("x", " × ")).join(", ") : t("settings.model.anySize")],
    ["length", shortest > 0 ? t("settings.model.between", { least: duration(shortest), most: duration(longest) }) : t("settings.model.upTo", { most: duration(longest) })],
    ["rate", t("settings.model.fps", { fps: model.native_fps.length ? model.native_fps.join(", ") : model.fps.join("–") })],
    ["profiles", model.profiles.length ? model.profiles.map((name) => named("profile", name)).join(", ") : "–"],
    ["names", html`<span class="names">${names.map((name) => html`<code key=${name}>${name}</code>`)}</span>`],
  ]);
  return html`<section class="sheet panel model" aria-label=${`${model.engine}/${model.model}`}>
    <header class="row between wrap"><h3>${model.model} <small>${model.engine}</small></h3>${resident && html`<span class="chip"><${Icon} name="check" />${t("settings.model.resident")}</span>`}</header>
    <dl class="fact-list">${facts.map(([name, value]) => html`<div key=${name}><dt>${t(`settings.model.${name}`)}</dt><dd>${value}</dd></div>`)}
      <div><dt>${t("settings.model.licence")}</dt><dd>${model.licence ? html`<b>${model.licence}</b>` : t("settings.model.noLicence")}
        ${model.licence_terms?.length ? html`<ul class="terms">${model.licence_terms.map((line) => html`<li key=${line}>${term(line)}</li>`)}</ul>` : ""}</dd></div></dl></section>`;
}

/** @param {string[]} words */
const chips = (words) => html`<span class="row wrap">${words.map((word) => html`<span class="chip open" key=${word}>${word}</span>`)}</span>`;

/** A line of the terms, whose address is a link. @param {string} line */
function term(line) {
  const [, before, address] = /^(.*?)(https:\/\/\S+)$/.exec(line) ?? [];
  return address ? html`${before}<a href=${address} target="_blank" rel="noreferrer">${address}</a>` : line;
}
