// What every page and widget needs of the libraries, from one place.
import { h, htm } from "../vendor/libraries.js";

export { batch, computed, effect, Fragment, h, render, signal, useCallback, useComputed, useEffect, useId, useLayoutEffect, useMemo, useRef, useSignal, useSignalEffect, useState } from "../vendor/libraries.js";
export const html = htm.bind(h);

/**
 * Class names, those with a true value.
 * @param {...(string | false | null | undefined)} names
 */
export const classes = (...names) => names.filter(Boolean).join(" ");
