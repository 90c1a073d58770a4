// The clip at work: the player, the operations on what is seen, and what comes of them.
import { address, get } from "../../core/api.js";
import { randomId } from "../../core/format.js";
import { useShortcuts } from "../../core/keyboard.js";
import { notify, notifyError } from "../../core/notices.js";
import { mayWrite, session } from "../../core/session.js";
import { loadDraft, storeDraft } from "../../core/storage.js";
import { t } from "../../core/strings.js";
import { html, signal, useEffect, useMemo, useRef, useSignal, useState } from "../../core/ui.js";
import { createVideos } from "../../core/videos.js";
import { Button } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { createMask } from "../../widgets/mask.js";
import { MaskSurface } from "../../widgets/mask-editor.js";
import { PathSurface } from "../../widgets/path-editor.js";
import { framesOf, Player, rateOf } from "../../widgets/player.js";
import { DropTarget } from "./drop.js";
import { moment, OPERATIONS } from "./operations.js";
import { BeforeYouClick } from "./quote.js";
import { Results } from "./results.js";

/** The models of the server, asked once. */
const models = signal(/** @type {any[]} */ ([]));

/** @param {import("../../core/videos.js").Video} video */
function operationsOf(video) {
  const model = models.value.find((entry) => entry.id === video.model);
  return {
    profiles: /** @type {string[]} */ (model?.profiles ?? []),
    operations: OPERATIONS.filter(({ name, api }) => {
      if (name === "reframe" && !video.making?.plan) return !model || model.operations.includes("storyboard");
      if (name === "finish" && video.profile !== "draft") return false;
      return !model || model.operations.includes(api ?? name);
    }),
  };
}

/** @param {{ video: import("../../core/videos.js").Video, children: any }} properties children: what is known of the clip */
export function Workbench({ video, children }) {
  const key = `clip:${video.id}`;
  const [draft, setDraft] = useState(() => loadDraft(key, {}));
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState(/** @type {string[]} */ ([]));
  const frame = useSignal(0);
  const player = useRef(/** @type {import("../../widgets/player.js").PlayerHandle | null} */ (null));
  const retry = useRef({ text: "", key: "" });
  const mask = useMemo(() => createMask(draft.mask), [video.id]);
  const painted = mask.value.value;
  useEffect(() => {
    if (!models.peek().length) get("models").then((list) => { models.value = list.data; }, () => {});
  }, []);
  useEffect(() => {
    if (painted !== draft.mask) storeDraft(key, { ...draft, mask: painted });
  }, [painted]);

  /** @param {object} change */
  const keep = (change) => {
    const next = { ...draft, mask: mask.value.peek(), ...change };
    setDraft(next);
    storeDraft(key, next);
  };
  const { profiles, operations } = operationsOf(video);
  const operation = operations.find((entry) => entry.name === draft.operation);
  const marks = draft.marks ?? null;
  /** @param {string} name */
  const choose = (name) => keep({ operation: draft.operation === name ? null : name });
  /** @param {{ file_id: string, title: string }} other */
  const take = (other) => keep({ operation: "blend", values: { ...draft.values, blend: { ...draft.values?.blend, other } } });
  const close = () => {
    keep({ operation: null });
    // The panel takes the focus with it.
    /** @type {HTMLElement | null} */ (document.querySelector('.operations [aria-expanded="true"]'))?.focus();
  };
  const write = Boolean(session.value) && mayWrite();
  useShortcuts(operation ? [{ keys: "escape", label: t("clip.closeOperation"), group: t("clip.operations"), run: close }] : []);
  useShortcuts(write ? operations.map((entry) => ({ keys: entry.keys, label: t(`op.${entry.name}`), group: t("clip.operations"), run: () => choose(entry.name) })) : []);

  const value = operation && { ...operation.initial(video), ...draft.values?.[operation.name] };
  const context = operation && {
    video, value, mask, frame, marks,
    change: (/** @type {object} */ change) => keep({ values: { ...draft.values, [operation.name]: { ...value, ...change } } }),
    setMarks: (/** @type {any} */ next) => keep({ marks: next }),
    seek: (/** @type {number} */ number) => { player.current?.toggle(false); player.current?.seek(number); },
  };
  const takes = draft.takes ?? 1;
  const missing = operation && context ? operation.missing?.(context) ?? null : null;
  const better = profiles.filter((name) => name !== video.profile);
  const profile = operation?.single && !better.includes(draft.profile) ? better[better.length - 1] : draft.profile ?? null;
  const common = { profile: profile ?? undefined, n: takes > 1 && !operation?.single ? takes : undefined };
  const body = operation && context && !missing ? { ...(operation.priced ?? operation.body)(context), ...common } : null;

  const go = async () => {
    if (!operation || !context) return;
    setBusy(true);
    try {
      const request = { ...operation.body(context), ...common };
      const text = JSON.stringify(request);
      // The same request after a lost answer is the same work.
      if (retry.current.text !== text) retry.current = { text, key: randomId() };
      const list = await createVideos(operation.path(context), request, retry.current.key);
      retry.current = { text: "", key: "" };
      setMade((before) => [...list.map((entry) => entry.id), ...before]);
      notify(t("clip.begun", { label: t(`op.${operation.name}`), count: list.length }));
    } catch (error) {
      notifyError(error);
    } finally {
      setBusy(false);
    }
  };
  const [width, height] = video.size.split("x").map(Number);
  const pause = () => player.current?.toggle(false);
  let overlay = null;
  if (operation?.name === "edit" && !value.whole) overlay = html`<${MaskSurface} mask=${mask} width=${width} height=${height} frame=${frame} onTouch=${pause} />`;
  if (operation?.name === "path" && context) overlay = html`<${PathOverlay} context=${context} onTouch=${pause} />`;
  const sounds = video.making?.sound && video.making?.plan ? address(`videos/${encodeURIComponent(video.id)}/captions`) : undefined;
  const name = operation?.name ?? "";
  return html`<div class="main">
    <${Player} video=${video} autoplay=${!matchMedia("(prefers-reduced-motion: reduce)").matches} marks=${marks} onMarks=${(/** @type {any} */ next) => keep({ marks: next })}
      onFrame=${(/** @type {number} */ number) => { frame.value = number; }} handle=${(/** @type {any} */ handle) => { player.current = handle; }} overlay=${overlay} sounds=${sounds} />
    ${write && html`<div class="sheet operations" role="toolbar" aria-label=${t("clip.operations")}>${operations.map((entry) => html`<button type="button" key=${entry.name} aria-expanded=${entry.name === name} title=${t(`op.${entry.name}.title`)} onClick=${() => choose(entry.name)}>
      <${Icon} name=${entry.icon} /><span>${t(`op.${entry.name}`)}</span></button>`)}</div>`}
    <${Results} video=${video} made=${made} />
    ${write && html`<${DropTarget} onVideo=${take} />`}
  </div>
  <div class="side">
    ${operation && context && html`<section class="sheet panel operation" key=${name} aria-label=${t(`op.${name}`)}>
      <div class="row between"><h2>${t(`op.${name}`)}</h2><${Button} kind="quiet" icon="close" label=${t("action.close")} onClick=${close} /></div>
      <p class="small">${t(`op.${name}.title`)}</p>
      <div class="stack form"><${operation.Form} ...${context} /></div>
      <${BeforeYouClick} operation=${operation.api ?? name} label=${t(`op.${name}.go`)} body=${body} missing=${missing} profiles=${operation.single ? better : profiles} profile=${profile} takes=${operation.single ? 0 : takes}
        onProfile=${(/** @type {string} */ profile) => keep({ profile })} onTakes=${(/** @type {number} */ count) => keep({ takes: count })} onGo=${go} busy=${busy} />
    </section>`}
    ${children}
  </div>`;
}

/** The path at the moment that the player shows. @param {{ context: any, onTouch: () => void }} properties */
function PathOverlay({ context, onTouch }) {
  const { video, value, change, frame } = context;
  return html`<${PathSurface} points=${value.points} length=${moment(framesOf(video) - 1, video)} seconds=${Math.round((frame.value / rateOf(video)) * 1e4) / 1e4} onChange=${(/** @type {any} */ points) => change({ points })} onTouch=${onTouch} />`;
}
