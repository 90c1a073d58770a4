// What the project may use, and what it uses.
import { get } from "../../core/api.js";
import { bytes, duration } from "../../core/format.js";
import { href } from "../../core/router.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { Icon } from "../../widgets/icons.js";
import { named } from "../queue/rows.js";
import { Loading, Section, useRemote } from "./form.js";

export default function Limits() {
  const { data } = useRemote(async () => {
    const [project, usage, queue] = await Promise.all([get("project"), get("library/usage"), get("queue", { query: { limit: 0 } })]);
    return { limits: project.limits, usage, counts: queue.counts };
  });
  if (!data) return html`<${Loading} />`;
  const { limits, usage, counts } = data;
  const rows = [
    ["running", limits.max_running === null ? t("settings.unlimited") : t("settings.ofLimit", { used: counts.running, limit: limits.max_running })],
    ["queued", limits.max_queued === null ? t("settings.unlimited") : t("settings.ofLimit", { used: counts.running + counts.waiting, limit: limits.max_queued })],
    ["daily", limits.daily_seconds === null ? t("settings.unlimited") : duration(limits.daily_seconds)],
    ["weight", t("settings.limit.weightValue", { weight: limits.weight })],
  ];
  return html`<${Section} title=${t("settings.usage")} about=${t("settings.usageAbout")}><${Usage} usage=${usage} /><//>
    <${Section} title=${t("settings.limitsHeading")} about=${html`${t("settings.limitsAbout")} <code>hinode projects set</code>`}>
      <dl class="fact-list">${rows.map(([name, value]) => html`<div key=${name}><dt>${t(`settings.limit.${name}`)}</dt><dd>${value}</dd></div>`)}</dl><//>`;
}

/** @param {{ usage: { bytes: number, limit_bytes: number | null, trash_bytes: number, clips: number, by_kind: { kind: string, bytes: number, files: number }[] } }} properties */
function Usage({ usage }) {
  const whole = Math.max(usage.limit_bytes ?? usage.bytes, usage.bytes, 1);
  const full = usage.limit_bytes !== null && usage.bytes > usage.limit_bytes * 0.9;
  return html`<p class="usage-sum"><b>${bytes(usage.bytes)}</b> ${usage.limit_bytes === null ? t("settings.noLimit") : t("settings.ofBytes", { limit: bytes(usage.limit_bytes) })} · ${t("settings.clips", { count: usage.clips })}</p>
    <div class="usage-bar" role="img" aria-label=${usage.by_kind.map((part) => `${named("settings.kind", part.kind)}: ${bytes(part.bytes)}`).join(", ") || t("settings.nothingStored")}>
      ${usage.by_kind.map((part, index) => html`<i key=${part.kind} class=${`part-${index % 5}`} style=${{ width: `${(part.bytes / whole) * 100}%` }}></i>`)}</div>
    ${full && html`<p class="banner"><${Icon} name="warning" />${t("settings.nearlyFull")}</p>`}
    <ul class="usage-kinds">${usage.by_kind.map((part, index) => html`<li key=${part.kind}><i class=${`part-${index % 5}`}></i><span>${named("settings.kind", part.kind)}</span><small>${t("settings.files", { count: part.files })}</small><b>${bytes(part.bytes)}</b></li>`)}
      ${usage.trash_bytes > 0 && html`<li><${Icon} name="trash" /><span>${t("settings.inTrash")}</span><b>${bytes(usage.trash_bytes)}</b></li>`}</ul>
    <p><a class="button" href=${href("library", "", { view: "storage" })}>${t("settings.largest")}</a></p>`;
}
