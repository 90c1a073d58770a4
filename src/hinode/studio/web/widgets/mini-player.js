// A clip that plays in a small place, without sound.
import { mediaAddress } from "../core/api.js";
import { clipTitle } from "../core/format.js";
import { t } from "../core/strings.js";
import { html, useEffect, useRef } from "../core/ui.js";

/** @param {{ video: import("../core/videos.js").Video }} properties */
export function MiniPlayer({ video }) {
  const element = useRef(/** @type {HTMLVideoElement | null} */ (null));
  const [width, height] = video.size.split("x").map(Number);
  useEffect(() => {
    const player = element.current;
    player?.focus({ preventScroll: true });
    return () => {
      // A player that is left holds a connection until it has no source.
      player?.pause();
      player?.removeAttribute("src");
      player?.load();
    };
  }, [video.id]);
  return html`<video ref=${element} class="mini-player" key=${video.id} src=${mediaAddress(video.id)} style=${{ aspectRatio: `${width} / ${height}` }} controls muted loop autoplay playsinline tabindex="0" aria-label=${t("clip.video", { title: clipTitle(video) })}></video>`;
}
