/** The size of one image. */
export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Images of one size, float32 in row-major order; or anything in their shape, such as gradients. */
export interface Images {
  readonly data: Float32Array;
  readonly shape: readonly [count: number, channels: number, height: number, width: number];
}

/** What a classifier says of each image, before softmax. */
export interface Logits {
  readonly data: Float32Array;
  readonly shape: readonly [count: number, classes: number];
}

/** Images to attack. */
export interface Batch {
  readonly images: Images;
  /** The true class of each image. */
  readonly labels: Int32Array;
  /** The class that each image is to become; present where the goal is targeted. */
  readonly targets?: Int32Array;
  /**
   * The place of each image in its data set, from 0. It picks the image's random numbers, so that an image is attacked
   * alike whichever batch it comes in.
   */
  readonly places: Int32Array;
}

/** The number of images. */
export const countOf = ({ shape: [count] }: Images): number => count;

/** The number of values of one image. */
export const sizeOf = ({ shape: [, channels, height, width] }: Images): number => channels * height * width;

/** Images of the same shape, with each value computed from its position. */
export function imagesLike({ data, shape }: Images, value: (at: number) => number): Images {
  const result = new Float32Array(data.length);
  for (let at = 0; at < result.length; at++) result[at] = value(at);
  return { data: result, shape };
}

/** The sum of `term` over the values of each image, in double precision. */
export function sumOver(images: Images, term: (at: number) => number): Float64Array {
  const size = sizeOf(images);
  return Float64Array.from({ length: countOf(images) }, (_, i) => {
    let sum = 0;
    for (let at = i * size; at < (i + 1) * size; at++) sum += term(at);
    return sum;
  });
}
