// Light, dark, or as the system says.
import { load, store } from "./storage.js";
import { effect, signal } from "./ui.js";

/** "light", "dark" or "system". */
export const theme = signal(/** @type {string} */ (load("theme", "system")));
const dark = matchMedia("(prefers-color-scheme: dark)");

function apply() {
  document.documentElement.dataset.theme = theme.value === "system" ? (dark.matches ? "dark" : "light") : theme.value;
}

effect(() => {
  store("theme", theme.value);
  apply();
});
dark.addEventListener("change", apply);

// A trial of right-to-left writing: `?dir=rtl` before the fragment.
if (new URLSearchParams(location.search).get("dir") === "rtl") document.documentElement.dir = "rtl";
