// The library as the pages read and change it: a list of which only the seen part is in memory, and changes
// that are shown at once and taken back when the server refuses them.
import { address, call, get, patch, post } from "./api.js";
import { notify, notifyError } from "./notices.js";
import { t } from "./strings.js";
import { signal } from "./ui.js";
import { remember } from "./videos.js";

/**
 * @typedef {import("./videos.js").Video & { title: string | null, favourite: boolean, tags: string[], collections: string[], notes: string, bytes: number, expired: boolean, trashed_at: number | null, expires_at: number | null, negative_prompt: string | null, steps: number | null, revision: number }} Entry
 * @typedef {{ id: string, name: string, clips: number }} Collection
 */

const PAGE = 60;
/** Pages that stay in memory; those that were asked for longest ago go first. */
const MAX_PAGES = 14;
/** Ids that one request may name. */
export const MAX_IDS = 1000;

export const collections = signal(/** @type {Collection[]} */ ([]));
export const tags = signal(/** @type {{ tag: string, clips: number }[]} */ ([]));

/** Run what the first sight of a page does not need after the pictures that it does. @param {() => unknown} run @returns {() => void} ends it */
export function afterFirstSight(run) {
  const timer = setTimeout(run, 700);
  return () => clearTimeout(timer);
}

export async function loadCollections() {
  collections.value = (await get("collections", { query: { limit: 100, order: "asc" } })).data;
}

export async function loadTags() {
  tags.value = (await get("library/tags")).data;
}

/** A list of entries by their place, filled where somebody looks. */
export class EntryList {
  /** @param {Record<string, any>} filter parameters of GET /v1/library */
  constructor(filter) {
    this.filter = filter;
    /** How many there are; -1 before the first answer. */
    this.total = signal(-1);
    /** Changes with every answer. */
    this.version = signal(0);
    this.error = signal(/** @type {Error | null} */ (null));
    /** @type {Map<number, Entry[]>} in the order of use */
    this.pages = new Map();
    /** @type {Map<number, AbortController>} */
    this.requests = new Map();
  }

  /** @param {number} index @returns {Entry | undefined} */
  at(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** The place of an entry that is in memory, or -1. @param {string} id */
  indexOf(id) {
    for (const [number, page] of this.pages) {
      const at = page.findIndex((entry) => entry.id === id);
      if (at >= 0) return number * PAGE + at;
    }
    return -1;
  }

  /** @param {string} id */
  find(id) {
    const index = this.indexOf(id);
    return index < 0 ? undefined : this.at(index);
  }

  /** Read what is between two places and has not been read; requests for other places end. @param {number} first @param {number} last */
  want(first, last) {
    const from = Math.max(0, Math.floor(first / PAGE));
    const to = this.total.peek() < 0 ? 0 : Math.floor(Math.min(last, this.total.peek() - 1) / PAGE);
    for (const [number, request] of this.requests) {
      if (number < from || number > to) request.abort();
    }
    for (let number = from; number <= to; number += 1) {
      const page = this.pages.get(number);
      if (page) {
        this.pages.delete(number);
        this.pages.set(number, page);
      } else if (!this.requests.has(number)) this.read(number).catch((error) => { this.error.value = error; });
    }
  }

  /** @param {number} number */
  async read(number) {
    const controller = new AbortController();
    this.requests.set(number, controller);
    try {
      const answer = await get("library", { query: { ...this.filter, limit: PAGE, skip: number * PAGE }, signal: controller.signal });
      this.pages.set(number, answer.data);
      for (const old of this.pages.keys()) {
        if (this.pages.size <= MAX_PAGES) break;
        this.pages.delete(old);
      }
      this.error.value = null;
      this.total.value = answer.total;
      this.version.value += 1;
    } catch (error) {
      if (!controller.signal.aborted) throw error;
    } finally {
      if (this.requests.get(number) === controller) this.requests.delete(number);
    }
  }

  /** Read again what is in memory near a place: what is shown equals the API. @param {number} first @param {number} last */
  async refresh(first, last) {
    const from = Math.max(0, Math.floor(first / PAGE));
    const numbers = Array.from({ length: Math.floor(Math.max(first, last) / PAGE) - from + 1 }, (_, index) => from + index);
    const kept = new Set(numbers);
    for (const number of [...this.pages.keys()]) if (!kept.has(number)) this.pages.delete(number);
    await Promise.all(numbers.map((number) => this.read(number)));
  }

  /** Ids of all entries between two places. @param {number} first @param {number} last */
  async ids(first, last) {
    const found = /** @type {string[]} */ ([]);
    for (let skip = first; skip <= last;) {
      const entry = this.at(skip);
      if (entry) {
        found.push(entry.id);
        skip += 1;
        continue;
      }
      const answer = await get("library", { query: { ...this.filter, limit: Math.min(200, last - skip + 1), skip } });
      found.push(...answer.data.map((/** @type {Entry} */ item) => item.id));
      if (!answer.data.length) break;
      skip += answer.data.length;
    }
    return found;
  }

  /** Show other values of an entry. @param {string} id @param {Partial<Entry>} change */
  replace(id, change) {
    for (const page of this.pages.values()) {
      const at = page.findIndex((entry) => entry.id === id);
      if (at >= 0) page[at] = { ...page[at], ...change };
    }
    this.version.value += 1;
  }

  /** Take entries out of the list at once, before the server's answer. @param {Set<string>} ids */
  drop(ids) {
    const known = [...this.pages].sort((one, two) => one[0] - two[0]);
    const first = known.find(([, page]) => page.some((entry) => ids.has(entry.id)));
    if (!first) return;
    // Places behind the first removed entry are no longer those of the pages: whole pages in a row move up.
    let rest = /** @type {Entry[]} */ ([]);
    let next = first[0];
    for (const [number, page] of known) {
      if (number < first[0]) continue;
      if (number === next) {
        rest = rest.concat(page.filter((entry) => !ids.has(entry.id)));
        next += 1;
      }
      this.pages.delete(number);
    }
    for (let at = 0; at < rest.length; at += PAGE) this.pages.set(first[0] + at / PAGE, rest.slice(at, at + PAGE));
    const partial = first[0] + Math.floor(rest.length / PAGE);
    this.total.value = Math.max(0, this.total.peek() - ids.size);
    this.version.value += 1;
    if (partial * PAGE < this.total.peek()) this.read(partial).catch(notifyError);
  }
}

/**
 * Change an entry, shown at once.
 * @param {EntryList} list @param {Entry} entry @param {Partial<Entry>} change
 */
export async function changeEntry(list, entry, change) {
  list.replace(entry.id, change);
  try {
    const answer = await patch(`library/${entry.id}`, change);
    remember(answer);
    list.replace(entry.id, answer);
    if (change.collections) await loadCollections();
    return answer;
  } catch (error) {
    list.replace(entry.id, entry);
    notifyError(error);
    return entry;
  }
}

/**
 * Change several entries, each by what `change` makes of it.
 * @param {EntryList} list @param {string[]} ids @param {(entry: Entry) => Partial<Entry>} change
 */
export async function changeMany(list, ids, change) {
  let failure = null;
  const queue = [...ids];
  const work = async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      try {
        const entry = list.find(id) ?? await get(`library/${id}`);
        const answer = await patch(`library/${id}`, change(entry));
        remember(answer);
        list.replace(id, answer);
      } catch (error) {
        failure = error;
      }
    }
  };
  await Promise.all([work(), work(), work()]);
  if (failure) notifyError(failure);
  await Promise.all([loadTags(), loadCollections()]).catch(notifyError);
  return !failure;
}

/** Into the trash, with undo. @param {EntryList} list @param {string[]} ids @param {() => void} restored */
export async function trashEntries(list, ids, restored) {
  list.drop(new Set(ids));
  try {
    for (let at = 0; at < ids.length; at += MAX_IDS) await post("library/trash", { ids: ids.slice(at, at + MAX_IDS) });
    notify(t("library.trashed", { count: ids.length }), { action: { label: t("action.undo"), run: () => restoreEntries(ids).then(restored) } });
  } catch (error) {
    notifyError(error);
    restored();
  }
}

/** @param {string[]} ids */
export async function restoreEntries(ids) {
  try {
    for (let at = 0; at < ids.length; at += MAX_IDS) await post("library/restore", { ids: ids.slice(at, at + MAX_IDS) });
    notify(t("library.restored", { count: ids.length }));
  } catch (error) {
    notifyError(error);
  }
}

/** Download entries: one as its file, several as an archive that the browser itself fetches. @param {string[]} ids */
export async function downloadEntries(ids) {
  if (ids.length > MAX_IDS) return void notify(t("library.tooMany", { count: MAX_IDS }), { kind: "error" });
  try {
    const link = document.createElement("a");
    if (ids.length === 1) link.href = address(`videos/${ids[0]}/content`);
    else {
      const archive = await post("library/archives", { ids });
      link.href = address(`library/archives/${archive.id}`);
      notify(t("library.archive", { count: archive.clips }));
    }
    link.download = ids.length === 1 ? `${ids[0]}.mp4` : "";
    link.click();
  } catch (error) {
    notifyError(error);
  }
}

/** @param {string} name @returns {Promise<Collection | null>} */
export async function createCollection(name) {
  try {
    const made = await post("collections", { name });
    await loadCollections();
    return made;
  } catch (error) {
    notifyError(error);
    return null;
  }
}

/** @param {string} id @param {string} name */
export const renameCollection = (id, name) => patch(`collections/${id}`, { name }).then(loadCollections).catch(notifyError);
/** @param {string} id */
export const deleteCollection = (id) => call("DELETE", `collections/${id}`).then(loadCollections).catch(notifyError);
