// The mask of footage, painted over its first frame.
import { mediaAddress } from "../../core/api.js";
import { t } from "../../core/strings.js";
import { html, signal, useMemo, useState } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { createMask, isPainted, maskPicture } from "../../widgets/mask.js";
import { MaskSurface, MaskTools } from "../../widgets/mask-editor.js";
import { change, form } from "./state.js";
import { fileAddress, send } from "./uploads.js";

/** What was painted last, so that it can be changed. @type {{ of: string, value: import("../../widgets/mask.js").MaskValue } | null} */
let painted = null;

/** @param {{ onClose: () => void }} properties */
export function MaskDialog({ onClose }) {
  const { footage } = form.value;
  const of = footage?.id ?? footage?.file_id ?? "";
  const mask = useMemo(() => createMask(painted?.of === of && form.peek().mask ? painted.value : undefined), []);
  const frame = useMemo(() => signal(0), []);
  const [size, setSize] = useState([640, 360]);
  const [state, setState] = useState(/** @type {{ busy: boolean, error: string }} */ ({ busy: false, error: "" }));
  const done = async () => {
    setState({ busy: true, error: "" });
    try {
      const text = atob(maskPicture(mask.value.peek(), size[0], size[1]).split(",")[1]);
      const file = new File([Uint8Array.from(text, (character) => character.charCodeAt(0))], "mask.png", { type: "image/png" });
      const { file_id, name } = await send(file);
      painted = { of, value: mask.value.peek() };
      change({ mask: { file_id, name } }, "");
      onClose();
    } catch (error) {
      setState({ busy: false, error: /** @type {Error} */ (error).message });
    }
  };
  return html`<${Dialog} title=${t("create.tool.mask")} onClose=${onClose} kind="large mask-dialog">
    <div class="mask-columns"><div class="player-picture mask-picture" style=${{ aspectRatio: `${size[0]} / ${size[1]}` }}>
        <video src=${footage?.id ? mediaAddress(footage.id) : fileAddress(footage?.file_id ?? "")} muted playsinline preload="auto" aria-hidden="true" onLoadedMetadata=${(/** @type {any} */ event) => setSize([event.currentTarget.videoWidth, event.currentTarget.videoHeight])}></video>
        <${MaskSurface} mask=${mask} width=${size[0]} height=${size[1]} frame=${frame} /></div>
      <div class="stack"><${MaskTools} mask=${mask} frame=${frame} moves=${false} />
        ${state.error && html`<p class="refusal" role="alert">${state.error}</p>`}
        <${Button} kind="primary" disabled=${state.busy || !isPainted(mask.value.value.shapes)} onClick=${done}>${t("create.mask.use")}<//></div></div>
  <//>`;
}
