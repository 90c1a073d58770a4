// Dialogs of the frame, which every page opens. Their modules are loaded when they are first shown.
import { signal } from "./ui.js";

/** What is open of the palette: "commands", "shortcuts" or nothing. */
export const palette = signal(/** @type {"commands" | "shortcuts" | null} */ (null));
export const openPalette = () => { palette.value = "commands"; };
export const openShortcuts = () => { palette.value = "shortcuts"; };

/** @typedef {import("./videos.js").Video} Video */

/** The clip that is about to be published. */
export const publishing = signal(/** @type {{ video: Video, done?: () => void } | null} */ (null));

/** Ask for a caption, and publish. @param {Video} video @param {() => void} [done] */
export const openPublish = (video, done) => { publishing.value = { video, done }; };
