// Who is there: the shell loads for everyone and asks, since a strict cookie is absent on the first navigation
// from another site.
import { signal } from "./ui.js";

/**
 * @typedef {object} Session
 * @property {boolean} signed_in
 * @property {{ id: string, name: string, feed_enabled?: boolean, is_operator?: boolean, billing?: boolean } | null} project
 * @property {{ id: string, name: string, email: string, role: string } | null} user
 * @property {string | null} role owner, editor, viewer or reviewer
 * @property {string | null} csrf_token
 * @property {number | null} expires_at
 * @property {{ version: string, instance: string, studio?: string, secure: boolean }} server
 */

/** The session; null until the first answer. */
export const session = signal(/** @type {Session | null} */ (null));

/** Whether the person may change something. */
export const mayWrite = () => ["owner", "editor"].includes(session.value?.role ?? "");
/** Whether the feed is on and the person may publish. */
export const mayPublish = () => mayWrite() && Boolean(session.value?.project?.feed_enabled);
/** Whether the person manages the project. */
export const isOwner = () => session.value?.role === "owner";
/** Whether the person runs the whole server: an owner of its first project. */
export const isOperator = () => isOwner() && Boolean(session.value?.project?.is_operator);
/** Whether the person decides about what screening stopped, for the whole server. */
export const mayReview = () => isOperator() || (session.value?.role === "reviewer" && Boolean(session.value?.project?.is_operator));

/**
 * The token of the link that opened the page. It stands in the fragment, which no server and no log sees.
 * @returns {{ kind: "" | "token" | "invitation" | "reset", token: string }}
 */
export function readLink() {
  const [, kind = "", token = ""] = /^#(token|invitation|reset)=([\w-]+)/.exec(location.hash) ?? [];
  return { kind: /** @type {any} */ (kind), token };
}

/** Go on to the studio; the fragment leaves the history. */
export function leaveLink() {
  history.replaceState(null, "", "#/create");
  dispatchEvent(new HashChangeEvent("hashchange"));
}
