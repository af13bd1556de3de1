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

/** One of the images, as images of one; it shares their memory. */
export function rowOf({ data, shape }: Images, row: number): Images {
  const [, channels, height, width] = shape;
  const size = channels * height * width;
  return { data: data.subarray(row * size, (row + 1) * size), shape: [1, channels, height, width] };
}

/** So many images of the size of `like`, in the beginning of some memory. */
export function imagesIn(room: Float32Array, count: number, like: Images): Images {
  const [, channels, height, width] = like.shape;
  return { data: room.subarray(0, count * sizeOf(like)), shape: [count, channels, height, width] };
}

/**
 * Images of one size put together, one after another.
 *
 * @param room memory for as many or more, where it is to be used again and again.
 */
export function stacked(rows: readonly Images[], room?: Float32Array): Images {
  const size = sizeOf(rows[0]!);
  const all = imagesIn(room ?? new Float32Array(rows.length * size), rows.length, rows[0]!);
  rows.forEach((row, i) => all.data.set(row.data, i * size));
  return all;
}

/** The images at `indices`, in that order. */
export function imagesAt(images: Images, indices: ArrayLike<number>): Images {
  const size = sizeOf(images);
  const data = new Float32Array(indices.length * size);
  for (let to = 0; to < indices.length; to++) {
    data.set(images.data.subarray(indices[to]! * size, (indices[to]! + 1) * size), to * size);
  }
  const [, channels, height, width] = images.shape;
  return { data, shape: [indices.length, channels, height, width] };
}

/** Some images of a batch, in the order of `indices`. */
export function someOf({ images, labels, targets, places }: Batch, indices: ArrayLike<number>): Batch {
  const pick = (values: Int32Array): Int32Array => Int32Array.from(indices, (i) => values[i]!);
  return {
    images: imagesAt(images, indices),
    labels: pick(labels),
    ...(targets && { targets: pick(targets) }),
    places: pick(places),
  };
}
