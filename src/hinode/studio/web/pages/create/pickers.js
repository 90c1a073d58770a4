// Dialogs that choose a picture or footage: a file of this computer, or a clip of the project.
import { clipTitle } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { html, useRef, useState } from "../../core/ui.js";
import { Sprite } from "../../widgets/card.js";
import { ClipPicker } from "../../widgets/clip-picker.js";
import { Button, Slider } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { send, sendFrame } from "./uploads.js";

/** @typedef {import("../../core/videos.js").Video} Video */

/**
 * A button that opens the file chooser of the browser.
 * @param {{ accept: string, onFile: (file: File) => void, children: any, disabled?: boolean }} properties
 */
function FileButton({ accept, onFile, children, disabled }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  return html`<${Button} kind="primary" icon="up" disabled=${disabled} onClick=${() => input.current?.click()}>${children}<//>
    <input ref=${input} type="file" accept=${accept} hidden onChange=${(/** @type {any} */ event) => { const [file] = event.currentTarget.files; event.currentTarget.value = ""; if (file) onFile(file); }} />`;
}

/** @param {{ title: string, onPick: (picture: import("./form.js").Picture) => void, onClose: () => void }} properties */
export function PicturePicker({ title, onPick, onClose }) {
  const [state, setState] = useState(/** @type {{ busy: boolean, error: string }} */ ({ busy: false, error: "" }));
  const [picking, setPicking] = useState(false);
  const [video, setVideo] = useState(/** @type {Video | null} */ (null));
  const [frame, setFrame] = useState(0);
  /** @param {() => Promise<{ kind: string, file_id: string, name: string }>} work */
  const take = async (work) => {
    setState({ busy: true, error: "" });
    try {
      const { kind, file_id, name } = await work();
      if (kind !== "picture") throw new Error(t("create.file.notPicture", { name }));
      onPick({ file_id, name });
    } catch (error) {
      setState({ busy: false, error: /** @type {Error} */ (error).message });
    }
  };
  if (picking) return html`<${ClipPicker} title=${t("create.pick.clip")} onPick=${(/** @type {Video} */ clip) => { setVideo(clip); setFrame(0); }} onClose=${() => setPicking(false)} />`;
  const fps = video?.fps ?? video?.making?.fps ?? 24;
  const frames = video ? Math.max(1, video.making?.frames ?? Math.round(Number(video.seconds) * fps)) : 1;
  const [width, height] = video ? video.size.split("x").map(Number) : [16, 9];
  return html`<${Dialog} title=${title} onClose=${onClose} kind="pick">
    ${video ? html`<div class="stack">
        <div class="picture" style=${{ aspectRatio: `${width} / ${height}` }}><${Sprite} video=${video} at=${Math.min(0.999, frame / frames)} /></div>
        <${Slider} label=${t("create.pick.frame")} value=${frame} minimum=${0} maximum=${frames - 1} text=${t("player.frame", { frame: frame + 1, frames })} onChange=${setFrame} />
        <div class="row"><${Button} kind="primary" disabled=${state.busy} onClick=${() => take(() => sendFrame(video, frame, clipTitle(video)))}>${t("create.pick.takeFrame")}<//><${Button} onClick=${() => setPicking(true)}>${t("create.pick.other")}<//></div>
      </div>` : html`<div class="pick-ways"><${FileButton} accept="image/*" disabled=${state.busy} onFile=${(/** @type {File} */ file) => take(() => send(file))}>${t(state.busy ? "create.pick.sending" : "create.pick.picture")}<//>
        <${Button} icon="library" onClick=${() => setPicking(true)}>${t("create.pick.frameOf")}<//></div>
      <p class="small">${t("create.pick.dropPicture")}</p>`}
    ${state.error && html`<p class="refusal" role="alert">${state.error}</p>`}
  <//>`;
}

/** @param {{ onPick: (footage: import("./form.js").Footage) => void, onClose: () => void }} properties */
export function FootagePicker({ onPick, onClose }) {
  const [state, setState] = useState(/** @type {{ busy: boolean, error: string }} */ ({ busy: false, error: "" }));
  const [picking, setPicking] = useState(false);
  /** @param {File} file */
  const take = async (file) => {
    setState({ busy: true, error: "" });
    try {
      const { kind, file_id, name } = await send(file);
      if (kind !== "video") throw new Error(t("create.file.notVideo", { name }));
      onPick({ file_id, name, use: "extend" });
    } catch (error) {
      setState({ busy: false, error: /** @type {Error} */ (error).message });
    }
  };
  if (picking) return html`<${ClipPicker} title=${t("create.pick.clip")} onPick=${(/** @type {Video} */ clip) => onPick({ id: clip.id, name: clipTitle(clip), use: "extend" })} onClose=${() => setPicking(false)} />`;
  return html`<${Dialog} title=${t("create.tool.footage")} onClose=${onClose} kind="pick">
    <div class="pick-ways"><${FileButton} accept="video/*" disabled=${state.busy} onFile=${take}>${t(state.busy ? "create.pick.sending" : "create.pick.video")}<//>
      <${Button} icon="library" onClick=${() => setPicking(true)}>${t("create.pick.clipOf")}<//></div>
    <p class="small">${t("create.pick.dropVideo")}</p>
    ${state.error && html`<p class="refusal" role="alert">${state.error}</p>`}
  <//>`;
}
