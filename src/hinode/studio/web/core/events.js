// What happens on the server, for every tab.
import { address } from "./api.js";
import { signal } from "./ui.js";

export const TYPES = [
  "video.queued", "video.progress", "video.preview", "video.completed", "video.failed", "video.deleted",
  "queue.changed", "library.changed", "storyboard.changed", "resync",
];

/** Whether the stream is open; after a gap the pages ask the API for what they show. */
export const online = signal(true);

/** @type {Set<(type: string, data: any) => void>} */
const listeners = new Set();
let gap = false;

/**
 * Call `listener` for every event; "gap" says that the stream has ended, "resync" that some may be missing.
 * @param {(type: string, data: any) => void} listener
 * @returns {() => void} ends it
 */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @param {string} type @param {any} data */
function tell(type, data) {
  if (type === "open") {
    online.value = true;
    if (gap) listeners.forEach((listener) => listener("resync", null));
    gap = false;
  } else if (type === "gap") {
    if (!gap) listeners.forEach((listener) => listener("gap", null));
    gap = true;
    // A moment without a stream, as at a restart of the server, is not worth a word.
    setTimeout(() => (online.value = !gap), 2500);
  } else listeners.forEach((listener) => listener(type, data));
}

let started = false;

/** Follow the events; once for this page. */
export function startEvents() {
  if (started) return;
  started = true;
  const stream = new URL(address("events"), location.href).href;
  if (typeof SharedWorker === "function") {
    const worker = new SharedWorker(new URL("./events-worker.js", import.meta.url), { name: "hinode-events" });
    worker.port.onmessage = ({ data }) => tell(data.type, data.data);
    worker.port.postMessage({ type: "start", address: stream, types: TYPES });
    addEventListener("pagehide", () => worker.port.postMessage({ type: "leave" }));
    addEventListener("pageshow", (event) => event.persisted && worker.port.postMessage({ type: "start", address: stream, types: TYPES }));
    return;
  }
  const open = () => {
    const source = new EventSource(stream);
    source.onopen = () => tell("open", null);
    source.onerror = () => {
      tell("gap", null);
      if (source.readyState === EventSource.CLOSED) setTimeout(open, 3000);
    };
    for (const type of TYPES) {
      source.addEventListener(type, (event) => tell(type, event.data ? JSON.parse(event.data) : null));
    }
  };
  open();
}
