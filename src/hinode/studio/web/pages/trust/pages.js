// A list of the API that is read page by page, and begins again when what is asked for changes.
import { get } from "../../core/api.js";
import { notifyError } from "../../core/notices.js";
import { useEffect, useRef, useState } from "../../core/ui.js";

/**
 * @template {{ id: string }} T
 * @param {string} path
 * @param {Record<string, string | number | boolean>} query what is asked for
 * @returns {{ list: T[] | null, more: boolean, readMore: () => Promise<void>, setList: (change: (list: T[]) => T[]) => void }}
 */
export function usePages(path, query) {
  const [list, setList] = useState(/** @type {T[] | null} */ (null));
  const [more, setMore] = useState(false);
  const key = JSON.stringify([path, query]);
  const current = useRef(key);
  current.current = key;
  const read = async (/** @type {string} */ after) => {
    try {
      const page = await get(path, { query: { ...query, after } });
      // Another list may have been asked for meanwhile.
      if (current.current !== key) return;
      setList((before) => [...(after && before ? before : []), ...page.data]);
      setMore(page.has_more);
    } catch (error) {
      notifyError(error);
      setList((before) => before ?? []);
    }
  };
  useEffect(() => { read(""); }, [key]);
  return { list, more, readMore: () => read(list?.at(-1)?.id ?? ""), setList: (change) => setList((before) => change(before ?? [])) };
}
