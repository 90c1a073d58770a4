// Two clips beside each other, under a wipe, or as their difference; locked in time by whole frames.
import { get } from "../core/api.js";
import { clipTitle, timecode } from "../core/format.js";
import { useShortcuts } from "../core/keyboard.js";
import { notifyError } from "../core/notices.js";
import { href, replaceRoute } from "../core/router.js";
import { load, store } from "../core/storage.js";
import { t } from "../core/strings.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { ClipPicker } from "../widgets/clip-picker.js";
import { Button, Empty, Segmented } from "../widgets/controls.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import { framesOf, rateOf } from "../widgets/player.js";
import { Pair } from "./compare/pair.js";
import { Settings } from "./compare/settings.js";

const VIEWS = ["side", "wipe", "difference"];

/** @param {{ query: URLSearchParams }} properties */
export default function Page({ query }) {
  const ids = (query.get("ids") ?? "").split(",").filter(Boolean).slice(0, 2);
  const [clips, setClips] = useState(/** @type {Record<string, any>} */ ({}));
  const [picking, setPicking] = useState(-1);
  useEffect(() => {
    for (const id of ids) if (!clips[id]) get(`library/${encodeURIComponent(id)}`).then((entry) => setClips((before) => ({ ...before, [id]: entry })), notifyError);
  }, [ids.join()]);
  /** @param {string[]} next */
  const show = (next) => replaceRoute("compare", "", { ids: next.join(",") });
  const [one, two] = ids.map((id) => clips[id]);
  const both = one && two;
  const others = /** @type {any[]} */ (ids.map((id) => clips[id]).filter(Boolean));
  return html`<${PageHead} title=${t("compare.title")}>
      ${ids.length === 2 && html`<${Button} kind="quiet" icon="loop" onClick=${() => show([ids[1], ids[0]])}>${t("compare.swap")}<//>`}
    <//>
    <div class="compare">
      ${both && html`<${Comparison} key=${ids.join()} one=${one} two=${two} onPick=${setPicking} />`}
      ${!both && ids.length < 2 && html`<div class="sheet panel"><${Empty} icon="compare" title=${t(others.length ? "compare.pick" : "compare.choose")}>
        ${others.length > 0 && html`<p>${clipTitle(others[0])}</p>`}
        <div class="row"><${Button} kind="primary" onClick=${() => setPicking(ids.length)}>${t(ids.length ? "compare.pick" : "compare.other")}<//></div><//></div>`}
      ${!both && ids.length === 2 && html`<p class="loading" aria-busy="true">${t("app.loading")}</p>`}
    </div>
    ${picking >= 0 && html`<${ClipPicker} title=${t("compare.pick")} except=${ids} onClose=${() => setPicking(-1)} onPick=${(/** @type {any} */ clip) => { const next = [...ids]; next[Math.min(picking, next.length)] = clip.id; show(next); }} />`}`;
}

/** @param {{ one: any, two: any, onPick: (side: number) => void }} properties */
function Comparison({ one, two, onPick }) {
  const [view, setView] = useState(/** @type {string} */ (load("compare.view", "side")));
  const [wipe, setWipe] = useState(50);
  const [frame, setFrame] = useState(0);
  const [playing, setPlaying] = useState(false);
  const pair = useRef(/** @type {Pair | null} */ (null));
  const elements = useRef(/** @type {(HTMLVideoElement | null)[]} */ ([null, null]));
  useEffect(() => {
    const [first, second] = elements.current;
    if (!first || !second) return undefined;
    const made = new Pair([first, second], [one, two], setFrame, setPlaying);
    pair.current = made;
    return () => made.close();
  }, []);
  useEffect(() => { store("compare.view", view); }, [view]);
  const fps = rateOf(one);
  const frames = Math.max(framesOf(one), Math.ceil((framesOf(two) / rateOf(two)) * fps - 1e-6));
  const step = (/** @type {number} */ by) => pair.current?.seek(Math.max(0, Math.min(frames - 1, frame + by)));
  const move = (/** @type {number} */ by) => setWipe((before) => Math.max(0, Math.min(100, before + by)));
  const group = t("compare.title");
  useShortcuts([
    { keys: "space", label: t("player.play"), group, run: () => pair.current?.toggle() },
    { keys: "ArrowLeft", label: t("player.previous"), group, run: () => step(-1) },
    { keys: "ArrowRight", label: t("player.next"), group, run: () => step(1) },
    { keys: "shift+ArrowLeft", label: t("player.secondBack"), group, run: () => step(-Math.round(fps)) },
    { keys: "shift+ArrowRight", label: t("player.secondForward"), group, run: () => step(Math.round(fps)) },
    ...VIEWS.map((name, index) => ({ keys: String(index + 1), label: t(`compare.view.${name}`), group, run: () => setView(name) })),
    { keys: "[", label: t("compare.wipeBack"), group, run: () => move(-5) },
    { keys: "]", label: t("compare.wipeForward"), group, run: () => move(5) },
  ]);
  const ratio = one.size.split("x").map(Number);
  return html`<div class="compare-head row between wrap">
      <${Segmented} label=${t("compare.view")} value=${view} onChange=${setView} options=${VIEWS.map((value) => ({ value, label: t(`compare.view.${value}`) }))} />
      <div class="compare-names">${[one, two].map((clip, side) => html`<span key=${side} class="row"><i class=${side ? "second" : "first"} aria-hidden="true">${side ? "B" : "A"}</i><a href=${href("clip", clip.id)} class="clip-title">${clipTitle(clip)}</a>
        <${Button} kind="quiet" icon="edit" label=${`${t(side ? "compare.second" : "compare.first")}: ${t("compare.other")}`} onClick=${() => onPick(side)} /></span>`)}</div></div>
    <div class=${`compare-stage view-${view}`} style=${{ "--wipe": `${wipe}%`, "--ratio": `${ratio[0] / ratio[1]}` }}>
      ${[one, two].map((clip, side) => html`<figure key=${side} class=${side ? "second" : "first"}><video ref=${(/** @type {HTMLVideoElement | null} */ element) => { elements.current[side] = element; }} muted playsinline preload="auto" aria-label=${t("clip.video", { title: clipTitle(clip) })} onClick=${() => view !== "wipe" && pair.current?.toggle()}></video>
        <figcaption aria-hidden="true">${side ? "B" : "A"}</figcaption></figure>`)}
      ${view === "wipe" && html`<span class="wipe-line" aria-hidden="true"><${Icon} name="compare" /></span><input type="range" class="wipe-handle" min="0" max="100" step="1" value=${wipe} aria-label=${t("compare.wipe")} aria-valuetext=${t("compare.wipeAt", { percent: wipe })}
        onInput=${(/** @type {any} */ event) => setWipe(Number(event.currentTarget.value))} />`}
    </div>
    <div class="sheet compare-bar row">
      <${Button} kind="quiet" icon=${playing ? "pause" : "play"} label=${t(playing ? "player.pause" : "player.play")} onClick=${() => pair.current?.toggle()} />
      <${Button} kind="quiet" icon="back" label=${t("player.previous")} onClick=${() => step(-1)} />
      <${Button} kind="quiet" icon="forward" label=${t("player.next")} onClick=${() => step(1)} />
      <input type="range" class="grow" min="0" max=${frames - 1} step="1" value=${frame} style=${{ "--share": String(frame / Math.max(1, frames - 1)) }} aria-label=${t("player.seek")} aria-valuetext=${`${timecode(frame / fps)}, ${t("player.frame", { frame: frame + 1, frames })}`}
        onInput=${(/** @type {any} */ event) => pair.current?.seek(Number(event.currentTarget.value))} />
      <span class="position"><b>${timecode(frame / fps)}</b> · ${t("player.frame", { frame: frame + 1, frames })}</span>
    </div>
    <${Settings} one=${one} two=${two} />`;
}
