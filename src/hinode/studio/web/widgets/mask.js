// A mask as shapes: what is painted, erased and inverted in order, how soft its edge is, and how it moves.
import { createHistory } from "../core/history.js";
import { signal } from "../core/ui.js";

/**
 * @typedef {[number, number]} Point fractions of the frame from the left upper corner
 * @typedef {{ kind: "brush", points: Point[], radius: number, erase: boolean }} Stroke radius: in short sides of the frame
 * @typedef {{ kind: "rectangle", from: Point, to: Point, erase: boolean }} Rectangle
 * @typedef {{ kind: "lasso", points: Point[], erase: boolean }} Lasso
 * @typedef {{ kind: "invert" }} Inversion
 * @typedef {Stroke | Rectangle | Lasso | Inversion} Shape
 * @typedef {{ frame: number, x: number, y: number }} Move how far it has moved at a frame, in fractions of the frame
 * @typedef {{ shapes: Shape[], feather: number, moves: Move[] }} MaskValue feather: in short sides of the frame
 */

export const TOOLS = ["brush", "rectangle", "lasso", "move"];
/** @type {MaskValue} */
export const EMPTY_MASK = { shapes: [], feather: 0, moves: [] };

/**
 * The state of a mask that is edited.
 * @param {MaskValue} [initial]
 */
export function createMask(initial = EMPTY_MASK) {
  const history = createHistory(initial);
  return {
    history,
    value: history.value,
    tool: signal("brush"),
    erase: signal(false),
    radius: signal(0.08),
    /** The rectangle of the keyboard. */
    cursor: signal(/** @type {{ from: Point, to: Point }} */ ({ from: [0.35, 0.35], to: [0.65, 0.65] })),
    /** @param {Shape} shape */
    add(shape) {
      const value = history.value.peek();
      history.set({ ...value, shapes: [...value.shapes, shape] });
    },
    /** @param {number} feather */
    setFeather(feather) {
      history.set({ ...history.value.peek(), feather }, "feather");
    },
    clear() {
      history.set({ ...EMPTY_MASK, feather: history.value.peek().feather });
    },
    /** Where the mask is at a frame. @param {number} frame @param {number} x @param {number} y @param {string} [group] */
    moveTo(frame, x, y, group) {
      const value = history.value.peek();
      const others = value.moves.filter((move) => move.frame !== frame);
      // What moves has a place where it was drawn.
      const start = others.length === 0 && frame > 0 ? [{ frame: 0, x: 0, y: 0 }] : others;
      history.set({ ...value, moves: [...start, { frame, x, y }].sort((a, b) => a.frame - b.frame) }, group);
    },
    /** @param {number} frame */
    removeMove(frame) {
      const value = history.value.peek();
      history.set({ ...value, moves: value.moves.filter((move) => move.frame !== frame) });
    },
  };
}

/** @typedef {ReturnType<typeof createMask>} Mask */

/**
 * How far a mask has moved at a frame.
 * @param {Move[]} moves in order
 * @param {number} frame
 * @returns {Point}
 */
export function offsetAt(moves, frame) {
  if (!moves.length) return [0, 0];
  const after = moves.findIndex((move) => move.frame >= frame);
  if (after === 0) return [moves[0].x, moves[0].y];
  if (after < 0) return [moves[moves.length - 1].x, moves[moves.length - 1].y];
  const [a, b] = [moves[after - 1], moves[after]];
  const share = (frame - a.frame) / (b.frame - a.frame);
  return [a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share];
}

/**
 * The points of the track of a mask that moves: [seconds, x, y]; none for one that stays.
 * @param {Move[]} moves
 * @param {number} fps
 */
export function maskPath(moves, fps) {
  return moves.some((move) => move.x || move.y) ? moves.map((move) => [move.frame / fps, move.x, move.y]) : [];
}

/** @param {Shape[]} shapes whether anything is painted */
export const isPainted = (shapes) => shapes.some((shape) => shape.kind === "invert" || !shape.erase);

/**
 * Paint a mask: opaque where the video changes, transparent where it stays.
 * @param {CanvasRenderingContext2D} context of a canvas with the shape of the video
 * @param {MaskValue} value
 * @param {Point} offset
 * @param {Shape | null} [pending] is being drawn
 * @param {string} [color]
 */
export function paint(context, { shapes, feather }, offset, pending = null, color = "#fff") {
  const { width, height } = context.canvas;
  const short = Math.min(width, height);
  const margin = Math.ceil(feather * short * 2);
  const sheet = document.createElement("canvas");
  sheet.width = width + 2 * margin;
  sheet.height = height + 2 * margin;
  const inner = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  inner.translate(margin, margin);
  for (const shape of pending ? [...shapes, pending] : shapes) drawShape(inner, shape, offset, width, height, margin);
  inner.setTransform(1, 0, 0, 1, 0, 0);
  inner.globalCompositeOperation = "source-in";
  inner.fillStyle = color;
  inner.fillRect(0, 0, sheet.width, sheet.height);
  context.clearRect(0, 0, width, height);
  if (feather) context.filter = `blur(${(feather * short) / 2}px)`;
  context.drawImage(sheet, -margin, -margin);
  context.filter = "none";
}

/** @param {CanvasRenderingContext2D} context @param {Shape} shape @param {Point} offset @param {number} width @param {number} height @param {number} margin */
function drawShape(context, shape, [dx, dy], width, height, margin) {
  if (shape.kind === "invert") {
    context.globalCompositeOperation = "xor";
    context.fillRect(-margin, -margin, width + 2 * margin, height + 2 * margin);
    return;
  }
  context.globalCompositeOperation = shape.erase ? "destination-out" : "source-over";
  /** @param {Point} point @returns {Point} */
  const at = ([x, y]) => [(x + dx) * width, (y + dy) * height];
  context.beginPath();
  if (shape.kind === "rectangle") {
    const [[x, y], [right, bottom]] = [at(shape.from), at(shape.to)];
    context.fillRect(Math.min(x, right), Math.min(y, bottom), Math.abs(right - x), Math.abs(bottom - y));
    return;
  }
  shape.points.map(at).forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  if (shape.kind === "lasso") {
    context.closePath();
    context.fill();
    return;
  }
  const [x, y] = at(shape.points[0]);
  context.lineTo(x + 0.01, y);
  context.lineWidth = shape.radius * 2 * Math.min(width, height);
  context.lineCap = context.lineJoin = "round";
  context.stroke();
}

/**
 * The mask as the API takes it: the address of a PNG, white where the video changes.
 * @param {MaskValue} value
 * @param {number} width
 * @param {number} height
 */
export function maskPicture(value, width, height) {
  const sheet = document.createElement("canvas");
  const picture = document.createElement("canvas");
  sheet.width = picture.width = width;
  sheet.height = picture.height = height;
  paint(/** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d")), value, [0, 0]);
  const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
  context.fillRect(0, 0, width, height);
  context.drawImage(sheet, 0, 0);
  return picture.toDataURL("image/png");
}
