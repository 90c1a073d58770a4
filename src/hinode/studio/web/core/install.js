// Installing the studio as an app, where the browser offers it.
import { signal } from "./ui.js";

/** @typedef {Event & { prompt: () => Promise<void>, userChoice: Promise<{ outcome: string }> }} InstallEvent */

/** The offer of the browser; null where there is none. */
export const offer = signal(/** @type {InstallEvent | null} */ (null));
/** Whether this is the installed app. */
export const installed = signal(matchMedia("(display-mode: standalone)").matches);

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  offer.value = /** @type {InstallEvent} */ (event);
});
addEventListener("appinstalled", () => {
  offer.value = null;
  installed.value = true;
});

/** Have the browser ask the person. */
export async function install() {
  const event = offer.peek();
  offer.value = null;
  await event?.prompt();
}
