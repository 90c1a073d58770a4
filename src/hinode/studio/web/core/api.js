// The one client of the API. Addresses are relative, since a proxy may strip a prefix of the path.
import { session } from "./session.js";
import { t } from "./strings.js";

/** An answer that is not a success, with a sentence for people. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, code?: string, param?: string | null, retryAfter?: number }} [facts]
   */
  constructor(message, { status = 0, code = "", param = null, retryAfter = 0 } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
    this.retryAfter = retryAfter;
  }

  /** Whether there was no answer of the server at all. */
  get offline() {
    return this.status === 0;
  }
}

/**
 * @typedef {object} CallOptions
 * @property {unknown} [json] body
 * @property {FormData} [form] body
 * @property {Record<string, string | number | boolean | string[] | null | undefined>} [query] without empty values
 * @property {AbortSignal} [signal]
 * @property {Record<string, string>} [headers]
 */

/** A browser refuses requests that outlive the page when their bodies have 64 KiB together. */
const OUTLIVING_BYTES = 8192;

/**
 * Call the API and read the JSON of its answer.
 * @param {string} method
 * @param {string} path below /v1, such as "videos"
 * @param {CallOptions} [options]
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function call(method, path, { json, form, query, signal, headers = {} } = {}) {
  /** @type {Record<string, string>} */
  const all = { accept: "application/json", ...headers };
  if (json !== undefined) all["content-type"] = "application/json";
  if (method !== "GET" && session.value?.csrf_token) all["x-csrf-token"] = session.value.csrf_token;
  let answer;
  try {
    const text = json === undefined ? "" : JSON.stringify(json);
    // A reload does not take a change back; what has a signal is a question, and ends with the page.
    const keepalive = method !== "GET" && !form && !signal && new Blob([text]).size <= OUTLIVING_BYTES;
    answer = await fetch(address(path, query), { method, headers: all, body: form ?? (text || undefined), signal, keepalive, credentials: "same-origin" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(t("error.network"));
  }
  return readAnswer(answer);
}

/** @param {string} path @param {CallOptions} [options] */
export const get = (path, options) => call("GET", path, options);
/** @param {string} path @param {unknown} [json] @param {CallOptions} [options] */
export const post = (path, json = {}, options = {}) => call("POST", path, options.form ? options : { json, ...options });
/** @param {string} path @param {unknown} json */
export const patch = (path, json) => call("PATCH", path, { json });
/** @param {string} path @param {unknown} json */
export const put = (path, json) => call("PUT", path, { json });
/** @param {string} path */
export const remove = (path) => call("DELETE", path);

/**
 * The relative address of a path of the API, for links, pictures and players.
 * @param {string} path
 * @param {CallOptions["query"]} [query]
 */
export function address(path, query = {}) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) value.forEach((item) => words.append(name, item));
    else if (value !== undefined && value !== null && value !== "") words.set(name, String(value));
  }
  const text = words.toString();
  return `./v1/${path}${text && `?${text}`}`;
}

/** @param {string} id @param {"video" | "thumbnail" | "spritesheet"} [variant] */
export const mediaAddress = (id, variant = "video") =>
  address(`videos/${encodeURIComponent(id)}/content`, variant === "video" ? {} : { variant });

/** @param {Response} answer */
async function readAnswer(answer) {
  if (answer.status === 204) return null;
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  if (!isJson) {
    // A proxy answers in HTML; its limits are not those of the server.
    const { status } = answer;
    const key = status === 413 ? "error.tooLarge" : status >= 500 ? "error.proxy" : "error.strange";
    throw new ApiError(t(key, { status }), { status, code: "proxy" });
  }
  let body;
  try {
    body = await answer.json();
  } catch {
    throw new ApiError(t("error.network"));
  }
  if (answer.ok) return body;
  const { message = "", code = "", param = null } = body.error ?? {};
  if (answer.status === 401) session.value = session.value && { ...session.value, signed_in: false };
  throw new ApiError(message, { status: answer.status, code, param, retryAfter: Number(answer.headers.get("retry-after")) });
}
