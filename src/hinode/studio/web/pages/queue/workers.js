// The workers of the server: what each does, which engines it has and what is in its memory.
import { ago, clipTitle } from "../../core/format.js";
import { href } from "../../core/router.js";
import { t } from "../../core/strings.js";
import { html } from "../../core/ui.js";
import { videos } from "../../core/videos.js";
import { Icon } from "../../widgets/icons.js";

/** Seconds without a word after which it is said. */
const SILENCE = 30;

/** @param {{ workers: import("./state.js").Worker[] }} properties */
export function Workers({ workers }) {
  return html`<section class="sheet panel stack workers" aria-labelledby="workers-title">
    <h2 id="workers-title">${t("queue.workers")}</h2>
    ${workers.length === 0 && html`<p class="nobody"><${Icon} name="warning" /><span>${t("queue.noWorkers")} <code>hinode worker</code></span></p>`}
    <ul class="stack">${workers.map((worker) => html`<${WorkerEntry} key=${worker.id} worker=${worker} />`)}</ul>
  </section>`;
}

/** @param {{ worker: import("./state.js").Worker }} properties */
function WorkerEntry({ worker }) {
  const [host, process] = worker.host.split("/");
  const video = worker.job ? videos.value.get(worker.job) : null;
  const state = worker.draining ? "draining" : worker.busy ? "busy" : "idle";
  const silent = Date.now() / 1000 - worker.seen_at > SILENCE;
  return html`<li class="worker">
    <div class="row between"><span class="worker-name"><${Icon} name="worker" /><b>${host}</b> ${process && html`<small>${process}</small>`}</span>
      <span class=${`worker-state ${state}`}>${t(`queue.worker.${state}`)}</span></div>
    ${video ? html`<small>${t("queue.worker.makes")} <a href=${href("clip", video.id)}>${clipTitle(video)}</a></small>`
      : worker.busy && html`<small>${t("queue.worker.other")}</small>`}
    <dl>
      <div><dt>${t("queue.worker.memory")}</dt><dd>${worker.resident.length ? worker.resident.map((model) => html`<span class="chip" key=${model}>${model}</span>`) : html`<span class="nothing">${t("queue.worker.nothing")}</span>`}</dd></div>
      <div><dt>${t("queue.worker.engines")}</dt><dd>${worker.engines ? worker.engines.join(", ") : t("queue.worker.all")}</dd></div>
    </dl>
    ${silent && html`<small class="error">${t("queue.worker.silent", { time: ago(worker.seen_at) })}</small>`}
  </li>`;
}
