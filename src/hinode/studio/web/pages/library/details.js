// The chosen clip beside the grid: seen, named, worked on, and where it came from.
import { collections, downloadEntries } from "../../core/library.js";
import { openPublish } from "../../core/dialogs.js";
import { ago, bytes, clipTitle, clock, modelName } from "../../core/format.js";
import { href, navigate } from "../../core/router.js";
import { mayPublish, mayWrite } from "../../core/session.js";
import { loadDraft, storeDraft } from "../../core/storage.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { remember, videos } from "../../core/videos.js";
import { ClipFrame } from "../../widgets/card.js";
import { Button } from "../../widgets/controls.js";
import { Icon } from "../../widgets/icons.js";
import { Lineage } from "../../widgets/lineage.js";
import { Menu } from "../../widgets/menu.js";
import { MiniPlayer } from "../../widgets/mini-player.js";
import { Notes, Tags, Title } from "../clip/details.js";

const ACTIONS = /** @type {[string, string][]} */ ([["extend", "extend"], ["remix", "remix"], ["edit", "edit"], ["loop", "loop"]]);

/** Open a clip with one of its operations chosen. @param {string} id @param {string} operation */
export function openWith(id, operation) {
  storeDraft(`clip:${id}`, { ...loadDraft(`clip:${id}`, {}), operation });
  navigate("clip", id);
}

/**
 * @param {{ entry: import("../../core/library.js").Entry, onStar: () => void, onDelete: () => void, onCollection: (id: string, inside: boolean) => void }} properties
 */
export function Details({ entry, onStar, onDelete, onCollection }) {
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    remember(entry);
    setPlaying(false);
  }, [entry.id, entry.revision]);
  const known = /** @type {any} */ (videos.value.get(entry.id));
  const video = known?.revision >= entry.revision ? { ...entry, ...known } : entry;
  const done = video.status === "completed" && !video.expired;
  const write = mayWrite();
  return html`<div class="details">
    <div class="details-picture">${playing && done ? html`<${MiniPlayer} video=${video} />` : html`<${ClipFrame} video=${video} />
      ${done && html`<${Button} kind="glass" icon="play" label=${t("player.play")} onClick=${() => setPlaying(true)} />`}`}</div>
    <div class="details-head"><div class="row between"><div class="grow"><${Title} key=${video.id} video=${video} fallback=${clipTitle({ ...video, title: null })} /></div>
      ${write && html`<${Button} kind="quiet star" icon="star" filled=${video.favourite} pressed=${video.favourite} label=${t(video.favourite ? "library.unstar" : "library.star")} onClick=${onStar} />`}
      <${Menu} kind="quiet" icon="more" label=${t("action.more")} items=${[
        ...(done ? [{ label: t("library.download"), icon: "down", run: () => downloadEntries([video.id]) }] : []),
        ...(done && mayPublish() && !video.published ? [{ label: t("feed.publishThis"), icon: "feed", run: () => openPublish(video) }] : []),
        ...(write ? [...collections.value.map(({ id, name }) => ({ label: name, checked: video.collections.includes(id), run: () => onCollection(id, !video.collections.includes(id)) })),
          { label: t("action.delete"), icon: "trash", danger: true, run: onDelete }] : []),
      ]} /></div>
      ${video.prompt && html`<p class="details-prompt">${video.prompt}</p>`}
      <small>${[modelName(video), video.profile && t(`profile.${video.profile}`), video.size.replace("x", " × "), clock(Number(video.seconds)), bytes(video.bytes), ago(video.created_at)].filter(Boolean).join(" · ")}</small></div>
    <div class="row wrap details-actions">
      <a class="button open" href=${href("clip", video.id)}><${Icon} name="clip" />${t("library.open")}</a>
      ${write && done && ACTIONS.map(([name, icon]) => html`<${Button} key=${name} icon=${icon} onClick=${() => openWith(video.id, name)}>${t(`library.action.${name}`)}<//>`)}
      ${done && html`<a class="button" href=${href("compare", "", { ids: video.id })}><${Icon} name="compare" />${t("library.compare")}</a>`}
      ${write && html`<a class="button" href=${href("create", "", { from: video.id })}><${Icon} name="create" />${t("library.use")}</a>`}
    </div>
    <div class="said"><${Tags} key=${`tags ${video.id}`} video=${video} /><${Notes} key=${`notes ${video.id}`} video=${video} /></div>
    <${Lineage} id=${video.id} />
  </div>`;
}
