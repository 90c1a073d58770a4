// Create besides the prompt: loaded after the prompt can be written, so that the page can be used soon.
import { followQuote } from "../../core/quotes.js";
import { characters, loadCharacters } from "./characters.js";
import { mentions } from "./form.js";
import { estimate } from "./quote.js";
import { currentReading, followForm } from "./reading.js";
import { addName } from "./references.js";
import { applyEdits } from "./sketch/edits.js";
import { followPlan } from "./sketch/view.js";
import { form, plan } from "./state.js";

export { DropTarget } from "./drop.js";
export { Taken, useSettings } from "./from.js";
export { QuotePanel } from "./quote.js";
export { Reading } from "./reading.js";
export { ReferenceTools, ReferenceTray } from "./references.js";
export { ClipPanel } from "./settings.js";
export { Stage } from "./stage.js";
export { Takes } from "./takes.js";

plan.current = async () => {
  const answer = await currentReading();
  return answer ? applyEdits(form.peek().plan ?? answer.plan, form.peek().edits) : undefined;
};

/** A character goes into the words, unless they name it already; the address forgets it, so that a reload does not. @param {string} id */
export async function nameCharacter(id) {
  await loadCharacters();
  const person = characters.value?.find((entry) => entry.id === id);
  if (person && !mentions(form.peek().prompt, person.name)) addName(person.name);
  window.history.replaceState(null, "", "#/create");
}

/** Ask for readings, quotes and plans of the form while the page is shown. @returns {() => void} */
export function follow() {
  const ends = [followForm(), followQuote(estimate), followPlan()];
  return () => ends.forEach((end) => end());
}
