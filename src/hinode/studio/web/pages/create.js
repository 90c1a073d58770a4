// Create: words, what becomes of them, what it takes, and the takes.
import { notifyError } from "../core/notices.js";
import { useShortcuts } from "../core/keyboard.js";
import { lazy } from "../core/lazy.js";
import { t } from "../core/strings.js";
import { html, useEffect } from "../core/ui.js";
import { Button } from "../widgets/controls.js";
import { PageHead } from "../widgets/frame.js";
import { loadCharacters } from "./create/characters.js";
import { Composer, focusPrompt } from "./create/composer.js";
import { loadModels, models } from "./create/models.js";
import { history, loadTakes, make } from "./create/state.js";

const loadParts = () => import("./create/parts.js");
/** As large as the stage, so that nothing moves when it comes. */
const stagePlace = () => html`<section class="stage-box" aria-busy="true"><div class="stage-frame sheet"><span class="blank"></span></div></section>`;
const Stage = lazy(loadParts, "Stage", {}, stagePlace);
const Taken = lazy(loadParts, "Taken");
const ClipPanel = lazy(loadParts, "ClipPanel");
const QuotePanel = lazy(loadParts, "QuotePanel");
const Takes = lazy(loadParts, "Takes");
const DropTarget = lazy(loadParts, "DropTarget");

/** @param {{ id: string, query: URLSearchParams }} properties */
export default function Page({ query }) {
  useEffect(() => {
    if (!models.value) loadModels().catch(notifyError);
    loadCharacters().catch(() => {});
    loadTakes();
    const end = loadParts().then(({ follow }) => follow(), () => () => {});  // its parts report the failure
    return () => { end.then((stop) => stop()); };
  }, []);
  const source = query.get("from");
  const character = query.get("character");
  useEffect(() => {
    if (character) loadParts().then(({ nameCharacter }) => nameCharacter(character)).catch(notifyError);
  }, [character]);
  useEffect(() => {
    if (source) loadParts().then(({ useSettings }) => useSettings(source)).catch(notifyError);
  }, [source]);
  useShortcuts([
    { keys: "mod+enter", label: t("create.makeNow"), run: () => loadParts().then(() => make(), notifyError), inText: true, group: t("create.title") },
    { keys: "mod+z", label: t("action.undo"), run: () => history.undo(), group: t("create.title") },
    { keys: "mod+shift+z", label: t("create.redo"), run: () => history.redo(), group: t("create.title") },
    { keys: "/", label: t("create.focusPrompt"), run: focusPrompt, group: t("create.title") },
  ]);
  return html`<${PageHead} title=${t("create.title")}>
      <${Button} kind="quiet" icon="undo" label=${t("action.undo")} disabled=${!history.canUndo.value} onClick=${() => history.undo()} />
      <${Button} kind="quiet" icon="redo" label=${t("create.redo")} disabled=${!history.canRedo.value} onClick=${() => history.redo()} />
    <//>
    <div class="create">
      <div class="create-main"><${Stage} /><${Taken} /><${Composer} /></div>
      <aside class="create-side" aria-label=${t("create.side")}><${ClipPanel} /><${QuotePanel} /></aside>
      <${Takes} />
    </div>
    <${DropTarget} />`;
}
