// What runs and waits, why it waits, and the workers.
import { clipTitle, duration } from "../core/format.js";
import { useShortcuts } from "../core/keyboard.js";
import { href } from "../core/router.js";
import { mayWrite } from "../core/session.js";
import { t } from "../core/strings.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../core/ui.js";
import { Button, Empty } from "../widgets/controls.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import { useSortable } from "../widgets/sortable.js";
import { cancel, EndedRow, RunningRow, WaitingRow } from "./queue/rows.js";
import { ended, followQueue, limit, MAX_LIMIT, moveJob, queue, readAt, readMore, setPaused } from "./queue/state.js";
import { Workers } from "./queue/workers.js";

/** In the order in which workers take them. */
const CLASSES = ["rush", "preview", "interactive", "batch"];
const SHOWN_ENDED = 4;

export default function QueuePage() {
  useEffect(followQueue, []);
  const state = queue.value;
  const paused = state?.paused ?? false;
  const toggle = () => setPaused(!queue.peek()?.paused);
  useShortcuts(mayWrite() ? [{ keys: "p", label: t("queue.pauseKey"), group: t("queue.title"), run: toggle }] : []);
  const head = html`<${PageHead} title=${t("queue.title")}>
    ${state && mayWrite() && html`<${Button} icon=${paused ? "play" : "pause"} onClick=${toggle}>${t(paused ? "queue.resume" : "queue.pause")}<//>`}
  <//>`;
  if (!state) return html`${head}<p class="loading" aria-busy="true">${t("app.loading")}</p>`;
  return html`${head}<div class="queue">
    <div class="queue-main">${paused && html`<p class="banner queue-paused" role="status"><${Icon} name="pause" />${t("queue.pausedText")}</p>`}<${Jobs} state=${state} /></div>
    <aside class="queue-side" aria-label=${t("queue.workers")}><${Workers} workers=${state.workers} /></aside>
  </div>`;
}

/** Seconds since the queue was read, once a second. */
function useElapsed() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, (now - readAt.value) / 1000);
}

/** @param {{ state: import("./queue/state.js").Queue }} properties */
function Jobs({ state }) {
  const elapsed = useElapsed();
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  const next = useRef("");
  const { running, waiting, counts } = state;
  const ids = [...running, ...waiting].map((entry) => entry.video.id);
  const order = ids.join(" ");
  useLayoutEffect(() => {
    // The button that cancelled is gone; the focus goes to that of the next job, and no longer to the page.
    const focused = document.activeElement;
    if (!next.current || (focused !== document.body && focused?.id !== "main")) return;
    const button = root.current?.querySelector(`[data-cancel="${CSS.escape(next.current)}"]`) ?? root.current?.querySelector("[data-cancel]") ?? root.current?.querySelector("h2");
    if (button instanceof HTMLElement) button.focus();
    next.current = "";
  }, [order]);
  const onCancel = (/** @type {import("./queue/state.js").Job} */ video) => {
    const at = ids.indexOf(video.id);
    next.current = ids[at + 1] ?? ids[at - 1] ?? "none";
    cancel(video);
  };
  const known = [...running, ...waiting].map((entry) => entry.eta_seconds);
  const all = known.length && !state.paused && known.every((seconds) => seconds != null) ? Math.max(...known.map(Number)) - elapsed : null;
  const classesShown = CLASSES.filter((name) => waiting.some((entry) => entry.video.priority === name));
  return html`<div class="stack" ref=${root}>
    ${counts.running + counts.waiting > 0 ? html`<p class="queue-sum">${counts.running > 0 && html`<b>${t("queue.runningCount", { count: counts.running })}</b>`}${counts.waiting > 0 && html`<b>${t("queue.waitingCount", { count: counts.waiting })}</b>`}
        ${all !== null && counts.waiting <= waiting.length && html`<span>${t("queue.allDone", { time: duration(Math.max(1, all)) })}</span>`}</p>`
      : html`<div class="sheet"><${Empty} icon="queue" title=${t("queue.empty")}><p>${t("queue.emptyText")}</p>${mayWrite() && html`<a class="button primary" href=${href("create")}><${Icon} name="create" />${t("nav.create")}</a>`}<//></div>`}
    ${running.length > 0 && html`<section class="stack" aria-labelledby="running-title"><h2 id="running-title" tabindex="-1">${t("queue.running")}</h2>
      <ul class="stack jobs">${running.map((entry) => html`<${RunningRow} key=${entry.video.id} entry=${entry} onCancel=${onCancel} />`)}</ul></section>`}
    ${classesShown.map((name) => html`<${WaitingList} key=${name} title=${classesShown.length > 1 ? t(`queue.class.${name}`) : t("queue.waiting")} elapsed=${elapsed} onCancel=${onCancel} entries=${waiting.filter((entry) => entry.video.priority === name)} />`)}
    ${counts.waiting > waiting.length && html`<p class="row queue-more"><span>${t("queue.hidden", { count: counts.waiting - waiting.length })}</span>
      ${limit.value < MAX_LIMIT && html`<${Button} onClick=${() => readMore(MAX_LIMIT)}>${t("queue.showMore")}<//>`}</p>`}
    <${Ended} />
  </div>`;
}

/** @param {{ title: string, entries: import("./queue/state.js").Waiting[], elapsed: number, onCancel: (video: import("./queue/state.js").Job) => void }} properties */
function WaitingList({ title, entries, elapsed, onCancel }) {
  // Of those that are gone while one is dragged, what was known last is shown.
  const known = useRef(/** @type {Map<string, import("./queue/state.js").Waiting>} */ (new Map()));
  const sortable = useSortable({
    ids: entries.map((entry) => entry.video.id),
    name: (id) => clipTitle(known.current.get(id)?.video ?? {}),
    move: moveJob,
  });
  if (!sortable.drag) known.current = new Map(entries.map((entry) => [entry.video.id, entry]));
  const shown = sortable.ids.map((id) => /** @type {import("./queue/state.js").Waiting} */ (known.current.get(id)));
  return html`<section class="stack" aria-label=${title}><h2 tabindex="-1">${title}</h2>
    <ol class="jobs" ref=${sortable.list}>${shown.map((entry, index) => html`<${WaitingRow} key=${entry.video.id} entry=${entry} index=${index} count=${shown.length} sortable=${sortable} onCancel=${onCancel}
      left=${entry.eta_seconds == null ? null : entry.eta_seconds - elapsed} />`)}</ol></section>`;
}

function Ended() {
  const [all, setAll] = useState(false);
  const list = ended.value;
  if (list.length === 0) return null;
  const shown = all ? list : list.slice(0, SHOWN_ENDED);
  return html`<section class="stack" aria-labelledby="ended-title"><h2 id="ended-title">${t("queue.ended")}</h2>
    <div class="sheet ended-list"><ul>${shown.map((video) => html`<${EndedRow} key=${video.id} video=${video} />`)}</ul>
    ${list.length > shown.length && html`<${Button} kind="quiet" onClick=${() => setAll(true)}>${t("queue.showEnded", { count: list.length - shown.length })}<//>`}</div></section>`;
}
