// What is heard, as bars under a timeline.
import { mediaAddress } from "../core/api.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";

const SAMPLE_RATE = 8000;
const PEAKS = 50; // in a second
const MAX_WIDTH = 12000;
const STEP = 6;
const BAR = 3;
const LOADS = 2;

/** @typedef {{ from: number, to: number, video: string, start: number }} Span seconds of the film, a clip, and seconds into it */

/** @type {Map<string, Promise<Float32Array | null>>} */
const known = new Map();
let loading = 0;
/** @type {(() => void)[]} */
const waiting = [];

/** The loudness of a clip, 0 to 1, `PEAKS` values a second; null if it has no sound. @param {string} id */
function peaksOf(id) {
  const before = known.get(id);
  if (before) return before;
  const work = load(id).catch(() => null);
  known.set(id, work);
  return work;
}

/** @param {string} id */
async function load(id) {
  // Few at once: the connections belong to the players.
  if (loading >= LOADS) await new Promise((resolve) => waiting.push(() => resolve(undefined)));
  loading += 1;
  try {
    const answer = await fetch(mediaAddress(id), { credentials: "same-origin" });
    if (!answer.ok) return null;
    const sound = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(await answer.arrayBuffer());
    const samples = sound.getChannelData(0);
    const width = SAMPLE_RATE / PEAKS;
    return Float32Array.from({ length: Math.ceil(samples.length / width) }, (_, k) => {
      let most = 0;
      for (let at = Math.floor(k * width); at < Math.min(samples.length, (k + 1) * width); at += 1) most = Math.max(most, Math.abs(samples[at]));
      return most;
    });
  } finally {
    loading -= 1;
    waiting.shift()?.();
  }
}

/** @param {{ spans: Span[], seconds: number, width: number }} properties width: pixels of all seconds */
export function Waveform({ spans, seconds, width }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [peaks, setPeaks] = useState(/** @type {Map<string, Float32Array | null>} */ (new Map()));
  const ids = [...new Set(spans.map((span) => span.video).filter(Boolean))].join();
  useEffect(() => {
    let left = false;
    for (const id of ids.split(",").filter(Boolean)) peaksOf(id).then((values) => { if (!left) setPeaks((before) => (before.get(id) === values ? before : new Map(before).set(id, values))); });
    return () => { left = true; };
  }, [ids]);
  const drawn = Math.min(width, MAX_WIDTH);
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const height = element.clientHeight;
    const ratio = devicePixelRatio || 1;
    element.width = drawn * ratio;
    element.height = height * ratio;
    context.scale(ratio, ratio);
    context.fillStyle = getComputedStyle(element).color;
    let at = 0;
    for (let x = 1; x + BAR <= drawn; x += STEP) {
      const time = ((x + BAR / 2) / drawn) * seconds;
      while (at < spans.length - 1 && spans[at].to <= time) at += 1;
      const span = spans[at];
      const values = span && peaks.get(span.video);
      let loud = 0;
      if (values) {
        const begin = Math.floor((span.start + time - span.from) * PEAKS);
        const end = begin + Math.max(1, Math.round(((STEP / drawn) * seconds) * PEAKS));
        for (let k = begin; k < end; k += 1) loud = Math.max(loud, values[k] ?? 0);
      }
      const tall = Math.max(2, Math.sqrt(Math.min(1, loud)) * height);
      context.globalAlpha = values ? 0.75 : 0.28;
      context.beginPath();
      context.roundRect(x, (height - tall) / 2, BAR, tall, 1.5);
      context.fill();
    }
  });
  return html`<canvas class="waveform" ref=${canvas} aria-hidden="true" style=${{ width: `${width}px` }}></canvas>`;
}
