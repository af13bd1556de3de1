import { normalFrom } from '../random.ts';
import { imagesLike, sizeOf, sumOver, type Images } from './images.ts';
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
  /** How far each image is from its origin. */
  distance(images: Images, origin: Images): Float64Array;
}

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
    const [low, high] = range ? [Math.fround(range[0]), Math.fround(range[1])] : [-Infinity, Infinity];
    return imagesLike({ data, shape }, (at) => {
      const x = origin[at]!;
      const near = Math.min(Math.max(data[at]!, Math.fround(x - reach)), Math.fround(x + reach));
      return Math.min(Math.max(near, low), high);
    });
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
    const lengths = lengthsOf(origin, (at) => direction[at]!);
    return imagesLike(origin, (at) => {
      const image = Math.floor(at / size);
      return origin.data[at]! + radii[image]! * along(direction[at]!, lengths[image]!);
    });
  },
  // x + step * g / |g|
  ascend(images, gradient, step) {
    const size = sizeOf(images);
    const lengths = lengthsOf(gradient, (at) => gradient.data[at]!);
    return imagesLike(images, (at) => {
      const image = Math.floor(at / size);
      return images.data[at]! + step[image]! * along(gradient.data[at]!, lengths[image]!);
    });
  },
  // o + (x - o) * min(1, eps / |x - o|)
  project(images, origin, eps, range) {
    const size = sizeOf(images);
    const shrink = Array.from(l2.distance(images, origin), (distance) =>
      distance > eps ? eps / distance : 1,
    );
    const [low, high] = range ?? [-Infinity, Infinity];
    return imagesLike(images, (at) => {
      const o = origin.data[at]!;
      const factor = shrink[Math.floor(at / size)]!;
      const x = factor === 1 ? images.data[at]! : notBeyond(o, o + (images.data[at]! - o) * factor);
      return Math.min(Math.max(x, low), high);
    });
  },
  distance: ({ data, shape }, { data: origin }) =>
    lengthsOf({ data, shape }, (at) => data[at]! - origin[at]!),
};

/** The ball of each norm. */
export const balls: { readonly [N in Norm]: Ball } = { linf, l2 };

/** The Euclidean length of each image's part. */
const lengthsOf = (images: Images, value: (at: number) => number): Float64Array =>
  sumOver(images, (at) => value(at) ** 2).map(Math.sqrt);

/** A part of a unit vector; no direction where the vector is 0 or not finite. */
const along = (part: number, length: number): number =>
  length > 0 && Number.isFinite(length) ? part / length : 0;

/** The float32 nearest to `x` that is no further from `origin` than `x` is: rounding must not lead out of the ball. */
function notBeyond(origin: number, x: number): number {
  const rounded = Math.fround(x);
  if (Math.abs(rounded - origin) <= Math.abs(x - origin)) return rounded;
  const bits = new Int32Array(Float32Array.of(rounded).buffer);
  // away from zero the bits of a float32 rise by 1 a step, whatever its sign
  bits[0]! += rounded > origin === rounded > 0 ? -1 : 1;
  return new Float32Array(bits.buffer)[0]!;
}
