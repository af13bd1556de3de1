import type { ImageShape } from '../attacks/images.ts';
import { InputError } from '../errors.ts';
import { float32, type Tensor } from '../tensor.ts';

/** Images as a network takes them: float32 [n,channels,height,width] in 0..1, and labels int32 [n]. */
export interface Batch {
  readonly image: Tensor;
  readonly label: Tensor;
}

/** Labelled images of one size, read a batch at a time: a split that does not fit in memory is a source like any other. */
export interface ImageSource {
  /** What people call it: `mnist`, or the last part of a path. */
  readonly name: string;
  readonly shape: ImageShape;
  /** The names of the classes; a label is a place in this list. */
  readonly classes: readonly string[];
  /** The number of images, 1 or more. */
  readonly count: number;
  /** SHA-256, in hexadecimal, of what the images and labels were read from. */
  readonly sha256: string;
  /**
   * What the labels are, where they are not true classes: `unknown` labels are all -1, and `answers` are a classifier's
   * own (see {@link labelledBy}), so that accuracy on them is agreement with itself.
   */
  readonly labels?: 'unknown' | 'answers';
  /** The name of each image, where each is a file: a path in the data set, with `/` between its parts. */
  readonly names?: readonly string[];
  /** How many images there were before some were chosen; absent where nobody chose. */
  readonly total?: number;
  /** The place of each image among those that it was chosen of; absent where these are the first. */
  readonly places?: Uint32Array;
  /** Images that could not be read and were left out. */
  readonly skipped?: readonly Skipped[];
  /**
   * The images at some places, in that order.
   *
   * @param indices each in 0..`count - 1`; any may stand there twice.
   * @throws InputError when they cannot be read any more.
   */
  readonly read: (indices: ArrayLike<number>) => Promise<Batch>;
  /** All of it, where it is small enough for memory: training hands it to the program in one piece. */
  readonly stored?: Stored;
}

/** A file that is no image, and why not, in one line. */
export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** What is known of images before one is read. */
export type About = Omit<ImageSource, 'count' | 'read' | 'stored'>;

/** Images up to this many bytes are kept in memory; larger data sets are read when they are asked for. */
export const memory: number = 512 * 2 ** 20;

/** Images and labels in memory. */
export interface Stored {
  /** `count * channels * height * width` bytes, row-major, 0 to 255. */
  readonly images: Uint8Array;
  /** `count` classes. */
  readonly labels: Int32Array;
}

/** A source that is in memory. */
export interface StoredSource extends ImageSource {
  readonly stored: Stored;
}

/** The number of values of an image. */
export const valuesOf = ({ channels, height, width }: ImageShape): number => channels * height * width;

/** Images and labels in memory as a source. The number of labels is the number of images. */
export function storedSource(about: About, stored: Stored): StoredSource {
  const source = { ...about, count: stored.labels.length, stored };
  return { ...source, read: (indices) => Promise.resolve(batchAt(source, indices)) };
}

/** The images at `indices` of a source in memory, in that order: {@link ImageSource.read} without a promise. */
export function batchAt(
  { stored: { images, labels }, shape }: Pick<StoredSource, 'stored' | 'shape'>,
  indices: ArrayLike<number>,
): Batch {
  const values = valuesOf(shape);
  const bytes = new Uint8Array(indices.length * values);
  const label = new Int32Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * values;
    bytes.set(images.subarray(from, from + values), i * values);
    label[i] = labels[indices[i]!]!;
  }
  return batchOf(bytes, label, shape);
}

/** Images as they are stored, 0 to 255, as a network takes them. */
export function batchOf(
  bytes: Uint8Array,
  labels: Int32Array,
  { channels, height, width }: ImageShape,
): Batch {
  const count = labels.length;
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < values.length; i++) values[i] = bytes[i]! / 255;
  return {
    image: float32([count, channels, height, width], values),
    label: labelsTensor(labels),
  };
}

/** Labels as a network takes them. */
export const labelsTensor = (labels: Int32Array): Tensor => ({
  dtype: 'int32',
  shape: [labels.length],
  data: labels,
});

/** The first images of a source, all of them where there are no more than `most`. */
export const firstOf = (source: ImageSource, most: number): Promise<Batch> =>
  source.read(range(0, Math.min(most, source.count)));

/** Consecutive images in batches of at most `size`; the last may be smaller. */
export async function* inOrder(
  source: ImageSource,
  size: number,
): AsyncGenerator<Batch & { readonly start: number }> {
  for (let start = 0; start < source.count; start += size) {
    yield { start, ...(await source.read(range(start, Math.min(start + size, source.count)))) };
  }
}

/** Consecutive integers. */
export const range = (from: number, to: number): Uint32Array =>
  Uint32Array.from({ length: to - from }, (_, i) => from + i);

/**
 * The first `n` images, as views where they are in memory.
 *
 * @param n an integer in 1..`source.count`.
 * @throws InputError if `n` is outside that range.
 */
export function limit(source: StoredSource, n: number): StoredSource;
export function limit(source: ImageSource, n: number): ImageSource;
export function limit(source: ImageSource, n: number): ImageSource {
  const { count, stored, read, ...about } = source;
  if (!Number.isInteger(n) || n < 1 || n > count) {
    throw new InputError(`the limit must be an integer in 1..${count}, the examples there are; got ${n}`);
  }
  const some = {
    ...about,
    ...(about.names && { names: about.names.slice(0, n) }),
    ...(about.places && { places: about.places.slice(0, n) }),
  };
  if (stored) {
    const images = stored.images.subarray(0, n * valuesOf(about.shape));
    return storedSource(some, { images, labels: stored.labels.subarray(0, n) });
  }
  return { ...some, count: n, read };
}

/** The images at some places, as a source; in memory where the source is. Its hash remains that of the whole. */
export function at(source: ImageSource, places: Uint32Array): ImageSource {
  const { stored, read, names, ...about } = source;
  const some = {
    ...about,
    places: places.map((place) => about.places?.[place] ?? place),
    ...(names && { names: Array.from(places, (place) => names[place]!) }),
  };
  if (stored) {
    const values = valuesOf(about.shape);
    const images = new Uint8Array(places.length * values);
    places.forEach((place, i) =>
      images.set(stored.images.subarray(place * values, (place + 1) * values), i * values),
    );
    return storedSource(some, { images, labels: Int32Array.from(places, (place) => stored.labels[place]!) });
  }
  return {
    ...some,
    count: places.length,
    read: (indices) => read(Array.from(indices, (index) => places[index]!)),
  };
}

/** Classes without names. */
export const numbered = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, label) => String(label));

/** The same source in memory, for training, however large it is. */
export async function inMemory(source: ImageSource): Promise<StoredSource> {
  const { shape, count, stored } = source;
  if (stored) return storedSource(source, stored);
  const images = new Uint8Array(count * valuesOf(shape));
  const labels = new Int32Array(count);
  for await (const { start, image, label } of inOrder(source, 1000)) {
    // bytes come back exactly: a byte / 255 in float32 is nearer to it than to its neighbours
    images.set(
      Uint8Array.from(image.data as Float32Array, (value) => Math.round(255 * value)),
      start * valuesOf(shape),
    );
    labels.set(label.data as Int32Array, start);
  }
  return storedSource(source, { images, labels });
}
