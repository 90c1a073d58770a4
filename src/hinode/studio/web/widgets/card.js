// A clip as a picture: still, moving under the pointer, with its state.
import { mediaAddress } from "../core/api.js";
import { clipTitle, clock } from "../core/format.js";
import { t } from "../core/strings.js";
import { classes, html, useState } from "../core/ui.js";

/**
 * The picture of a clip. Under the pointer it shows the moment at the pointer's place, from the spritesheet of 16
 * frames in a row.
 * @param {{ video: import("../core/videos.js").Video, badge?: string, scrub?: boolean, lazy?: boolean }} properties
 */
export function ClipPicture({ video, badge, scrub = true, lazy = true }) {
  const [at, setAt] = useState(-1);
  const done = video.status === "completed";
  const [width, height] = video.size.split("x").map(Number);
  const still = done ? mediaAddress(video.id, "thumbnail") : video.preview_url;
  /** @param {PointerEvent} event */
  const move = (event) => {
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    setAt(Math.min(0.999, Math.max(0, (event.clientX - box.left) / box.width)));
  };
  return html`<div class=${classes("picture", video.status)} style=${{ aspectRatio: `${width} / ${height}` }}
    onPointerMove=${done && scrub ? move : undefined} onPointerLeave=${() => setAt(-1)}>
    ${still ? html`<img src=${still} alt="" loading=${lazy ? "lazy" : "eager"} decoding="async" draggable=${false} />` : html`<span class="blank"></span>`}
    ${at >= 0 && html`<${Sprite} video=${video} at=${at} />`}
    ${badge && html`<span class="tag">${badge}</span>`}
    <span class="length">${done ? clock(Number(video.seconds)) : t(`status.${video.status}`)}</span>
    ${video.status === "in_progress" && html`<span class="bar"><i style=${{ width: `${video.progress}%` }}></i></span>`}
  </div>`;
}

/**
 * The picture of a clip in a place of 16:9, for clips of several shapes in one row.
 * @param {{ video: import("../core/videos.js").Video, badge?: string, lazy?: boolean }} properties
 */
export function ClipFrame({ video, badge, lazy }) {
  const [width, height] = video.size.split("x").map(Number);
  return html`<span class=${classes("frame", width / height < 1.45 && "tall")}><${ClipPicture} video=${video} badge=${badge} lazy=${lazy} /></span>`;
}

/** Frames in a spritesheet, in columns and rows; see the API. */
export const SPRITES = { columns: 4, rows: 4 };

/** One frame of the spritesheet. @param {{ video: import("../core/videos.js").Video, at: number }} properties */
export function Sprite({ video, at }) {
  const { columns, rows } = SPRITES;
  const index = Math.floor(at * columns * rows);
  const x = columns > 1 ? ((index % columns) / (columns - 1)) * 100 : 0;
  const y = rows > 1 ? (Math.floor(index / columns) / (rows - 1)) * 100 : 0;
  return html`<span class="sprite" style=${{ backgroundImage: `url("${mediaAddress(video.id, "spritesheet")}")`, backgroundSize: `${columns * 100}% ${rows * 100}%`, backgroundPosition: `${x}% ${y}%` }}></span>`;
}

/** The words under a clip. @param {{ video: import("../core/videos.js").Video, note?: string }} properties */
export function ClipWords({ video, note }) {
  return html`<b class="clip-title">${clipTitle(video)}</b><small>${note}</small>`;
}
