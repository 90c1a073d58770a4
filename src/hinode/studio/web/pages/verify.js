// The page where everybody checks a file: choose or drop it, or give its address.
import { call } from "../core/api.js";
import { bytes } from "../core/format.js";
import { t } from "../core/strings.js";
import { classes, html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../widgets/controls.js";
import { Icon, Sun } from "../widgets/icons.js";
import { ProvenanceTree, Verdict } from "../widgets/provenance.js";

const MAX_BYTES = 256 * 2 ** 20;
const RECORD = /\.c2pa$/i;

/** Whether files are dragged over the page; they are passed to `take` when they are dropped. @param {(files: File[]) => void} take */
function useDrop(take) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    /** @param {number} step @returns {(event: DragEvent) => void} */
    const count = (step) => (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      depth = Math.max(0, depth + step);
      setOver(depth > 0);
    };
    /** @type {Record<string, (event: any) => void>} */
    const listeners = {
      dragenter: count(1),
      dragleave: count(-1),
      dragover: (event) => event.preventDefault(),
      drop: (event) => {
        event.preventDefault();
        depth = 0;
        setOver(false);
        if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
      },
    };
    Object.entries(listeners).forEach(([name, listener]) => addEventListener(name, listener));
    return () => Object.entries(listeners).forEach(([name, listener]) => removeEventListener(name, listener));
  }, []);
  return over;
}

export function VerifyPage() {
  const [report, setReport] = useState(/** @type {import("../widgets/provenance.js").Report | null} */ (null));
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState("");
  const [url, setUrl] = useState("");
  const heading = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  const running = useRef(/** @type {AbortController | null} */ (null));
  const returning = useRef(false);
  useEffect(() => {
    if (report) heading.current?.focus();
    // The button that was pressed is gone.
    else if (returning.current) document.getElementById("file")?.focus();
    returning.current = false;
  }, [report]);

  /** @param {string} label @param {import("../core/api.js").CallOptions} options */
  const check = async (label, options) => {
    // Another file takes the place of the one before.
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setName(label);
    setFailure("");
    setReport(null);
    setBusy(true);
    try {
      const answer = await call("POST", "verify", { ...options, signal: controller.signal });
      if (!controller.signal.aborted) setReport(answer);
    } catch (error) {
      if (!controller.signal.aborted) setFailure(error instanceof Error ? error.message : String(error));
    } finally {
      if (!controller.signal.aborted) setBusy(false);
    }
  };
  /** @param {File[]} files */
  const take = (files) => {
    const file = files.find((entry) => !RECORD.test(entry.name));
    const sidecar = files.find((entry) => RECORD.test(entry.name));
    if (!file) return setFailure(t("verify.onlyRecord"));
    const large = [file, sidecar].find((entry) => entry && entry.size > MAX_BYTES);
    if (large) return setFailure(t("verify.tooLarge", { name: large.name, size: bytes(MAX_BYTES) }));
    const form = new FormData();
    form.append("file", file);
    if (sidecar) form.append("sidecar", sidecar);
    return check(file.name, { form });
  };
  const over = useDrop(take);
  const again = () => {
    returning.current = true;
    setReport(null);
    setName("");
    setUrl("");
  };

  const ask = html`<div class=${classes("sheet", "drop-zone", over && "over")}>
      <${Sun} />
      <input id="file" type="file" multiple accept="video/*,image/*,audio/*,.c2pa" onChange=${(/** @type {any} */ event) => { const { files } = event.currentTarget; if (files.length) take([...files]); event.currentTarget.value = ""; }} />
      <label for="file" class="button primary"><${Icon} name="up" />${t("verify.choose")}</label>
      <p>${t(over ? "verify.dropNow" : "verify.drop")}</p>
    </div>
    <form onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); if (url.trim()) check(url.trim(), { json: { url: url.trim() } }); }}>
      <label for="url">${t("verify.address")}</label>
      <div class="row"><input id="url" type="url" inputmode="url" autocomplete="off" placeholder="https://" value=${url} onInput=${(/** @type {any} */ event) => setUrl(event.currentTarget.value)} />
        <button class="button" type="submit" disabled=${busy}>${t("verify.check")}</button></div>
    </form>`;
  const answer = report && html`<section class="stack" aria-labelledby="result"><div class="sheet answer"><h2 id="result" tabindex="-1" ref=${heading}>${name}</h2><${Verdict} report=${report} />
      <div class="row"><${Button} icon="undo" onClick=${again}>${t("verify.another")}<//></div></div>
    <${ProvenanceTree} report=${report} /></section>`;
  return html`<main class="verify-page"><div class="column">
    <div class="top"><a href="./"><${Sun} />Hinode</a><a href="./">${t("verify.studio")}</a></div>
    <header><h1>${t("verify.page")}</h1><p class="lead">${t("verify.lead")}</p></header>
    <div role="status" class=${busy ? "" : "visually-hidden"}>${busy && html`<p class="banner info">${t("verify.busy", { name })}</p>`}${report && html`<span class="visually-hidden">${t(`verdict.${report.verdict}`)}</span>`}</div>
    ${failure && html`<p class="error" role="alert">${failure}</p>`}
    ${answer ?? ask}
    <section class="explained" aria-labelledby="explained"><h2 id="explained">${t("verify.what")}</h2>${["signed", "none", "watermark", "true"].map((key) => html`<p key=${key}>${t(`verify.what.${key}`)}</p>`)}</section>
  </div></main>`;
}
