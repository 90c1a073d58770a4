// A clip: seen frame by frame, worked on, and known.
import { address, get, post } from "../core/api.js";
import { listen } from "../core/events.js";
import { openPublish } from "../core/dialogs.js";
import { clipTitle } from "../core/format.js";
import { useShortcuts } from "../core/keyboard.js";
import { notify, notifyError } from "../core/notices.js";
import { href, navigate } from "../core/router.js";
import { mayPublish, mayWrite } from "../core/session.js";
import { t } from "../core/strings.js";
import { html, useEffect, useState } from "../core/ui.js";
import { remember, videos } from "../core/videos.js";
import { Button } from "../widgets/controls.js";
import { PageHead } from "../widgets/frame.js";
import { Icon } from "../widgets/icons.js";
import { Lineage } from "../widgets/lineage.js";
import { Menu } from "../widgets/menu.js";
import { changeEntry, Notes, Tags, Title } from "./clip/details.js";
import { Facts, Prompt, Understanding } from "./clip/facts.js";
import { Provenance } from "./clip/provenance.js";
import { Missing, WithoutFile } from "./clip/states.js";
import { Workbench } from "./clip/workbench.js";

const FORMATS = ["mp4", "gif", "webp", "png"];

/** The ids of the clips that are newer and older in the library. @param {string} id @param {boolean} ready */
function useNeighbours(id, ready) {
  const [neighbours, setNeighbours] = useState({ newer: "", older: "" });
  useEffect(() => {
    if (!ready) return;
    const find = (/** @type {string} */ order) => get("library", { query: { after: id, limit: 1, order } }).then((page) => page.data[0]?.id ?? "", () => "");
    Promise.all([find("oldest"), find("newest")]).then(([newer, older]) => setNeighbours({ newer, older }));
  }, [id, ready]);
  return neighbours;
}

/** @param {{ id: string, query: URLSearchParams }} properties */
export default function Page({ id }) {
  const [missing, setMissing] = useState(!id);
  const video = /** @type {any} */ (videos.value.get(id));
  const load = () => get(`library/${encodeURIComponent(id)}`).then(remember, (error) => (error.status === 404 ? setMissing(true) : notifyError(error)));
  useEffect(() => {
    // Another clip begins at the top, for eyes and for screen readers.
    document.getElementById("main")?.focus({ preventScroll: true });
    scrollTo(0, 0);
    if (!id) return undefined;
    load();
    return listen((type, data) => {
      if (type === "resync" || (type === "library.changed" && (!data?.ids || data.ids.includes(id)))) load();
      // What a finished clip has beside the video, such as its bytes, stands in the library.
      if (type === "video.completed" && data.id === id) load();
    });
  }, [id]);
  const neighbours = useNeighbours(id, Boolean(video));
  const go = (/** @type {string} */ to) => to && navigate("clip", to);
  const done = video?.status === "completed";
  const write = mayWrite();
  const trash = async () => {
    try {
      await post("library/trash", { ids: [id] });
      notify(t("clip.trashed", { title: clipTitle(video) }), { action: { label: t("action.undo"), run: () => restore(id) } });
      if (neighbours.older || neighbours.newer) go(neighbours.older || neighbours.newer);
      else navigate("library");
    } catch (error) {
      notifyError(error);
    }
  };
  const star = () => changeEntry(id, { favourite: !video.favourite });
  const group = t("clip.title");
  useShortcuts(video ? [
    { keys: "p", label: t("clip.newer"), group, run: () => go(neighbours.newer) },
    { keys: "n", label: t("clip.older"), group, run: () => go(neighbours.older) },
    ...(write ? [
      { keys: "s", label: t("clip.star"), group, run: star },
      { keys: "delete", label: t("clip.delete"), group, run: trash },
    ] : []),
  ] : []);

  if (missing) return html`<${PageHead} title=${t("clip.title")} /><${Missing} />`;
  if (!video) return html`<${PageHead} title=${t("clip.title")} /><div class="clip-page" aria-busy="true"><div class="main"><div class="picture skeleton"><span class="blank"></span></div></div><div class="side"><div class="sheet panel skeleton"></div></div></div>`;
  const title = clipTitle(video);
  const file = (/** @type {string} */ format) => address(`videos/${encodeURIComponent(id)}/content`, { format });
  const about = html`<aside class="sheet panel about" aria-label=${t("clip.about")}>
    <${Prompt} key=${`prompt ${id}`} text=${video.prompt ?? ""} />
    <${Understanding} video=${video} />
    <div class="row wrap">
      ${done && html`<${Menu} icon="down" label=${t("clip.download")} items=${FORMATS.map((format) => ({ label: t(`format.${format}`), href: file(format), download: true }))}>${t("clip.download")}<//>`}
      ${write && html`<a class="button" href=${href("create", "", { from: id })}><${Icon} name="create" />${t("clip.use")}</a>`}
    </div>
    <div class="said"><${Tags} key=${`tags ${id}`} video=${video} /><${Notes} key=${`notes ${id}`} video=${video} /></div>
    <${Lineage} id=${id} />
    ${done && html`<${Provenance} key=${`provenance ${id}`} id=${id} />`}
    <section class="stack"><h2>${t("facts.title")}</h2><${Facts} video=${video} /></section>
  </aside>`;
  return html`<${PageHead} title=${title}>
      <${Title} key=${id} video=${video} fallback=${clipTitle({ ...video, title: null })} />
      ${write && html`<${Button} kind="quiet star" icon="star" filled=${Boolean(video.favourite)} label=${t("clip.star")} pressed=${Boolean(video.favourite)} onClick=${star} />`}
      <${Button} kind="quiet" icon="left" label=${t("clip.newer")} disabled=${!neighbours.newer} onClick=${() => go(neighbours.newer)} />
      <${Button} kind="quiet" icon="right" label=${t("clip.older")} disabled=${!neighbours.older} onClick=${() => go(neighbours.older)} />
      ${write && html`<${Menu} kind="quiet" icon="more" label=${t("action.more")} items=${[
        ...(done && mayPublish() && !video.published ? [{ label: t("feed.publishThis"), icon: "feed", run: () => openPublish(video, load) }] : []),
        ...(done ? [{ label: t("clip.compare"), icon: "compare", run: () => navigate("compare", "", { ids: id }) }] : []),
        { label: t("clip.delete"), icon: "trash", danger: true, run: trash },
      ]} />`}
    <//>
    <div class="clip-page">
      ${done ? html`<${Workbench} key=${id} video=${video}>${about}<//>` : html`<div class="main"><${WithoutFile} video=${video} /></div><div class="side">${about}</div>`}
    </div>`;
}

/** @param {string} id */
async function restore(id) {
  try {
    await post("library/restore", { ids: [id] });
    navigate("clip", id);
  } catch (error) {
    notifyError(error);
  }
}
