// The posts of the feed, and what is done with them.
import { ApiError, call, get, post, remove } from "../../core/api.js";
import { listen } from "../../core/events.js";
import { announce, notify, notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { signal } from "../../core/ui.js";

/**
 * @typedef {{ post_id: string, title: string, author: string, operation: string }} Credit
 * @typedef {{ id: string, video_id: string, title: string, caption: string, author: string, created_at: number, likes: number, liked: boolean, reports: number, credits: Credit[], video: import("../../core/videos.js").Video | null }} Post
 */

/** Newest first; null until they were read. */
export const posts = signal(/** @type {Post[] | null} */ (null));
export const hasMore = signal(false);
const PAGE = 24;
const REST = 300;

/** @param {string} after "" begins anew */
export async function readPosts(after = "") {
  // What was shown stays shown, when the feed is read again.
  const limit = after ? PAGE : Math.min(100, Math.max(PAGE, posts.peek()?.length ?? 0));
  const page = await get("feed", { query: { limit, after } });
  posts.value = after ? [...(posts.peek() ?? []), ...page.data] : page.data;
  hasMore.value = page.has_more;
}

/** Keep the feed up to date. @returns {() => void} ends it */
export function followFeed() {
  let timer = 0;
  readPosts().catch(notifyError);
  const stop = listen((type) => {
    if (!["library.changed", "resync", "video.deleted"].includes(type)) return;
    clearTimeout(timer);
    timer = setTimeout(() => readPosts().catch(notifyError), REST);
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}

/** @param {Post} changed */
export function replacePost(changed) {
  posts.value = posts.peek()?.map((entry) => (entry.id === changed.id ? changed : entry)) ?? null;
}

/** Like a post, or no longer; shown at once. @param {Post} entry @returns {Promise<Post>} */
export async function toggleLike(entry) {
  const liked = !entry.liked;
  replacePost({ ...entry, liked, likes: entry.likes + (liked ? 1 : -1) });
  try {
    const answer = await call(liked ? "POST" : "DELETE", `feed/${entry.id}/like`);
    replacePost(answer);
    announce(t("feed.likes", { count: answer.likes }));
    return answer;
  } catch (error) {
    replacePost(entry);
    notifyError(error);
    return entry;
  }
}

/** @param {Post} entry @returns {Promise<boolean>} whether it is gone */
export async function unpublish(entry) {
  try {
    await remove(`feed/${entry.id}`);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) {
      notifyError(error);
      return false;
    }
  }
  posts.value = posts.peek()?.filter((other) => other.id !== entry.id) ?? null;
  notify(t("feed.unpublished", { title: entry.title }));
  return true;
}

/** @param {Post} entry @param {string} reason */
export async function report(entry, reason) {
  replacePost(await post(`feed/${entry.id}/report`, { reason }));
  notify(t("feed.reported"));
}
