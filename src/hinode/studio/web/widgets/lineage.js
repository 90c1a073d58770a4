// Where a clip came from and what became of it: a short form for a panel, and the whole as a graph.
import { get, mediaAddress } from "../core/api.js";
import { listen } from "../core/events.js";
import { clipTitle, clock } from "../core/format.js";
import { href } from "../core/router.js";
import { t } from "../core/strings.js";
import { classes, html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "./controls.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";

/**
 * @typedef {{ id: string, title: string | null, prompt: string, operation: string, status: string, seconds: number, created_at: number, profile: string | null, seed: number, expired: boolean }} Node
 * @typedef {{ parent: string, child: string, operation: string, removed: string[], added: string[] }} Edge
 * @typedef {{ id: string, nodes: Node[], edges: Edge[], truncated?: boolean }} LineageFacts
 */

/** The lineage of a clip, kept up to date; null while it is read. @param {string} id */
export function useLineage(id) {
  const [facts, setFacts] = useState(/** @type {LineageFacts | null} */ (null));
  useEffect(() => {
    const controller = new AbortController();
    const load = () => get(`library/${encodeURIComponent(id)}/lineage`, { signal: controller.signal }).then(setFacts, () => {});
    load();
    const end = listen((type, data) => {
      if (["video.completed", "video.queued"].includes(type) ? data.source_video_id : ["resync", "library.changed"].includes(type)) load();
    });
    return () => {
      controller.abort();
      end();
    };
  }, [id]);
  return facts?.id === id ? facts : null;
}

/** The section of a clip: the short form, and the whole in a dialog. @param {{ id: string }} properties */
export function Lineage({ id }) {
  const facts = useLineage(id);
  const [all, setAll] = useState(false);
  if (!facts || !facts.edges.length) return null;
  return html`<section class="stack" aria-label=${t("lineage.title")}><div class="row between"><h3>${t("lineage.title")}</h3>
      <${Button} kind="quiet small-button" icon="tree" label=${t("lineage.whole")} onClick=${() => setAll(true)} /></div>
    <${LineageCompact} facts=${facts} onAll=${() => setAll(true)} />
    ${all && html`<${Dialog} title=${t("lineage.title")} kind="large" onClose=${() => setAll(false)}><${LineageFull} facts=${facts} /><//>`}</section>`;
}

/** The operation of an edge and its change of words. @param {{ edge: Edge }} properties */
export function EdgeWords({ edge }) {
  const { removed, added } = edge;
  const pairs = removed.length === added.length && removed.length <= 4;
  // The words of an extension or a blend are those of another part, not a change of words.
  const changed = removed.length + added.length > 0 && !["extend", "loop", "blend", "recut", "storyboard"].includes(edge.operation);
  const all = changed ? [...removed.map((word) => `− ${word}`), ...added.map((word) => `+ ${word}`)].join(" ") : undefined;
  return html`<span class="edge-words" title=${all}><b>${t(`operation.${edge.operation}`)}</b>${changed && ": "}${!changed ? "" : pairs
    ? removed.map((word, index) => html`${index > 0 && ", "}<del>${word}</del> → <ins>${added[index]}</ins>`)
    : html`${removed.length > 0 && html`<del>${short(removed)}</del> `}${added.length > 0 && html`<ins>+ ${short(added)}</ins>`}`}</span>`;
}

/** @param {string[]} words */
const short = (words) => (words.length > 6 ? `${words.slice(0, 6).join(" ")} …` : words.join(" "));

/** @param {{ node: Node, current: boolean, note?: string, [name: string]: any }} properties */
function NodeLink({ node, current, note, ...rest }) {
  const picture = node.status === "completed" || node.expired;
  return html`<a class=${classes("lineage-node", current && "current", node.expired && "expired")} href=${href("clip", node.id)} aria-current=${current ? "true" : undefined} ...${rest}>
    ${picture ? html`<img src=${mediaAddress(node.id, "thumbnail")} alt="" loading="lazy" draggable=${false} />` : html`<span class="blank"><${Icon} name="clip" /></span>`}
    <span class="words"><b>${clipTitle(node)}</b><small>${note ?? facts(node, current)}</small></span></a>`;
}

/** @param {Node} node @param {boolean} current */
function facts(node, current) {
  if (node.expired) return t("status.expired");
  if (node.status !== "completed") return t(`status.${node.status}`);
  return [current ? t("lineage.this") : node.profile && t(`profile.${node.profile}`), clock(node.seconds)].filter(Boolean).join(" · ");
}

const MAX_CHILDREN = 4;

/**
 * The short form: all that came before, the clip, and what was made from it directly.
 * @param {{ facts: LineageFacts, onAll?: () => void }} properties
 */
export function LineageCompact({ facts: all, onAll }) {
  const nodes = new Map(all.nodes.map((node) => [node.id, node]));
  const me = nodes.get(all.id);
  if (!me) return null;
  /** @type {{ nodes: Node[], edge: Edge | null }[]} from the oldest on */
  const chain = [];
  const seen = new Set([all.id]);
  for (let at = me; ;) {
    const before = all.edges.filter((edge) => edge.child === at.id && nodes.has(edge.parent) && !seen.has(edge.parent));
    if (!before.length || chain.length > 50) break;
    const parents = before.map((edge) => /** @type {Node} */ (nodes.get(edge.parent)));
    parents.forEach((node) => seen.add(node.id));
    chain.unshift({ nodes: parents, edge: before[0] });
    at = parents[0];
  }
  const after = all.edges.filter((edge) => edge.parent === all.id && nodes.has(edge.child));
  const shownChain = chain.slice(-3);
  const shown = after.slice(0, MAX_CHILDREN);
  const hidden = all.nodes.length - 1 - shown.length - shownChain.reduce((sum, part) => sum + part.nodes.length, 0);
  return html`<div class="lineage compact"><ol aria-label=${t("lineage.title")}>
    ${shownChain.map((part) => html`<li key=${part.nodes[0].id}><div class="lineage-pair">${part.nodes.map((node) => html`<${NodeLink} key=${node.id} node=${node} current=${false} />`)}</div>
      ${part.edge && html`<div class="lineage-edge"><${EdgeWords} edge=${part.edge} /></div>`}</li>`)}
    <li><${NodeLink} node=${me} current=${true} />
      ${shown.length > 0 && html`<ul class="lineage-children">${shown.map((edge) => html`<li key=${edge.child}><div class="lineage-edge"><${EdgeWords} edge=${edge} /></div><${NodeLink} node=${nodes.get(edge.child)} current=${false} /></li>`)}</ul>`}</li>
  </ol>${onAll && hidden > 0 && html`<button type="button" class="button quiet" onClick=${onAll}><${Icon} name="tree" />${t("lineage.more", { count: hidden })}</button>`}</div>`;
}

const CELL = { width: 236, height: 76, middle: 48 };

/**
 * Places of the nodes: a column for each generation, parents before their children.
 * @param {LineageFacts} all
 */
export function layout(all) {
  /** @type {Map<string, number>} */
  const depth = new Map(all.nodes.map((node) => [node.id, 0]));
  for (let round = 0, moved = true; moved && round < all.nodes.length; round += 1) {
    moved = false;
    for (const { parent, child } of all.edges) {
      const least = (depth.get(parent) ?? 0) + 1;
      if (depth.has(parent) && depth.has(child) && (depth.get(child) ?? 0) < least) {
        depth.set(child, least);
        moved = true;
      }
    }
  }
  /** @type {Map<string, { x: number, y: number }>} */
  const places = new Map();
  const used = /** @type {number[]} */ ([]);
  /** @param {string} id @param {number} least @returns {number} */
  const put = (id, least) => {
    const x = depth.get(id) ?? 0;
    const known = places.get(id);
    if (known) return known.y;
    const y = Math.max(least, used[x] ?? 0);
    places.set(id, { x, y });
    used[x] = y + 1;
    let next = y;
    for (const edge of all.edges.filter((one) => one.parent === id && !places.has(one.child))) {
      put(edge.child, next);
      next += 1;
    }
    return y;
  };
  for (const node of all.nodes) if (!all.edges.some((edge) => edge.child === node.id && depth.has(edge.parent))) put(node.id, 0);
  return { places, columns: Math.max(0, ...depth.values()) + 1, rows: Math.max(0, ...used.filter(Boolean)) };
}

/**
 * The whole lineage, generations in columns; arrow keys go along its edges.
 * @param {{ facts: LineageFacts }} properties
 */
export function LineageFull({ facts: all }) {
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  const { places, columns, rows } = layout(all);
  const [stop, setStop] = useState(all.id);
  useEffect(() => root.current?.querySelector(".current")?.scrollIntoView({ block: "nearest", inline: "center" }), [all]);
  const x = (/** @type {number} */ column) => column * (CELL.width + CELL.middle);
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    const rtl = document.dir === "rtl";
    const key = rtl ? { ArrowLeft: "ArrowRight", ArrowRight: "ArrowLeft" }[event.key] ?? event.key : event.key;
    const here = places.get(stop);
    let next;
    if (key === "ArrowLeft") next = all.edges.find((edge) => edge.child === stop)?.parent;
    else if (key === "ArrowRight") next = all.edges.find((edge) => edge.parent === stop)?.child;
    else if (["ArrowUp", "ArrowDown"].includes(key)) {
      const way = key === "ArrowUp" ? -1 : 1;
      next = [...places].filter(([, place]) => place.x === here?.x && (place.y - here.y) * way > 0).sort((one, two) => (one[1].y - two[1].y) * way)[0]?.[0];
    } else return;
    event.preventDefault();
    if (!next) return;
    setStop(next);
    /** @type {HTMLElement | null} */ (root.current?.querySelector(`[data-id="${next}"]`))?.focus();
  };
  return html`<div class="lineage full" ref=${root} onKeyDown=${move} role="group" aria-label=${t("lineage.title")}>
    <div class="lineage-plane" style=${{ width: `${x(columns) - CELL.middle}px`, height: `${rows * CELL.height + 22}px` }}>
      <svg class="lineage-lines" width="100%" height="100%" aria-hidden="true">${all.edges.map((edge) => {
        const [from, to] = [places.get(edge.parent), places.get(edge.child)];
        if (!from || !to) return null;
        const [x1, y1, x2, y2] = [x(from.x) + CELL.width, from.y * CELL.height + 48, x(to.x), to.y * CELL.height + 48];
        return html`<path key=${`${edge.parent} ${edge.child}`} d=${`M${x1} ${y1}C${x1 + 26} ${y1} ${x2 - 26} ${y2} ${x2} ${y2}`} />`;
      })}</svg>
      ${all.nodes.map((node) => {
        const place = places.get(node.id);
        const edges = all.edges.filter((edge) => edge.child === node.id && places.has(edge.parent));
        return place && html`<div key=${node.id} class="lineage-place" style=${{ insetInlineStart: `${x(place.x)}px`, insetBlockStart: `${place.y * CELL.height}px`, width: `${CELL.width}px` }}>
          <div class="lineage-edge">${edges[0] && html`<${EdgeWords} edge=${edges[0]} />`}</div>
          <${NodeLink} node=${node} current=${node.id === all.id} data-id=${node.id} tabindex=${node.id === stop ? 0 : -1} onFocus=${() => setStop(node.id)} /></div>`;
      })}
    </div>${all.truncated && html`<p class="small">${t("lineage.truncated", { count: all.nodes.length })}</p>`}</div>`;
}
