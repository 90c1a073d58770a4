// The dialogs of a post: remix, report, unpublish, and following the feed elsewhere.
import { address, get } from "../../core/api.js";
import { ago, clipTitle, randomId } from "../../core/format.js";
import { isComposing } from "../../core/keyboard.js";
import { notify, notifyError } from "../../core/notices.js";
import { href, navigate } from "../../core/router.js";
import { loadDraft, storeDraft } from "../../core/storage.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useRef, useState } from "../../core/ui.js";
import { createVideos } from "../../core/videos.js";
import { Confirm } from "../../widgets/confirm.js";
import { Button, Field, Slider } from "../../widgets/controls.js";
import { CopyField } from "../../widgets/copy.js";
import { Dialog } from "../../widgets/dialog.js";
import { report, unpublish } from "./state.js";

const MAX_REASON_LENGTH = 1000;
const STRENGTH = 75;

/** @typedef {import("./state.js").Post} Post */
/** @typedef {"remix" | "report" | "unpublish" | "reports"} Question */

/** @param {{ what: Question, post: Post, onClose: () => void, onGone?: () => void }} properties */
export function PostDialog({ what, post, onClose, onGone }) {
  if (what === "remix") return html`<${Remix} post=${post} onClose=${onClose} />`;
  if (what === "report") return html`<${Report} post=${post} onClose=${onClose} />`;
  if (what === "reports") return html`<${Reports} post=${post} onClose=${onClose} />`;
  const confirm = async () => { if (await unpublish(post)) onGone?.(); };
  return html`<${Confirm} title=${t("feed.unpublishOf", { title: post.title })} action=${t("feed.unpublish")} onConfirm=${confirm} onClose=${onClose}><p>${t("feed.unpublishText")}</p><//>`;
}

/**
 * A form of one text, which is kept until it was sent.
 * @param {string} draft @param {string} initial @param {(text: string) => Promise<void>} send
 */
function useText(draft, initial, send) {
  const [text, setText] = useState(() => /** @type {string} */ (loadDraft(draft, initial)));
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy || !text.trim()) return;
    setBusy(true);
    setFailure("");
    try {
      await send(text.trim());
      storeDraft(draft, undefined);
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  const field = {
    value: text,
    onInput: (/** @type {any} */ event) => {
      setText(event.currentTarget.value);
      storeDraft(draft, event.currentTarget.value);
    },
    onKeyDown: (/** @type {KeyboardEvent} */ event) => {
      if (!isComposing(event) && event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
    },
  };
  return { text, field, failure, busy, submit };
}

/** @param {{ post: Post, onClose: () => void }} properties */
function Remix({ post, onClose }) {
  const [strength, setStrength] = useState(/** @type {number | null} */ (null));
  const key = useRef(randomId());
  const form = useText(`remix-${post.id}`, post.video?.prompt ?? "", async (prompt) => {
    const [video] = await createVideos(`feed/${encodeURIComponent(post.id)}/remix`, { prompt, ...(strength === null ? {} : { strength: strength / 100 }) }, key.current);
    onClose();
    notify(t("feed.remixing", { title: clipTitle(video) }), { action: { label: t("feed.see"), run: () => navigate("clip", video.id) } });
  });
  return html`<${Dialog} title=${t("feed.remixOf", { title: post.title })} onClose=${onClose}><form class="stack" onSubmit=${form.submit}>
    <${Field} label=${t("feed.remixPrompt")} error=${form.failure}>${(/** @type {any} */ properties) => html`<textarea ...${properties} autofocus required rows="4" ...${form.field}></textarea>`}<//>
    <${Slider} label=${t("feed.strength")} value=${strength ?? STRENGTH} minimum=${5} maximum=${100} step=${5} text=${strength === null ? t("feed.strengthDefault") : `${strength} %`} onChange=${setStrength} />
    <small>${t("feed.remixCredit", { author: post.author })}</small>
    <div class="row form-actions"><${Button} onClick=${onClose}>${t("action.cancel")}<//><button class="button primary" type="submit" disabled=${form.busy || !form.text.trim()}>${t("feed.remix")}</button></div></form><//>`;
}

/** @param {{ post: Post, onClose: () => void }} properties */
function Report({ post, onClose }) {
  const form = useText(`report-${post.id}`, "", async (reason) => {
    await report(post, reason);
    onClose();
  });
  return html`<${Dialog} title=${t("feed.reportOf", { title: post.title })} onClose=${onClose}><form class="stack" onSubmit=${form.submit}>
    <${Field} label=${t("feed.reason")} hint=${t("feed.reasonHint")} error=${form.failure}>${(/** @type {any} */ properties) => html`<textarea ...${properties} autofocus required rows="3" maxlength=${MAX_REASON_LENGTH} ...${form.field}></textarea>`}<//>
    <div class="row form-actions"><${Button} onClick=${onClose}>${t("action.cancel")}<//><button class="button" type="submit" disabled=${form.busy || !form.text.trim()}>${t("feed.report")}</button></div></form><//>`;
}

/** @param {{ post: Post, onClose: () => void }} properties */
function Reports({ post, onClose }) {
  const [list, setList] = useState(/** @type {{ reason: string, created_at: number }[] | null} */ (null));
  useEffect(() => {
    get(`feed/${encodeURIComponent(post.id)}/reports`).then((answer) => setList(answer.data), (error) => { notifyError(error); onClose(); });
  }, []);
  return html`<${Dialog} title=${t("feed.reportsOf", { title: post.title })} onClose=${onClose}>${list
    ? html`<ul class="stack reports">${list.map((entry) => html`<li key=${entry.created_at}><p>${entry.reason}</p><small>${ago(entry.created_at)}</small></li>`)}</ul>`
    : html`<p class="loading" aria-busy="true">${t("app.loading")}</p>`}<//>`;
}

/** @param {{ onClose: () => void }} properties */
export function Elsewhere({ onClose }) {
  const whole = (/** @type {string} */ path) => new URL(address(path), location.href.split("#")[0]).href;
  return html`<${Dialog} title=${t("feed.elsewhere")} onClose=${onClose}><div class="stack">
    <p>${t("feed.elsewhereText")} <a href=${href("settings", "keys")} onClick=${onClose}>${t("feed.elsewhereKeys")}</a></p>
    ${[["Atom", "feed.atom"], ["Media RSS", "feed.mrss"]].map(([name, path]) => html`<div key=${path} class="stack feed-address"><h3><a href=${address(path)} target="_blank" rel="noreferrer">${name}</a></h3><${CopyField} label=${t("feed.addressOf", { name })} text=${whole(path)} /></div>`)}</div><//>`;
}
