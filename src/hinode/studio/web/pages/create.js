// Create: words, what becomes of them, what it takes, and the takes.
import { notifyError } from "../core/notices.js";
import { useShortcuts } from "../core/keyboard.js";
import { t } from "../core/strings.js";
import { html, useEffect } from "../core/ui.js";
import { Button } from "../widgets/controls.js";
import { PageHead } from "../widgets/frame.js";
import { characters, loadCharacters } from "./create/characters.js";
import { Composer, focusPrompt } from "./create/composer.js";
import { DropTarget } from "./create/drop.js";
import { mentions } from "./create/form.js";
import { Taken, useSettings } from "./create/from.js";
import { loadModels, models } from "./create/models.js";
import { followQuote, QuotePanel } from "./create/quote.js";
import { currentReading, followForm } from "./create/reading.js";
import { addName } from "./create/references.js";
import { ClipPanel } from "./create/settings.js";
import { Stage } from "./create/stage.js";
import { applyEdits } from "./create/sketch/edits.js";
import { followPlan } from "./create/sketch/view.js";
import { form, history, loadTakes, make, plan } from "./create/state.js";
import { Takes } from "./create/takes.js";

plan.current = async () => {
  const answer = await currentReading();
  return answer ? applyEdits(form.peek().plan ?? answer.plan, form.peek().edits) : undefined;
};

/** A character goes into the words, unless they name it already; the address forgets it, so that a reload does not. @param {string} id */
async function nameCharacter(id) {
  await loadCharacters();
  const person = characters.value?.find((entry) => entry.id === id);
  if (person && !mentions(form.peek().prompt, person.name)) addName(person.name);
  window.history.replaceState(null, "", "#/create");
}

/** @param {{ id: string, query: URLSearchParams }} properties */
export default function Page({ query }) {
  useEffect(() => {
    if (!models.value) loadModels().catch(notifyError);
    loadCharacters().catch(() => {});
    loadTakes();
    const ends = [followForm(), followQuote(), followPlan()];
    return () => ends.forEach((end) => end());
  }, []);
  const source = query.get("from");
  const character = query.get("character");
  useEffect(() => {
    if (character) nameCharacter(character).catch(notifyError);
  }, [character]);
  useEffect(() => {
    if (source) useSettings(source);
  }, [source]);
  useShortcuts([
    { keys: "mod+enter", label: t("create.makeNow"), run: () => make(), inText: true, group: t("create.title") },
    { keys: "mod+z", label: t("action.undo"), run: () => history.undo(), group: t("create.title") },
    { keys: "mod+shift+z", label: t("create.redo"), run: () => history.redo(), group: t("create.title") },
    { keys: "/", label: t("create.focusPrompt"), run: focusPrompt, group: t("create.title") },
  ], []);
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
