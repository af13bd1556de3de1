import { permutation, stream } from '../random.ts';
import { at, inOrder, limit, type ImageSource } from './source.ts';

/** Which images are taken where there are more than are wanted. */
export interface Choice {
  /** How many at most, 1 or more. Left out: all. */
  readonly count?: number;
  /**
   * Draws them at random, the same for the same seed, of each class its share; in an order in which the first of them are
   * of all classes, too. Left out: the first.
   */
  readonly seed?: number;
}

/**
 * The places of images in an order whose every beginning is a stratified sample: the n-th image of a class, in random
 * order, from 0 on, comes after (n + u) / N of all, where the class has N images and u is a random number in [0, 1). So a class
 * has about its share of the first k images, and those are also among the first k + 1.
 *
 * @param labels the class of each image; all alike where nobody knows them.
 */
export function spread(labels: Int32Array, seed: number): Uint32Array {
  const classes = new Map<number, { readonly begin: number; images: number }>();
  const ranks = new Uint32Array(labels.length);
  const order = permutation(labels.length, stream(seed, 'chosen images'));
  const begins = stream(seed, 'chosen images', 'classes');
  const ofClass = [...new Set(labels)].toSorted((a, b) => a - b);
  for (const label of ofClass) classes.set(label, { begin: begins.uniform(), images: 0 });
  for (const place of order) ranks[place] = classes.get(labels[place]!)!.images++;
  const when = Float64Array.from(labels, (label, place) => {
    const { begin, images } = classes.get(label)!;
    return (ranks[place]! + begin) / images;
  });
  // what comes at the same time comes in random order, too: the sort is stable
  return order.toSorted((a, b) => when[a]! - when[b]!);
}

/** The images of a source that are chosen, as a source. Its hash remains that of the whole. */
export async function chosenOf(source: ImageSource, { count, seed }: Choice): Promise<ImageSource> {
  const most = Math.min(count ?? source.count, source.count);
  if (seed !== undefined) return at(source, spread(await labelsOf(source), seed).subarray(0, most));
  return most === source.count ? source : limit(source, most);
}

/** All images as they come or, where fewer are wanted, some that {@link chosenOf} draws. */
export async function drawn(
  source: ImageSource,
  count: number | undefined,
  seed: number,
): Promise<ImageSource> {
  return count === undefined || count >= source.count ? source : await chosenOf(source, { count, seed });
}

/** The labels of all images. A source that is not in memory is read once for them. */
async function labelsOf(source: ImageSource): Promise<Int32Array> {
  if (source.stored) return source.stored.labels;
  const labels = new Int32Array(source.count);
  for await (const { start, label } of inOrder(source, 100)) labels.set(label.data as Int32Array, start);
  return labels;
}

/** A source in two, drawn at random: `count` images in the first, the others in the second. */
export function heldOut(
  source: ImageSource,
  count: number,
  seed: number,
): readonly [first: ImageSource, others: ImageSource] {
  const order = permutation(source.count, stream(seed, 'held out'));
  return [at(source, order.subarray(0, count).toSorted()), at(source, order.subarray(count).toSorted())];
}
