// One storyboard on this page: the document with its steps, kept here and on the server, and its takes.
import { get, post, put } from "../../core/api.js";
import { listen, online } from "../../core/events.js";
import { createHistory } from "../../core/history.js";
import { notify, notifyError } from "../../core/notices.js";
import { dropDrafts, load, loadDraft, store, storeDraft } from "../../core/storage.js";
import { t } from "../../core/strings.js";
import { batch, computed, effect, signal } from "../../core/ui.js";
import { videos } from "../../core/videos.js";
import { shotName, withShot } from "./document.js";
import { createMaking } from "./making.js";
import { layout } from "./time.js";

/**
 * @typedef {import("./time.js").FilmDocument} FilmDocument
 * @typedef {import("./time.js").Shot} Shot
 * @typedef {{ title: string, document: FilmDocument }} Film
 */

const SAVE_MS = 1000;
const RETRY_MS = 3000;
const LOOK_MS = 20000;

/** @typedef {ReturnType<typeof createBoard>} Board */

/** @param {string} id */
export function createBoard(id) {
  const path = `storyboards/${encodeURIComponent(id)}`;
  const draft = `storyboard:${id}`;
  const empty = /** @type {Film} */ ({ title: "", document: { fps: "24", size: "16x9", model: null, profile: null, seed: null, style: "", place: "", time: "", weather: "", characters: {}, shots: [] } });
  const history = createHistory(empty);
  const value = history.value;
  const ready = signal(false);
  const failure = signal("");
  const status = signal(/** @type {"saved" | "waiting" | "saving" | "offline" | "refused"} */ ("saved"));
  const refusal = signal("");
  /** What the server has in place of what this page began with. */
  const conflict = signal(/** @type {{ revision: number, updated_at: number, film: Film } | null} */ (null));
  const selected = signal("");
  const frame = signal(0);
  const playing = signal(false);
  let revision = 0;
  let saved = /** @type {Film | null} */ (null);
  let timer = 0;
  let going = /** @type {Promise<void> | null} */ (null);
  const film = (/** @type {any} */ answer) => /** @type {Film} */ ({ title: answer.title, document: answer.document });
  const isClean = () => value.peek() === saved;

  /** @param {any} answer of the API @param {Film} [kept] what it stands for here */
  function settle(answer, kept) {
    revision = answer.revision;
    saved = kept ?? value.peek();
    status.value = isClean() ? "saved" : "waiting";
    refusal.value = "";
    if (isClean()) storeDraft(draft, undefined);
    else plan();
  }

  function plan(pause = SAVE_MS) {
    clearTimeout(timer);
    timer = setTimeout(() => save().catch(() => {}), pause);
  }

  async function send() {
    const sent = value.peek();
    status.value = "saving";
    try {
      settle(await put(path, { revision, title: sent.title.trim() || t("storyboard.untitled"), document: sent.document }), sent);
    } catch (error) {
      const { status: code, message } = /** @type {import("../../core/api.js").ApiError} */ (error);
      if (code === 409) {
        status.value = "waiting";
        await meet();
      } else if (code === 400 || code === 404 || code === 403) {
        status.value = "refused";
        refusal.value = message;
      } else {
        status.value = "offline";
        plan(RETRY_MS);
      }
      throw error;
    }
  }

  /** Save what is here now, and resolve when the server has it. @returns {Promise<void>} */
  async function save() {
    clearTimeout(timer);
    if (going) await going.catch(() => {});
    if (isClean() || conflict.peek()) return;
    going = send();
    try {
      await going;
    } finally {
      going = null;
    }
  }

  /** See what the server has: the person chooses if both have changed. */
  async function meet() {
    const answer = await get(path);
    if (answer.revision === revision) return;
    if (!isClean()) conflict.value = { revision: answer.revision, updated_at: answer.updated_at, film: film(answer) };
    else {
      history.reset(film(answer));
      settle(answer);
      notify(t("storyboard.changedElsewhere"));
    }
  }

  const keepMine = () => {
    if (!conflict.value) return;
    revision = conflict.value.revision;
    conflict.value = null;
    save().catch(() => {});
  };
  /** What was here stays one step of undo away. */
  const takeTheirs = () => {
    const theirs = conflict.value;
    if (!theirs) return;
    conflict.value = null;
    history.set(theirs.film);
    settle(theirs);
  };

  /** @param {(film: Film) => Film} alter @param {string} [step] changes in a row with the same name are one step */
  function change(alter, step = "") {
    const next = alter(value.peek());
    if (next !== value.peek()) history.set(next, step);
  }
  /** @param {(document: FilmDocument) => FilmDocument} alter @param {string} [step] */
  const changeDocument = (alter, step) => change((now) => ({ ...now, document: alter(now.document) }), step);
  /** @param {string} shot @param {Partial<Shot>} values @param {string} [step] */
  const changeShot = (shot, values, step) => changeDocument((document) => withShot(document, shot, values), step);

  const { takes, wanted, loadTakes, loadClips, adopt, render, renderMissing, makeFilm, isMaking } = createMaking({ path, draft, value, ready, save, changeShot });

  /** @param {number} number */
  async function restore(number) {
    await save();
    const answer = await post(`${path}/versions/${number}/restore`);
    history.set(film(answer));
    settle(answer);
    loadClips();
  }

  async function start() {
    try {
      const answer = await get(path);
      const kept = loadDraft(draft, null);
      batch(() => {
        history.reset(film(answer));
        revision = answer.revision;
        saved = value.peek();
        ready.value = true;
        selected.value = load(`${draft}:selected`, "") || (answer.document.shots[0]?.id ?? "");
      });
      dropDrafts(draft);
      if (kept && JSON.stringify(kept.film) !== JSON.stringify(film(answer))) {
        history.set(kept.film);
        if (kept.revision !== answer.revision) conflict.value = { revision: answer.revision, updated_at: answer.updated_at, film: film(answer) };
      }
      loadTakes().catch(notifyError);
    } catch (error) {
      failure.value = /** @type {Error} */ (error).message;
    }
  }

  /** Play or stand; at the end it begins again. */
  function toggle() {
    const { total } = places.peek();
    if (!playing.peek() && frame.peek() >= total - 1) frame.value = 0;
    playing.value = total > 0 && !playing.peek();
  }

  const places = computed(() => layout(value.value.document));
  const shot = computed(() => value.value.document.shots.find((entry) => entry.id === selected.value) ?? null);
  /** @param {string} name */
  const nameOf = (name) => {
    const index = value.value.document.shots.findIndex((entry) => entry.id === name);
    return index < 0 ? "" : shotName(value.value.document.shots[index], index, t("storyboard.shot.untitled"));
  };

  const ends = [
    effect(() => {
      const now = value.value;
      if (!ready.peek()) return;
      if (now === saved) {
        // Undone before it was sent.
        clearTimeout(timer);
        storeDraft(draft, undefined);
        if (!going) status.value = "saved";
        return;
      }
      storeDraft(draft, { film: now, revision });
      if (status.peek() !== "offline") status.value = "waiting";
      plan();
      // What undo brings back may not be known yet.
      loadClips();
    }),
    effect(() => { if (online.value && status.peek() === "offline") plan(0); }),
    effect(() => { videos.value; setTimeout(adopt); }),
    effect(() => { if (ready.value) store(`${draft}:selected`, selected.value); }),
    effect(() => {
      // The playhead stays within the film.
      const { total } = places.value;
      if (frame.peek() > Math.max(0, total - 1)) frame.value = Math.max(0, total - 1);
    }),
    listen((type) => {
      if (!ready.peek()) return;
      if (type === "storyboard.changed" || type === "resync") meet().catch(() => {});
      if (type === "resync") loadTakes().catch(() => {});
    }),
  ];
  const look = () => { if (document.visibilityState === "visible" && ready.peek() && isClean() && !going) meet().catch(() => {}); };
  const clock = setInterval(look, LOOK_MS);
  addEventListener("focus", look);
  const leave = () => {
    ends.forEach((end) => end());
    clearInterval(clock);
    removeEventListener("focus", look);
    if (ready.peek()) save().catch(() => {});
  };
  start();
  return {
    id, path, history, value, ready, failure, status, refusal, conflict, selected, frame, playing, takes, wanted, places, shot,
    change, changeDocument, changeShot, save, keepMine, takeTheirs, render, renderMissing, makeFilm, restore, isMaking, nameOf, toggle, leave,
  };
}
