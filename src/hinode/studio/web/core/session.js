// Who is there: the shell loads for everyone and asks, since a strict cookie is absent on the first navigation
// from another site.
import { signal } from "./ui.js";

/**
 * @typedef {object} Session
 * @property {boolean} signed_in
 * @property {{ id: string, name: string, feed_enabled?: boolean } | null} project
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
/** Whether the person manages the project. */
export const isOwner = () => session.value?.role === "owner";
