// A post: as a card of the feed, and on a page of its own.
import { ApiError, get } from "../../core/api.js";
import { ago } from "../../core/format.js";
import { notifyError } from "../../core/notices.js";
import { href, navigate } from "../../core/router.js";
import { isOwner, mayWrite } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { ClipFrame } from "../../widgets/card.js";
import { Button, Empty } from "../../widgets/controls.js";
import { PageHead } from "../../widgets/frame.js";
import { Icon } from "../../widgets/icons.js";
import { Menu } from "../../widgets/menu.js";
import { Player } from "../../widgets/player.js";
import { named } from "../queue/rows.js";
import { PostDialog } from "./dialogs.js";
import { followFeed, posts, toggleLike } from "./state.js";

/** @typedef {import("./state.js").Post} Post */
/** @typedef {(what: import("./dialogs.js").Question) => void} Ask */

/** @param {{ post: Post, onLike?: (post: Post) => void }} properties */
function Like({ post, onLike }) {
  return html`<${Button} kind="quiet like" icon="heart" filled=${post.liked} pressed=${post.liked} aria-label=${`${t("feed.like")}: ${post.title}, ${t("feed.likes", { count: post.likes })}`} onClick=${() => toggleLike(post).then(onLike)}><span>${post.likes}</span><//>`;
}

/** @param {{ post: Post, ask: Ask }} properties */
function Reported({ post, ask }) {
  if (!isOwner() || post.reports === 0) return null;
  return html`<button type="button" class="chip bad reported" onClick=${() => ask("reports")}><${Icon} name="flag" />${t("feed.reports", { count: post.reports })}</button>`;
}

/** @param {Post} post @param {Ask} ask */
const menu = (post, ask) => [
  ...(post.video ? [{ label: t("feed.openClip"), icon: "clip", run: () => navigate("clip", post.video_id) }] : []),
  { label: t("feed.report"), icon: "flag", run: () => ask("report") },
  ...(mayWrite() ? [{ label: t("feed.unpublish"), icon: "trash", danger: true, run: () => ask("unpublish") }] : []),
];

/** @param {{ post: Post }} properties */
export function PostCard({ post }) {
  const [asked, setAsked] = useState(/** @type {import("./dialogs.js").Question | null} */ (null));
  const [credit] = post.credits;
  return html`<li class="post">
    ${post.video ? html`<a class="post-picture" href=${href("feed", post.id)} tabindex="-1" aria-hidden="true"><${ClipFrame} video=${post.video} /></a>` : html`<span class="post-picture gone"><${Icon} name="clip" />${t("feed.gone")}</span>`}
    <div class="post-text"><a dir="auto" class="clip-title" href=${href("feed", post.id)}>${post.title}</a>
      <small>${post.author} · ${ago(post.created_at)}</small>
      ${credit && html`<small class="post-credit"><${Icon} name="remix" /><span>${t("feed.after", { operation: named("operation", credit.operation), title: credit.title, author: credit.author })}</span></small>`}</div>
    <div class="row post-actions"><${Like} post=${post} />
      ${post.video && mayWrite() && html`<${Button} kind="quiet" icon="remix" aria-label=${`${t("feed.remix")}: ${post.title}`} onClick=${() => setAsked("remix")}>${t("feed.remix")}<//>`}
      <${Reported} post=${post} ask=${setAsked} />
      <span class="at-end"><${Menu} kind="quiet" icon="more" label=${t("feed.more", { title: post.title })} items=${menu(post, setAsked)} /></span></div>
    ${asked && html`<${PostDialog} what=${asked} post=${post} onClose=${() => setAsked(null)} />`}
  </li>`;
}

/** @param {{ id: string }} properties */
export function PostPage({ id }) {
  const [own, setOwn] = useState(/** @type {Post | null} */ (null));
  const [missing, setMissing] = useState(false);
  const [asked, setAsked] = useState(/** @type {import("./dialogs.js").Question | null} */ (null));
  useEffect(() => {
    get(`feed/${encodeURIComponent(id)}`).then(setOwn, (error) => (error instanceof ApiError && error.status === 404 ? setMissing(true) : notifyError(error)));
    return followFeed();
  }, [id]);
  const post = posts.value?.find((entry) => entry.id === id) ?? own;
  if (missing) return html`<${PageHead} title=${t("nav.feed")} /><div class="sheet"><${Empty} icon="feed" title=${t("feed.missing")}><a class="button" href=${href("feed")}>${t("feed.all")}</a><//></div>`;
  if (!post) return html`<${PageHead} title=${t("nav.feed")} /><p class="loading" aria-busy="true">${t("app.loading")}</p>`;
  return html`<${PageHead} title=${post.title}><a class="button quiet" href=${href("feed")}><${Icon} name="feed" />${t("feed.all")}</a><//>
    <div class="post-page"><div>${post.video ? html`<${Player} key=${post.video_id} video=${post.video} />` : html`<div class="sheet"><${Empty} icon="clip" title=${t("feed.gone")} /></div>`}</div>
      <aside class="sheet panel stack" aria-label=${t("feed.about")}>
        <p class="post-author"><span class="entry-initial" aria-hidden="true">${(post.author[0] ?? "?").toUpperCase()}</span><span><b dir="auto">${post.author}</b><small>${ago(post.created_at)}</small></span></p>
        ${post.caption ? html`<p dir="auto" class="post-caption">${post.caption}</p>` : html`<p dir="auto" class="post-caption">${post.video?.prompt}</p>`}
        <div class="row wrap"><${Like} post=${post} onLike=${setOwn} />${post.video && mayWrite() && html`<${Button} icon="remix" onClick=${() => setAsked("remix")}>${t("feed.remix")}<//>`}
          <${Menu} kind="quiet" icon="more" label=${t("feed.more", { title: post.title })} items=${menu(post, setAsked)} /><${Reported} post=${post} ask=${setAsked} /></div>
        ${post.credits.length > 0 && html`<${Credits} post=${post} />`}
      </aside></div>
    ${asked && html`<${PostDialog} what=${asked} post=${post} onClose=${() => setAsked(null)} onGone=${() => navigate("feed")} />`}`;
}

/** The posts that it came from, from the first one on. @param {{ post: Post }} properties */
function Credits({ post }) {
  const chain = [...post.credits].reverse();
  return html`<section class="stack"><h2>${t("feed.credits")}</h2><ol class="credits">
    ${chain.map((credit, index) => html`<li key=${credit.post_id}><a href=${href("feed", credit.post_id)}><b>${credit.title}</b></a><small>${credit.author}</small><span class="credit-step"><${Icon} name="remix" />${named("operation", chain[index].operation)}</span></li>`)}
    <li class="this"><b>${post.title}</b><small>${post.author} · ${t("feed.thisPost")}</small></li></ol></section>`;
}
