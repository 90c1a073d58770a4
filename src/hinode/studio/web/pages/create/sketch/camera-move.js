// A plan seen by a camera in numbers, as the model sees it.
import { round } from "../form.js";
import { cameraAt, NEARNESS, STEP, viewOf } from "./motion.js";

/** A value between points, along straight lines. @param {[number, number, number][]} points @param {1 | 2} axis @param {number} seconds */
export function valueAt(points, axis, seconds) {
  const after = points.findIndex((point) => point[0] >= seconds);
  if (after === 0) return points[0][axis];
  if (after < 0) return points[points.length - 1][axis];
  const [first, second] = [points[after - 1], points[after]];
  return first[axis] + ((second[axis] - first[axis]) * (seconds - first[0])) / (second[0] - first[0] || 1);
}

/**
 * @param {import("./motion.js").Plan} plan
 * @param {[number, number, number][]} points seconds, pan in short sides, zoom
 * @param {string} size
 */
export function moveCamera(plan, points, size) {
  if (!points.length) return plan;
  const [width, height] = size.split("x").map(Number);
  const wide = Math.max(width / height, 1);
  const high = Math.max(height / width, 1);
  const moments = plan.camera.x.map((_, k) => k * STEP);
  const pans = moments.map((seconds) => round(valueAt(points, 1, seconds) - valueAt(points, 1, 0)));
  const zooms = moments.map((seconds) => round(valueAt(points, 2, seconds)));
  const moved = { ...plan, camera: { move: "still", x: pans, y: pans.map(() => 0), scale: zooms, zoom: zooms } };
  const subjects = plan.subjects.map((subject) => {
    const keys = moments.map((seconds, k) => {
      const own = viewOf(cameraAt(plan, seconds), NEARNESS);
      const next = viewOf(cameraAt(moved, seconds), NEARNESS);
      const x = ((subject.x[k] - 0.5) * wide) / own.scale + own.x;
      const y = ((subject.y[k] - 0.5) * high) / own.scale + own.y;
      return [((x - next.x) * next.scale) / wide + 0.5, ((y - next.y) * next.scale) / high + 0.5, (subject.size[k] * next.scale) / own.scale];
    });
    return { ...subject, x: keys.map((key) => key[0]), y: keys.map((key) => key[1]), size: keys.map((key) => key[2]) };
  });
  return { ...moved, subjects };
}
