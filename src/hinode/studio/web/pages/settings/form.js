// What the tabs of the settings share: reading from the API, forms that keep what was typed, sections.
import { ApiError, get } from "../../core/api.js";
import { listen } from "../../core/events.js";
import { notifyError } from "../../core/notices.js";
import { loadDraft, storeDraft } from "../../core/storage.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useId, useRef, useState } from "../../core/ui.js";

const MAX_PAGES = 20;
const PAGE = 100;

/**
 * All entries of a list.
 * @param {string} path
 * @returns {Promise<any[]>}
 */
export async function allOf(path) {
  const entries = [];
  let after = "";
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await get(path, { query: { limit: PAGE, after } });
    entries.push(...answer.data);
    if (!answer.has_more) break;
    after = answer.last_id;
  }
  return entries;
}

/**
 * What the API has, read when the component is shown, after a gap, and by `reload`.
 * @template T
 * @param {() => Promise<T>} read
 * @returns {{ data: T | null, reload: () => Promise<void>, setData: (data: T) => void }}
 */
export function useRemote(read) {
  const [data, setData] = useState(/** @type {T | null} */ (null));
  const alive = useRef(true);
  const reload = async () => {
    try {
      const answer = await read();
      if (alive.current) setData(answer);
    } catch (error) {
      if (alive.current) notifyError(error);
    }
  };
  useEffect(() => {
    alive.current = true;
    reload();
    const stop = listen((type) => { if (type === "resync") reload(); });
    return () => {
      alive.current = false;
      stop();
    };
  }, []);
  return { data, reload, setData };
}

/**
 * A form whose fields survive a reload. An error of the API stands at its field.
 * @template {Record<string, any>} T
 * @param {string} name of the draft; "" keeps none, as for passwords
 * @param {T} initial
 * @param {(values: T) => Promise<unknown>} send
 */
export function useForm(name, initial, send) {
  const [values, setValues] = useState(() => /** @type {T} */ ({ ...initial, ...(name ? loadDraft(name, {}) : {}) }));
  const [errors, setErrors] = useState(/** @type {Record<string, string>} */ ({}));
  const [busy, setBusy] = useState(false);
  const latest = useRef(initial);
  latest.current = initial;
  /** @param {Partial<T>} change */
  const set = (change) => {
    const next = { ...values, ...change };
    setValues(next);
    setErrors({});
    if (name) storeDraft(name, next);
  };
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setErrors({});
    try {
      await send(values);
      setValues(latest.current); // what was sent may be the initial values from now on
      if (name) storeDraft(name, undefined);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const field = error instanceof ApiError && error.param?.split(/[.[]/)[0];
      setErrors({ [field && field in initial ? field : ""]: message });
    } finally {
      setBusy(false);
    }
  };
  /** Properties of a text field. @param {keyof T & string} field */
  const text = (field) => ({ value: values[field], onInput: (/** @type {any} */ event) => set(/** @type {any} */ ({ [field]: event.currentTarget.value })) });
  return { values, set, text, errors, busy, submit };
}

/**
 * A part of a tab: its name, what it is about, and what is in it.
 * @param {{ title: string, about?: any, children: any, kind?: string, heading?: "h2" | "h3" }} properties
 */
export function Section({ title, about, children, kind = "", heading = "h3" }) {
  const id = useId();
  return html`<section class=${`settings-section ${kind}`} aria-labelledby=${id}>
    <header><${heading} id=${id}>${title}<//>${about && html`<p>${about}</p>`}</header>
    <div class="sheet panel stack">${children}</div>
  </section>`;
}

/** @param {{ errors: Record<string, string> }} properties */
export const FormError = ({ errors }) => errors[""] && html`<p class="error" role="alert">${errors[""]}</p>`;

export const Loading = () => html`<p class="loading" aria-busy="true">${t("app.loading")}</p>`;

export const OwnersOnly = () => html`<p class="settings-note">${t("settings.ownersOnly")}</p>`;
