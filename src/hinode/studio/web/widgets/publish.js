// Publishing a clip in the feed of the project, from wherever a clip is shown.
import { post } from "../core/api.js";
import { publishing } from "../core/dialogs.js";
import { clipTitle } from "../core/format.js";
import { isComposing } from "../core/keyboard.js";
import { notify } from "../core/notices.js";
import { navigate } from "../core/router.js";
import { loadDraft, storeDraft } from "../core/storage.js";
import { t } from "../core/strings.js";
import { html, useState } from "../core/ui.js";
import { ClipFrame } from "./card.js";
import { Button, Field } from "./controls.js";
import { Dialog } from "./dialog.js";

const MAX_CAPTION_LENGTH = 2000;

/** @param {{ video: import("../core/videos.js").Video, done?: () => void }} properties */
export function PublishDialog({ video, done }) {
  const draft = `publish-${video.id}`;
  const [caption, setCaption] = useState(() => /** @type {string} */ (loadDraft(draft, "")));
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const close = () => { publishing.value = null; };
  const type = (/** @type {string} */ text) => {
    setCaption(text);
    storeDraft(draft, text);
  };
  const send = async () => {
    if (busy) return;
    setBusy(true);
    setFailure("");
    try {
      const answer = await post("feed", { video_id: video.id, caption: caption.trim() });
      storeDraft(draft, undefined);
      close();
      done?.();
      notify(t("feed.published", { title: answer.title }), { action: { label: t("feed.see"), run: () => navigate("feed", answer.id) } });
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  const submit = (/** @type {KeyboardEvent} */ event) => {
    if (isComposing(event) || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  };
  return html`<${Dialog} title=${t("feed.publish")} onClose=${close} kind="publish"><form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); send(); }}>
    <div class="row publish-clip"><span><${ClipFrame} video=${video} /></span><b>${clipTitle(video)}</b></div>
    <${Field} label=${t("feed.caption")} hint=${t("feed.captionHint")} error=${failure}>${(/** @type {any} */ properties) => html`<textarea ...${properties} autofocus rows="3" maxlength=${MAX_CAPTION_LENGTH} value=${caption} onKeyDown=${submit} onInput=${(/** @type {any} */ event) => type(event.currentTarget.value)}></textarea>`}<//>
    <div class="row form-actions"><${Button} onClick=${close}>${t("action.cancel")}<//><button class="button primary" type="submit" disabled=${busy}>${t("feed.publishAction")}</button></div></form><//>`;
}
