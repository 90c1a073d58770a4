// The provenance of a clip: what the record in its file says, checked when the clip is opened.
import { get } from "../../core/api.js";
import { t } from "../../core/strings.js";
import { html, useEffect, useState } from "../../core/ui.js";
import { Button } from "../../widgets/controls.js";
import { Dialog } from "../../widgets/dialog.js";
import { ProvenanceTree, Verdict } from "../../widgets/provenance.js";

/** @param {{ id: string }} properties */
export function Provenance({ id }) {
  const [report, setReport] = useState(/** @type {import("../../widgets/provenance.js").Report | null} */ (null));
  const [failure, setFailure] = useState("");
  const [whole, setWhole] = useState(false);
  useEffect(() => {
    const controller = new AbortController();
    get(`videos/${encodeURIComponent(id)}/provenance`, { signal: controller.signal }).then(setReport, (error) => {
      if (!controller.signal.aborted) setFailure(error.message);
    });
    return () => controller.abort();
  }, [id]);
  return html`<section class="stack provenance" aria-labelledby="provenance"><div class="head"><h2 id="provenance">${t("provenance.title")}</h2><a class="small" href="./verify">${t("provenance.elsewhere")}</a></div>
    ${failure ? html`<p class="small">${failure}</p>` : report ? html`<${Verdict} report=${report} />` : html`<p class="small" aria-busy="true">${t("provenance.loading")}</p>`}
    ${report && html`<div class="row"><${Button} icon="tree" onClick=${() => setWhole(true)}>${t("provenance.whole")}<//></div>`}
    ${report && whole && html`<${Dialog} title=${t("provenance.title")} onClose=${() => setWhole(false)}><${ProvenanceTree} report=${report} /><//>`}</section>`;
}
