// The settings of two clips as a table.
import { bytes } from "../../core/format.js";
import { t } from "../../core/strings.js";
import { classes, html, useState } from "../../core/ui.js";
import { Switch } from "../../widgets/controls.js";

const FIELDS = ["prompt", "negative_prompt", "operation", "model", "profile", "size", "seconds", "fps", "seed", "steps", "read_as", "bytes"];

/** @param {any} clip @param {string} field @returns {string} */
function text(clip, field) {
  const value = field === "read_as" ? clip.making?.read_as : clip[field] ?? (field === "fps" ? clip.making?.fps : field === "steps" ? clip.making?.steps : null);
  if (value === null || value === undefined || value === "") return "";
  if (field === "bytes") return bytes(value);
  if (field === "seconds") return t("time.seconds", { seconds: value });
  if (field === "operation") return t(`operation.${value}`);
  if (field === "profile") return t(`profile.${value}`);
  return field === "size" ? value.replace("x", " × ") : String(value);
}

/**
 * The words of a text; `common` says which stand in the other one too, by the longest common sequence.
 * @param {string} one @param {string} two @returns {[{ word: string, common: boolean }[], { word: string, common: boolean }[]]}
 */
export function compareWords(one, two) {
  const [a, b] = [one, two].map((words) => words.split(/\s+/).filter(Boolean).slice(0, 600));
  const key = (/** @type {string} */ word) => word.toLowerCase().replace(/[.,;:!?]+$/, "");
  const length = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) for (let j = b.length - 1; j >= 0; j -= 1) length[i][j] = key(a[i]) === key(b[j]) ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  const left = a.map((word) => ({ word, common: false }));
  const right = b.map((word) => ({ word, common: false }));
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (key(a[i]) === key(b[j])) left[i++].common = right[j++].common = true;
    else if (length[i + 1][j] >= length[i][j + 1]) i += 1;
    else j += 1;
  }
  return [left, right];
}

/** @param {{ one: any, two: any }} properties */
export function Settings({ one, two }) {
  const [only, setOnly] = useState(true);
  const rows = FIELDS.map((field) => ({ field, values: [text(one, field), text(two, field)] })).filter(({ values }) => values[0] || values[1]).map((row) => ({ ...row, differs: row.values[0] !== row.values[1] }));
  const shown = rows.filter((row) => row.differs || !only);
  return html`<section class="sheet panel stack compare-settings"><div class="row between"><h2>${t("compare.settings")}</h2><${Switch} label=${t("compare.onlyDifferences")} checked=${only} onChange=${setOnly} /></div>
    ${!shown.length && html`<p class="small">${t("compare.same")}</p>`}
    ${shown.length > 0 && html`<table><thead><tr><th scope="col"><span class="visually-hidden">${t("compare.what")}</span></th><th scope="col">A</th><th scope="col">B</th></tr></thead><tbody>
      ${shown.map(({ field, values, differs }) => {
        const words = ["prompt", "negative_prompt", "read_as"].includes(field) && differs ? compareWords(values[0], values[1]) : null;
        return html`<tr key=${field} class=${classes(differs && "differs")}><th scope="row">${t(`compare.field.${field}`)}</th>${values.map((value, side) => html`<td key=${side}>${words ? words[side].map(({ word, common }, index) => html`${index > 0 && " "}${common ? word : side ? html`<ins>${word}</ins>` : html`<del>${word}</del>`}`) : value || html`<small>${t("compare.none")}</small>`}</td>`)}</tr>`;
      })}</tbody></table>`}</section>`;
}
