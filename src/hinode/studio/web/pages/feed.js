// The feed of the project: clips that its members published. It is off until an owner turns it on.
import { get, post } from "../core/api.js";
import { openPublish } from "../core/dialogs.js";
import { notifyError } from "../core/notices.js";
import { isOwner, mayPublish, session } from "../core/session.js";
import { t } from "../core/strings.js";
import { html, useEffect, useState } from "../core/ui.js";
import { ClipPicker } from "../widgets/clip-picker.js";
import { Button, Empty } from "../widgets/controls.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import { Elsewhere } from "./feed/dialogs.js";
import { PostCard, PostPage } from "./feed/post.js";
import { followFeed, hasMore, posts, readPosts } from "./feed/state.js";

/** @param {{ id: string }} properties */
export default function FeedPage({ id }) {
  if (!session.value?.project?.feed_enabled) return html`<${Off} />`;
  return id ? html`<${PostPage} key=${id} id=${id} />` : html`<${Posts} />`;
}

function Off() {
  const turnOn = async () => {
    try {
      await post("project", { feed_enabled: true });
      session.value = await get("session");
    } catch (error) {
      notifyError(error);
    }
  };
  return html`<${PageHead} title=${t("nav.feed")} /><div class="sheet"><${Empty} icon="feed" title=${t("feed.off")}><p>${t("settings.feedAbout")}</p>
    ${isOwner() ? html`<${Button} kind="primary" onClick=${turnOn}>${t("feed.turnOn")}<//>` : html`<p>${t("feed.askOwner")}</p>`}<//></div>`;
}

function Posts() {
  const [open, setOpen] = useState(/** @type {"" | "pick" | "elsewhere"} */ (""));
  useEffect(followFeed, []);
  const list = posts.value;
  const close = () => setOpen("");
  const publish = mayPublish() && html`<${Button} icon="plus" onClick=${() => setOpen("pick")}>${t("feed.publish")}<//>`;
  return html`<${PageHead} title=${t("nav.feed")}>${list && list.length > 0 && publish}<${Button} kind="quiet" icon="feed" onClick=${() => setOpen("elsewhere")}>${t("feed.follow")}<//><//>
    ${!list && html`<p class="loading" aria-busy="true">${t("app.loading")}</p>`}
    ${list?.length === 0 && html`<div class="sheet"><${Empty} icon="feed" title=${t("feed.empty")}><p>${t("feed.emptyText")}</p>${publish}<//></div>`}
    <ul class="posts">${list?.map((entry) => html`<${PostCard} key=${entry.id} post=${entry} />`)}</ul>
    ${list && hasMore.value && html`<p class="row feed-more"><${Button} onClick=${() => readPosts(list.at(-1)?.id).catch(notifyError)}><${Icon} name="lower" />${t("feed.older")}<//></p>`}
    ${open === "pick" && html`<${ClipPicker} title=${t("feed.choose")} except=${list?.map((entry) => entry.video_id) ?? []} onClose=${close} onPick=${(/** @type {any} */ video) => { close(); openPublish(video, () => readPosts().catch(notifyError)); }} />`}
    ${open === "elsewhere" && html`<${Elsewhere} onClose=${close} />`}`;
}
