// What people say about a clip: title, tags, notes, favourite; saved as it is typed, never over another's change.
import { ApiError, get, patch } from "../../core/api.js";
import { isComposing } from "../../core/keyboard.js";
import { notify, notifyError } from "../../core/notices.js";
import { mayWrite } from "../../core/session.js";
import { loadDraft, storeDraft } from "../../core/storage.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useRef, useState } from "../../core/ui.js";
import { remember, videos } from "../../core/videos.js";
import { Icon } from "../../widgets/icons.js";

const DELAY = 900;

/** The change that is on its way, so that each has the revision that the last one made. */
let last = Promise.resolve(/** @type {any} */ (null));

/**
 * Change the entry of a clip in the library.
 * @param {string} id
 * @param {object} change
 * @returns {Promise<boolean>} whether it was saved
 */
export function changeEntry(id, change) {
  const next = last.then(async () => {
    const { revision } = /** @type {any} */ (videos.peek().get(id) ?? {});
    try {
      remember(await patch(`library/${encodeURIComponent(id)}`, { ...change, revision }));
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) {
        remember(await get(`library/${encodeURIComponent(id)}`));
        notify(t("details.stale"), { kind: "error" });
      } else notifyError(error);
      return false;
    }
  });
  last = next.catch(() => false);
  return last;
}

/**
 * A text that is saved when typing pauses; what is not saved yet stays as a draft.
 * @param {string} id
 * @param {"title" | "notes"} name
 * @param {string} saved
 */
function useSavedText(id, name, saved) {
  const key = `clip-${name}:${id}`;
  const [text, setText] = useState(() => loadDraft(key, saved));
  const timer = useRef(0);
  const known = useRef(saved);
  useEffect(() => {
    // Another tab changed it, and nothing is typed here.
    if (text === known.current) setText(saved);
    known.current = saved;
  }, [saved]);
  const current = useRef(text);
  current.current = text;
  const save = async () => {
    clearTimeout(timer.current);
    if (current.current === known.current) return;
    const sent = current.current;
    if (await changeEntry(id, { [name]: sent })) storeDraft(key, undefined);
  };
  useEffect(() => () => void save(), []);
  return {
    text,
    save,
    /** @param {string} next */
    type(next) {
      setText(next);
      storeDraft(key, next);
      clearTimeout(timer.current);
      timer.current = window.setTimeout(save, DELAY);
    },
    reset() {
      clearTimeout(timer.current);
      setText(known.current);
      storeDraft(key, undefined);
    },
  };
}

/** @param {{ video: any, fallback: string }} properties fallback: the title of a clip without one */
export function Title({ video, fallback }) {
  const { text, save, type, reset } = useSavedText(video.id, "title", video.title ?? "");
  /** @param {KeyboardEvent} event */
  const key = (event) => {
    if (isComposing(event)) return;
    if (event.key === "Enter") /** @type {HTMLElement} */ (event.currentTarget).blur();
    else if (event.key === "Escape") reset();
  };
  return html`<input class="title-input" type="text" aria-label=${t("details.title")} maxlength="200" placeholder=${fallback} value=${text} readonly=${!mayWrite()}
    onInput=${(/** @type {any} */ event) => type(event.currentTarget.value)} onBlur=${save} onKeyDown=${key} />`;
}

/** @param {{ video: any }} properties */
export function Notes({ video }) {
  const { text, save, type } = useSavedText(video.id, "notes", video.notes ?? "");
  if (!mayWrite()) return text && html`<p class="notes">${text}</p>`;
  return html`<textarea class="notes-input" aria-label=${t("details.notes")} rows="2" maxlength="10000" placeholder=${t("details.notesHint")} value=${text}
    onInput=${(/** @type {any} */ event) => type(event.currentTarget.value)} onBlur=${save}></textarea>`;
}

/** @param {{ video: any }} properties */
export function Tags({ video }) {
  const tags = /** @type {string[]} */ (video.tags ?? []);
  const [text, setText] = useState("");
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const add = async () => {
    const fresh = text.split(",").map((tag) => tag.trim()).filter((tag) => tag && !tags.includes(tag));
    if (!fresh.length) return setText("");
    if (await changeEntry(video.id, { tags: [...tags, ...fresh] })) setText("");
  };
  /** @param {string} tag */
  const drop = (tag) => {
    changeEntry(video.id, { tags: tags.filter((other) => other !== tag) });
    input.current?.focus();
  };
  /** @param {KeyboardEvent} event */
  const key = (event) => {
    if (isComposing(event)) return;
    if (event.key === "Enter" || event.key === ",") add();
    else if (event.key === "Backspace" && !text && tags.length) drop(tags[tags.length - 1]);
    else return;
    event.preventDefault();
  };
  return html`<div class="tags row wrap">
    ${tags.map((tag) => html`<span class="chip open" key=${tag}><${Icon} name="tag" />${tag}${mayWrite() && html`<button type="button" class="bare" aria-label=${t("details.removeTag", { tag })} onClick=${() => drop(tag)}>×</button>`}</span>`)}
    ${mayWrite() && html`<input ref=${input} type="text" size="8" aria-label=${t("details.addTag")} placeholder=${t("details.addTag")} value=${text} maxlength="100"
      onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} onKeyDown=${key} onBlur=${add} />`}
  </div>`;
}
