import { nextFloat32 } from '../float32.ts';
import { normalFrom } from '../random.ts';
import { sizeOf, type Images } from './images.ts';
import type { Norm, ThreatModel } from './threat.ts';

/** The images within eps of an origin, and how to move among them. */
export interface Ball {
  /** The random numbers that a start takes of each image. */
  startLength(size: number): number;
  /**
   * Points drawn from the ball around each image, all equally likely.
   *
   * @param uniformOf the random numbers of an image, {@link startLength} of them.
   */
  start(origin: Images, eps: number, uniformOf: (image: number) => () => number): Images;
  /**
   * The images after a step up the gradient, the steepest of its size in this norm.
   *
   * @param step its size, one an image, in the image's unit; negative to go down.
   */
  ascend(images: Images, gradient: Images, step: ArrayLike<number>): Images;
  /**
   * The images brought into the ball around `origin`, then into the range.
   *
   * @param origin images in the range.
   */
  project(images: Images, origin: Images, eps: number, range: ThreatModel['range']): Images;
  /** {@link ascend}, then {@link project}, to the bit; in one pass where the norm allows it. */
  step(
    images: Images,
    gradient: Images,
    step: ArrayLike<number>,
    origin: Images,
    eps: number,
    range: ThreatModel['range'],
  ): Images;
  /** The `Glide` around `origin`: what is the same in every step is computed once. */
  glideIn(origin: Images, eps: number, range: ThreatModel['range']): Glide;
  /** How far each image is from its origin. */
  distance(images: Images, origin: Images): Float64Array;
}

/**
 * A {@link Ball.step} of which `own` counts, the rest is the move from `previous` to the images; projected again.
 *
 *     project(x + own * (step(x) - x) + (1 - own) * (x - previous))
 *
 * @param into where the images are written; none of those that are read.
 */
export type Glide = (
  images: Images,
  previous: Images,
  gradient: Images,
  step: ArrayLike<number>,
  own: number,
  into: Float32Array,
) => void;

/**
 * The cube of side 2 eps. Steps and projection round to float32 after each operation, in the order of multiplication,
 * addition, maximum, minimum: what an ONNX graph of these four computes, bit for bit. So a pixel's bound is x +- eps
 * rounded to float32.
 */
const linf: Ball = {
  startLength: (size) => size,
  start({ data, shape }, eps, uniformOf) {
    const size = sizeOf({ data, shape });
    const started = new Float32Array(data.length);
    for (let from = 0; from < data.length; from += size) {
      const uniform = uniformOf(from / size);
      for (let at = from; at < from + size; at++) started[at] = data[at]! + (2 * uniform() - 1) * eps;
    }
    return { data: started, shape };
  },
  // x + step * sign(g)
  ascend({ data, shape }, { data: gradient }, step) {
    const size = sizeOf({ data, shape });
    const moved = new Float32Array(data.length);
    for (let from = 0; from < data.length; from += size) {
      const length = Math.fround(step[from / size]!);
      for (let at = from; at < from + size; at++) {
        const slope = gradient[at]!;
        // comparisons, so that a slope that is no number moves nothing
        moved[at] = slope > 0 ? data[at]! + length : slope < 0 ? data[at]! - length : data[at]!;
      }
    }
    return { data: moved, shape };
  },
  // min(max(min(max(x, o - eps), o + eps), low), high)
  project({ data, shape }, { data: origin }, eps, range) {
    const reach = Math.fround(eps);
    const [low, high] = bounds(range);
    const projected = new Float32Array(data.length);
    for (let at = 0; at < data.length; at++) {
      const x = origin[at]!;
      const near = Math.min(Math.max(data[at]!, Math.fround(x - reach)), Math.fround(x + reach));
      projected[at] = Math.min(Math.max(near, low), high);
    }
    return { data: projected, shape };
  },
  step({ data, shape }, { data: gradient }, step, { data: origin }, eps, range) {
    const reach = Math.fround(eps);
    const [low, high] = bounds(range);
    const size = sizeOf({ data, shape });
    const moved = new Float32Array(data.length);
    for (let from = 0; from < data.length; from += size) {
      const length = Math.fround(step[from / size]!);
      for (let at = from; at < from + size; at++) {
        const slope = gradient[at]!;
        const o = origin[at]!;
        const ahead = Math.fround(data[at]! + (slope > 0 ? length : slope < 0 ? -length : 0));
        const near = Math.min(Math.max(ahead, Math.fround(o - reach)), Math.fround(o + reach));
        moved[at] = Math.min(Math.max(near, low), high);
      }
    }
    return { data: moved, shape };
  },
  glideIn(origin, eps, range) {
    const reach = Math.fround(eps);
    const [low, high] = bounds(range);
    const size = sizeOf(origin);
    // the origin lies in the range, so the nearer of the two bounds on a side is the bound
    const least = origin.data.map((x) => Math.max(Math.fround(x - reach), low));
    const most = origin.data.map((x) => Math.min(Math.fround(x + reach), high));
    return ({ data }, { data: previous }, { data: gradient }, step, own, into) => {
      for (let from = 0; from < data.length; from += size) {
        const length = Math.fround(step[from / size]!);
        for (let at = from; at < from + size; at++) {
          const x = data[at]!;
          const slope = gradient[at]!;
          const lower = least[at]!;
          const upper = most[at]!;
          const ahead = Math.fround(x + (slope > 0 ? length : slope < 0 ? -length : 0));
          const plain = Math.min(Math.max(ahead, lower), upper);
          const mixed = Math.fround(x + own * (plain - x) + (1 - own) * (x - previous[at]!));
          into[at] = Math.min(Math.max(mixed, lower), upper);
        }
      }
    };
  },
  distance(images, { data: origin }) {
    const size = sizeOf(images);
    return Float64Array.from({ length: images.data.length / size }, (_, i) => {
      let largest = 0;
      for (let at = i * size; at < (i + 1) * size; at++) {
        largest = Math.max(largest, Math.abs(images.data[at]! - origin[at]!));
      }
      return largest;
    });
  },
};

/** The Euclidean ball. Lengths are in double precision; a projected image is never further than eps from its origin. */
const l2: Ball = {
  startLength: (size) => 2 * size + 1,
  // a direction by normal numbers (Muller 1959), and a radius whose power `size` is uniform
  start(origin, eps, uniformOf) {
    const size = sizeOf(origin);
    const radii: number[] = [];
    const direction = new Float64Array(origin.data.length);
    for (let from = 0; from < direction.length; from += size) {
      const uniform = uniformOf(from / size);
      radii.push(eps * uniform() ** (1 / size));
      for (let at = from; at < from + size; at++) direction[at] = normalFrom(uniform);
    }
    const started = new Float32Array(origin.data.length);
    for (let from = 0; from < direction.length; from += size) {
      const length = lengthOf(direction, null, from, from + size);
      const radius = radii[from / size]!;
      for (let at = from; at < from + size; at++) {
        started[at] = origin.data[at]! + radius * along(direction[at]!, length);
      }
    }
    return { data: started, shape: origin.shape };
  },
  // x + step * g / |g|
  ascend({ data, shape }, { data: gradient }, step) {
    const size = sizeOf({ data, shape });
    const moved = new Float32Array(data.length);
    for (let from = 0; from < data.length; from += size) {
      const length = lengthOf(gradient, null, from, from + size);
      const far = step[from / size]!;
      for (let at = from; at < from + size; at++) {
        moved[at] = data[at]! + far * along(gradient[at]!, length);
      }
    }
    return { data: moved, shape };
  },
  // o + (x - o) * min(1, eps / |x - o|)
  project({ data, shape }, { data: origin }, eps, range) {
    const size = sizeOf({ data, shape });
    const [low, high] = range ?? [-Infinity, Infinity];
    const projected = new Float32Array(data.length);
    for (let from = 0; from < data.length; from += size) {
      const distance = lengthOf(data, origin, from, from + size);
      const shrink = eps / distance;
      for (let at = from; at < from + size; at++) {
        const o = origin[at]!;
        const x = distance > eps ? notBeyond(o, o + (data[at]! - o) * shrink) : data[at]!;
        projected[at] = Math.min(Math.max(x, low), high);
      }
    }
    return { data: projected, shape };
  },
  step: (images, gradient, step, origin, eps, range) =>
    l2.project(l2.ascend(images, gradient, step), origin, eps, range),
  glideIn(origin, eps, range) {
    const moved = new Float32Array(origin.data.length);
    return (images, { data: previous }, gradient, step, own, into) => {
      const { data: plain, shape } = l2.step(images, gradient, step, origin, eps, range);
      const { data } = images;
      for (let at = 0; at < data.length; at++) {
        const x = data[at]!;
        moved[at] = x + own * (plain[at]! - x) + (1 - own) * (x - previous[at]!);
      }
      into.set(l2.project({ data: moved, shape }, origin, eps, range).data);
    };
  },
  distance(images, { data: origin }) {
    const size = sizeOf(images);
    return Float64Array.from({ length: images.data.length / size }, (_, i) =>
      lengthOf(images.data, origin, i * size, (i + 1) * size),
    );
  },
};

/** The ball of each norm. */
export const balls: { readonly [N in Norm]: Ball } = { linf, l2 };

/** The range in float32, in which images are. */
const bounds = (range: ThreatModel['range']): readonly [low: number, high: number] =>
  range ? [Math.fround(range[0]), Math.fround(range[1])] : [-Infinity, Infinity];

/** The Euclidean length of a part of `x`, or of `x - origin`. */
function lengthOf(
  x: Float32Array | Float64Array,
  origin: Float32Array | null,
  from: number,
  end: number,
): number {
  let sum = 0;
  for (let at = from; at < end; at++) {
    const part = origin ? x[at]! - origin[at]! : x[at]!;
    sum += part * part;
  }
  return Math.sqrt(sum);
}

/** A part of a unit vector; no direction where the vector is 0 or not finite. */
const along = (part: number, length: number): number =>
  length > 0 && Number.isFinite(length) ? part / length : 0;

/** The float32 nearest to `x` that is no further from `origin` than `x` is: rounding must not lead out of the ball. */
function notBeyond(origin: number, x: number): number {
  const rounded = Math.fround(x);
  if (Math.abs(rounded - origin) <= Math.abs(x - origin)) return rounded;
  return nextFloat32(rounded, rounded > origin ? -1 : 1);
}
