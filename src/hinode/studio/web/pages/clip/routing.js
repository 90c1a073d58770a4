// Who made a clip whose model is a pool, who else was asked, and why.
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";

/** @typedef {import("../../core/videos.js").Video} Video */

/** Who made a clip: a provider, or for a pool also own workers; null where there is no choice. @param {Video} video */
export function maker(video) {
  const route = video.routing?.routes[video.routing.position];
  return video.making?.provider || route?.provider || (route ? t("routing.ownWorkers") : null);
}

/** @param {{ engine: string, model: string, provider: string }} route */
const named = ({ engine, model, provider }) => (provider && !model.includes("@") ? `${engine}/${model} · ${provider}` : `${engine}/${model}`);

/** The order in which the members of a pool were asked, and the moves between them. @param {{ video: Video }} properties */
export function Routing({ video }) {
  if (!video.routing) return null;
  const { routes, rejected, moves, position } = video.routing;
  return html`<details class="routing"><summary>${t("routing.title")}</summary>
    <ol>${routes.map((route, index) => html`<li key=${index} aria-current=${index === position ? "true" : undefined}><b>${named(route)}</b>
      <small>${[route.reason, route.refused && t("routing.refused")].filter(Boolean).join(" · ")}</small></li>`)}</ol>
    ${rejected.length > 0 && html`<h3>${t("routing.rejected")}</h3><ul>${rejected.map((route, index) => html`<li key=${index}><b>${named(route)}</b> <small>${route.reason}</small></li>`)}</ul>`}
    ${moves.length > 0 && html`<h3>${t("routing.moves")}</h3><ul>${moves.map((move, index) => html`<li key=${index}>${t("routing.move", { from: move.from, to: move.to })} <small>${move.reason}</small></li>`)}</ul>`}
  </details>`;
}
