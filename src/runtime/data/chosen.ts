import { permutation, stream } from '../random.ts';
import { at, limit, range, type ImageSource } from './source.ts';

/** Which images are taken where there are more than are wanted. */
export interface Choice {
  /** How many at most, 1 or more. Left out: all. */
  readonly count?: number;
  /** Draws them at random, the same for the same seed. Left out: the first. */
  readonly seed?: number;
}

/** The places of the images to take of `total`, in ascending order. */
export function chosenPlaces(total: number, { count = total, seed }: Choice): Uint32Array {
  if (count >= total) return range(0, total);
  if (seed === undefined) return range(0, count);
  return permutation(total, stream(seed, 'chosen images')).subarray(0, count).toSorted();
}

/** The images of a source that are chosen, as a source. Its hash remains that of the whole. */
export function chosenOf(source: ImageSource, choice: Choice): ImageSource {
  const { count = source.count, seed } = choice;
  if (count >= source.count) return source;
  if (seed === undefined) return limit(source, count);
  return at(source, chosenPlaces(source.count, choice));
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
