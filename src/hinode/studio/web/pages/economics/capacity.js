// How many machines a load needs: waits by the size of a fleet, and the cheapest that meets a target.
import { get } from "../../core/api.js";
import { duration } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Button, Field } from "../../widgets/controls.js";
import { FormError, Section, useForm } from "../settings/form.js";
import { Table, number, percent, usd } from "./figures.js";
import { MissingPrices, lacksPrices } from "./missing.js";

/** @typedef {{ machines: Record<string, number>, load: number, wait: Record<string, number | null>, usd_per_hour: number | null, usd_per_clip: number | null }} Fleet */

const EXAMPLE = { arrivals: "", target: "60", hardware: "" };

export default function Capacity() {
  const [plan, setPlan] = useState(/** @type {any} */ (null));
  const [values, setValues] = useState(EXAMPLE);
  const form = useForm("", values, async (asked) => {
    setPlan(await get("capacity", { query: asked }));
    setValues(asked);
  });
  const field = (/** @type {"arrivals" | "target" | "hardware"} */ name) => html`<${Field} label=${t(`economics.capacity.${name}`)} hint=${t(`economics.capacity.${name}.hint`)} error=${form.errors[name]}>${(/** @type {any} */ rest) => html`<input ...${rest} type="text" inputmode=${name === "hardware" ? "text" : "decimal"} ...${form.text(name)} />`}<//>`;
  return html`<${Section} title=${t("economics.capacity.ask")} about=${t("economics.capacity.about")}>
      <form class="stack" onSubmit=${form.submit}><div class="row field-row">${field("arrivals")}${field("target")}</div>${field("hardware")}
        <div><${Button} type="submit" kind="primary" disabled=${form.busy}>${t("economics.capacity.plan")}<//></div><${FormError} errors=${form.errors} /></form><//>
    ${plan && (lacksPrices(plan) ? html`<${MissingPrices} answer=${plan} />` : html`<${Plan} plan=${plan} />`)}`;
}

/** @param {{ plan: { measured: boolean, arrivals: number, target: number, share: number, cheapest: Fleet | null, by_class: Record<string, Fleet[]> } }} properties */
function Plan({ plan }) {
  const words = { arrivals: number(plan.arrivals), target: duration(plan.target), share: percent(plan.share) };
  const best = plan.cheapest;
  const counts = best && Object.entries(best.machines).map(([name, count]) => `${count} ${name}`).join(", ");
  const head = ["machines", "load", "p50", "p95", "hour", "clip"].map((name) => t(`economics.capacity.${name}`));
  const wait = (/** @type {number | null} */ seconds) => seconds === null ? t("economics.never") : duration(seconds);
  return html`<${Section} title=${t("economics.capacity.result")} about=${t(plan.measured ? "economics.capacity.measured" : "economics.capacity.asked", words)}>
    <p role="status"><b>${best ? t("economics.capacity.cheapest", { counts: counts || "0", price: best.usd_per_hour === null ? "" : t("economics.book.hour", { price: usd(best.usd_per_hour) }) }) : t("economics.capacity.none")}</b></p>
    ${Object.entries(plan.by_class).map(([name, fleets]) => html`<${Table} key=${name} caption=${name} hidden=${false} head=${head} rows=${fleets.map((fleet) => [
      Object.values(fleet.machines)[0] ?? 0, percent(fleet.load), wait(fleet.wait.p50), wait(fleet.wait.p95), usd(fleet.usd_per_hour), usd(fleet.usd_per_clip)])} />`)}<//>`;
}
