import { side } from './shape.ts';

/** A place in an image, in pixels from its upper left corner; fractions are places within a pixel. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** About as wide as the strokes of MNIST, in pixels from the middle of a stroke to its edge. */
const radius = 1.1;

/**
 * The image with a straight stroke of a round, soft-edged pen on it; pixels stay multiples of 1/255.
 *
 * @param pixels 784 in 0..1.
 * @param ink 1 draws, 0 erases.
 */
export function stroke(pixels: Float32Array, from: Point, to: Point, ink: 0 | 1): Float32Array {
  const reach = ink ? radius : 1.5 * radius;
  return pixels.map((old, i) => {
    const middle = { x: (i % side) + 0.5, y: Math.floor(i / side) + 0.5 };
    const cover = Math.min(1, Math.max(0, reach + 0.5 - distance(middle, from, to)));
    const value = ink ? Math.max(old, cover) : Math.min(old, 1 - cover);
    return Math.round(255 * value) / 255;
  });
}

/** From a point to the nearest of a segment. */
function distance(point: Point, from: Point, to: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  const along = length && ((point.x - from.x) * dx + (point.y - from.y) * dy) / length;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(point.x - from.x - t * dx, point.y - from.y - t * dy);
}
