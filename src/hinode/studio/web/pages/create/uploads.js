// Files of the person: looked at here, sent to the API, or refused in one sentence.
import { address, post } from "../../core/api.js";
import { bytes } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { signal } from "../../core/ui.js";

const MAX_PICTURE = 20 * 1024 * 1024;
const MAX_VIDEO = 512 * 1000 * 1000;
/** Contents by their first bytes, since names and types of files are often wrong. */
const PICTURES = /** @type {[string, RegExp][]} */ ([["PNG", /^\x89PNG/], ["JPEG", /^\xff\xd8\xff/], ["WebP", /^RIFF....WEBP/s]]);
const VIDEOS = /** @type {[string, RegExp][]} */ ([["HEIC", /^....ftyp(heic|heix|mif1|msf1|avif)/s], ["MP4", /^....ftyp/s], ["QuickTime", /^....(moov|mdat|wide|free)/s], ["WebM", /^\x1aE\xdf\xa3/]]);

/** How many files are on their way. */
export const uploading = signal(0);
/** Pictures that this page knows as files: quicker than those of the server. @type {Map<string, string>} */
const own = new Map();

/** The address of an uploaded file, for a picture or a player. @param {string} id */
export const fileAddress = (id) => own.get(id) ?? address(`files/${encodeURIComponent(id)}/content`);

/** @param {Blob} file */
async function kindOf(file) {
  const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 32).arrayBuffer()));
  for (const [name, pattern] of PICTURES) if (pattern.test(start)) return { kind: "picture", name };
  for (const [name, pattern] of VIDEOS) if (pattern.test(start)) return { kind: name === "HEIC" ? "heic" : "video", name };
  return { kind: "other", name: "" };
}

/**
 * Send a file.
 * @param {File} file
 * @returns {Promise<{ kind: "picture" | "video", file_id: string, name: string }>}
 * @throws {Error} with the sentence that says why it cannot be used
 */
export async function send(file) {
  const { name } = file;
  const { kind } = await kindOf(file);
  if (kind === "other") throw new Error(t("create.file.unknown", { name }));
  if (file.size === 0) throw new Error(t("create.file.empty", { name }));
  const isPicture = kind === "picture" || kind === "heic";
  const limit = isPicture ? MAX_PICTURE : MAX_VIDEO;
  if (file.size > limit) throw new Error(t("create.file.large", { name, size: bytes(file.size), limit: bytes(limit) }));
  if (kind === "picture") {
    try {
      (await createImageBitmap(file)).close();
    } catch {
      throw new Error(t("create.file.broken", { name }));
    }
  }
  const form = new FormData();
  form.append("purpose", isPicture ? "vision" : "user_data");
  form.append("file", file, name);
  uploading.value += 1;
  try {
    const { id } = await post("files", {}, { form });
    own.set(id, URL.createObjectURL(file));
    return { kind: isPicture ? "picture" : "video", file_id: id, name };
  } finally {
    uploading.value -= 1;
  }
}

/**
 * A frame of a clip as a picture.
 * @param {import("../../core/videos.js").Video} video @param {number} frame @param {string} name
 */
export async function sendFrame(video, frame, name) {
  const answer = await fetch(address(`videos/${encodeURIComponent(video.id)}/frames/${frame}`), { credentials: "same-origin" });
  if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error?.message ?? t("error.network"));
  return send(new File([await answer.blob()], `${name}.png`, { type: "image/png" }));
}
