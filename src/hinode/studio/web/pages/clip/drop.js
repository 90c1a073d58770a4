// A video dropped on a clip becomes the second clip of a blend.
import { notify, notifyError } from "../../core/notices.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useRef, useState } from "../../core/ui.js";
import { Icon } from "../../widgets/icons.js";
import { send, uploading } from "../create/uploads.js";

/** @param {{ onVideo: (file: { file_id: string, title: string }) => void }} properties */
export function DropTarget({ onVideo }) {
  const [over, setOver] = useState(false);
  const take = useRef(onVideo);
  take.current = onVideo;
  useEffect(() => {
    let depth = 0;
    /** @param {DragEvent} event */
    const files = (event) => Boolean(event.dataTransfer?.types.includes("Files"));
    /** @type {Record<string, (event: any) => void>} */
    const listeners = {
      dragenter: (event) => { if (files(event)) { depth += 1; setOver(true); } },
      dragleave: (event) => { if (files(event) && --depth <= 0) { depth = 0; setOver(false); } },
      drop: async (event) => {
        if (!files(event)) return;
        event.preventDefault();
        depth = 0;
        setOver(false);
        try {
          const { kind, file_id, name } = await send(event.dataTransfer.files[0]);
          if (kind === "video") take.current({ file_id, title: name });
          else notify(t("clip.dropPicture"), { kind: "error" });
        } catch (error) {
          notifyError(error);
        }
      },
    };
    Object.entries(listeners).forEach(([name, listener]) => addEventListener(name, listener));
    return () => Object.entries(listeners).forEach(([name, listener]) => removeEventListener(name, listener));
  }, []);
  return html`${over && html`<div class="drop"><p class="sheet"><${Icon} name="compare" />${t("clip.drop")}</p></div>`}
    ${uploading.value > 0 && html`<p class="banner info uploading" role="status">${t("create.uploading", { count: uploading.value })}</p>`}`;
}
