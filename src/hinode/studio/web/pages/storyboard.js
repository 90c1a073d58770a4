// Storyboard: a film of shots on a timeline, each of which can be made again without touching the others.
import { address } from "../core/api.js";
import { useShortcuts } from "../core/keyboard.js";
import { notify, notifyError } from "../core/notices.js";
import { href } from "../core/router.js";
import { t } from "../core/strings.js";
import { html, useEffect, useMemo, useState } from "../core/ui.js";
import { videos } from "../core/videos.js";
import { Button, Segmented } from "../widgets/controls.js";
import { PageHead } from "../widgets/frame.js";
import { Menu } from "../widgets/menu.js";
import { Player } from "../widgets/player.js";
import { loadCharacters } from "./create/characters.js";
import { loadModels, models } from "./create/models.js";
import { ConflictDialog, FilmDialog, VersionsDialog } from "./storyboard/dialogs.js";
import { Line } from "./storyboard/line.js";
import { ShotPanel } from "./storyboard/panel.js";
import { Stage } from "./storyboard/stage.js";
import { createBoard } from "./storyboard/state.js";

/** @param {{ id: string, query: URLSearchParams }} properties */
export default function Page({ id }) {
  const board = useMemo(() => createBoard(id), [id]);
  const [dialog, setDialog] = useState(/** @type {"versions" | "film" | null} */ (null));
  const [view, setView] = useState(/** @type {"shots" | "film"} */ ("shots"));
  useEffect(() => {
    if (!models.value) loadModels().catch(notifyError);
    loadCharacters().catch(() => {});
    return board.leave;
  }, [board]);
  const undo = () => board.history.undo();
  const redo = () => board.history.redo();
  useShortcuts([
    { keys: "mod+z", label: t("action.undo"), group: t("storyboard.title"), run: undo },
    { keys: "mod+shift+z", label: t("create.redo"), group: t("storyboard.title"), run: redo },
    { keys: "mod+y", label: "", group: t("storyboard.title"), run: redo },
    { keys: "mod+s", label: t("storyboard.saveNow"), group: t("storyboard.title"), inText: true, run: () => { board.save().catch(() => {}); } },
  ]);
  if (board.failure.value) return html`<${PageHead} title=${t("storyboard.title")} /><p class="error" role="alert">${board.failure.value}</p><p><a href=${href("storyboards")}>${t("storyboards.all")}</a></p>`;
  if (!board.ready.value) return html`<${PageHead} title=${t("storyboard.title")} /><p class="loading" aria-busy="true">${t("app.loading")}</p>`;

  const { title, document } = board.value.value;
  const films = board.takes.value.filter((take) => take.shot === null).map((take) => videos.value.get(take.id)).filter((video) => video !== undefined);
  const film = films.find((video) => video.status === "completed");
  const making = films.find((video) => ["queued", "in_progress"].includes(video.status));
  const lacking = document.shots.filter((shot) => videos.value.get(shot.video_id ?? "")?.status !== "completed").length;
  const makeFilm = async () => {
    if (!document.shots.length || lacking) return notify(t(document.shots.length ? "storyboard.film.lacking" : "storyboard.film.noShots", { count: lacking }));
    try {
      await board.makeFilm();
      return notify(t("storyboard.film.begun"));
    } catch (error) {
      return notifyError(error);
    }
  };
  const { status } = board;
  const heading = html`<input class="board-title" type="text" maxlength="200" aria-label=${t("storyboard.name")} placeholder=${t("storyboard.untitled")} dir="auto" value=${title} size=${Math.max(8, Math.min(36, title.length))}
    onInput=${(/** @type {any} */ event) => { const next = event.currentTarget.value; board.change((now) => ({ ...now, title: next }), "title"); }} />`;
  return html`<${PageHead} title=${title || t("storyboard.untitled")} heading=${heading}>
      <${Button} kind="quiet" icon="undo" label=${t("action.undo")} disabled=${!board.history.canUndo.value} onClick=${undo} />
      <${Button} kind="quiet" icon="redo" label=${t("create.redo")} disabled=${!board.history.canRedo.value} onClick=${redo} />
      <small class=${status.value === "refused" || status.value === "offline" ? "save-state warn" : "save-state"}>${status.value === "refused" ? board.refusal.value : t(`storyboard.status.${status.value}`)}</small>
      <${Button} kind="primary head-button" aria-disabled=${Boolean(lacking || !document.shots.length)} disabled=${Boolean(making)} title=${lacking ? t("storyboard.film.lacking", { count: lacking }) : undefined} onClick=${makeFilm}>${making ? t("storyboard.film.making", { percent: making.progress }) : t(film ? "storyboard.film.again" : "storyboard.film.make")}<//>
    <//>
    <div class="board">
      <div class="board-top">
        <div class="board-main">${film && html`<div class="board-view"><${Segmented} label=${t("storyboard.view")} value=${view} onChange=${setView} options=${["shots", "film"].map((value) => ({ value, label: t(`storyboard.view.${value}`) }))} /></div>`}
          ${view === "film" && film ? html`<div class="board-film"><${Player} key=${film.id} video=${film} /></div>` : html`<${Stage} board=${board} />`}</div>
        <${ShotPanel} board=${board} /></div>
      <${Line} board=${board} onSettings=${() => setDialog("film")}>
        <${Button} kind="quiet" onClick=${() => setDialog("versions")}>${t("storyboard.versions")}<//>
        <${Menu} label=${t("storyboard.export")} items=${[
          { label: t("storyboard.export.yaml"), icon: "down", href: address(`${board.path}/export`, { format: "yaml" }), download: true },
          { label: t("storyboard.export.otio"), icon: "down", href: address(`${board.path}/export`, { format: "otio" }), download: true },
          ...(film ? [{ label: t("storyboard.export.film"), icon: "clip", href: address(`videos/${film.id}/content`), download: true }] : []),
        ]}>${t("storyboard.export")}<//>
      <//>
    </div>
    ${dialog === "versions" && html`<${VersionsDialog} board=${board} onClose=${() => setDialog(null)} />`}
    ${dialog === "film" && html`<${FilmDialog} board=${board} onClose=${() => setDialog(null)} />`}
    <${ConflictDialog} board=${board} />`;
}
