import type { Batch, Images, Oracle } from '../runtime/attacks/index.ts';
import type { ImageSource } from '../runtime/data/source.ts';
import { InputError } from '../runtime/errors.ts';

/** Images and their true classes. */
export interface Examples {
  /**
   * Pixels in 0..1 in the order [image, channel, row, column], as many as the classifier takes; or the same with their
   * shape.
   */
  readonly images: Float32Array | Images;
  /** The class of each image, 0 to the number of classes - 1. */
  readonly labels: ArrayLike<number>;
  /** The class that each image is to become, for a targeted attack. */
  readonly targets?: ArrayLike<number>;
}

/**
 * Examples in memory, all of them where they are a source.
 *
 * @throws InputError when a source has no labels.
 */
export async function examplesFrom(given: Examples | ImageSource): Promise<Examples> {
  if (!('read' in given)) return given;
  if (given.labels === 'unknown') {
    throw new InputError(`${given.name}: has no labels; take the classifier's own answers with labelledBy`);
  }
  const { image, label } = await given.read(Array.from({ length: given.count }, (_, i) => i));
  return {
    images: { data: image.data, shape: image.shape } as Images,
    labels: label.data as Int32Array,
  };
}

/**
 * Examples as attacks take them.
 *
 * @throws InputError when images and labels do not fit each other, or the classifier, or the range.
 */
export function checkedBatch(
  { image: { channels, height, width }, classes }: Oracle,
  { images, labels, targets }: Examples,
  range: readonly [low: number, high: number] | null,
): Batch {
  const count = labels.length;
  if (count === 0) throw new InputError('there are no images; at least one is needed');
  const shape = [count, channels, height, width] as const;
  if (!(images instanceof Float32Array) && images.shape.join() !== shape.join()) {
    throw new InputError(`images are [${images.shape.join()}], must be [${shape.join()}]`);
  }
  const data = images instanceof Float32Array ? images : images.data;
  const size = channels * height * width;
  if (data.length !== count * size) {
    throw new InputError(
      `images hold ${data.length} pixels, must hold ${count * size}: ${count} labels, and ${channels}x${height}x${width} ` +
        'pixels an image',
    );
  }
  const [low, high] = range ?? [-Infinity, Infinity];
  const odd = data.findIndex((x) => !(Number.isFinite(x) && x >= low && x <= high));
  if (odd !== -1) {
    throw new InputError(
      `pixels must be in ${low}..${high}, got ${data[odd]} in image ${Math.floor(odd / size)}; scale them`,
    );
  }
  if (targets && targets.length !== count) {
    throw new InputError(`there are ${targets.length} targets for ${count} images; give one an image`);
  }
  return {
    images: { data, shape },
    labels: classesFrom('labels', labels, classes),
    ...(targets && { targets: classesFrom('targets', targets, classes) }),
    places: Int32Array.from({ length: count }, (_, i) => i),
  };
}

function classesFrom(what: string, given: ArrayLike<number>, classes: number): Int32Array {
  const all = Array.from(given);
  const wrong = all.findIndex((label) => !(Number.isInteger(label) && label >= 0 && label < classes));
  if (wrong === -1) return Int32Array.from(all);
  throw new InputError(`${what} must be integers in 0..${classes - 1}, got ${all[wrong]} for image ${wrong}`);
}

/** A part of a batch: `count` images from `start` on, or as many as there are. */
export function partOf({ images, labels, targets, places }: Batch, start: number, count: number): Batch {
  const end = Math.min(start + count, labels.length);
  const [, channels, height, width] = images.shape;
  const size = channels * height * width;
  return {
    images: {
      data: images.data.subarray(start * size, end * size),
      shape: [end - start, channels, height, width],
    },
    labels: labels.subarray(start, end),
    ...(targets && { targets: targets.subarray(start, end) }),
    places: places.subarray(start, end),
  };
}
