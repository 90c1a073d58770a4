// Files dropped on the page, or pasted into it.
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Icon } from "../../widgets/icons.js";
import { takeFiles } from "./references.js";
import { send, uploading } from "./uploads.js";

export function DropTarget() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    /** @param {DragEvent} event */
    const files = (event) => event.dataTransfer?.types.includes("Files");
    /** @type {Record<string, (event: any) => void>} */
    const listeners = {
      dragenter: (event) => { if (files(event)) { depth += 1; setOver(true); } },
      dragleave: (event) => { if (files(event) && --depth <= 0) { depth = 0; setOver(false); } },
      drop: (event) => {
        if (!files(event)) return;
        event.preventDefault();
        depth = 0;
        setOver(false);
        takeFiles([...event.dataTransfer.files], send);
      },
      paste: (event) => {
        const list = [...(event.clipboardData?.files ?? [])];
        if (list.length) {
          event.preventDefault();
          takeFiles(list, send);
        }
      },
    };
    Object.entries(listeners).forEach(([name, listener]) => addEventListener(name, listener));
    return () => Object.entries(listeners).forEach(([name, listener]) => removeEventListener(name, listener));
  }, []);
  return html`${over && html`<div class="drop"><p class="sheet"><${Icon} name="down" />${t("create.drop")}</p></div>`}
    ${uploading.value > 0 && html`<p class="banner info uploading" role="status">${t("create.uploading", { count: uploading.value })}</p>`}`;
}
