import { permutation, stream } from '../random.ts';
import { limit, range, type ImageSource } from './source.ts';

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
  const places = chosenPlaces(source.count, choice);
  const { stored: _, read, names, ...about } = source;
  return {
    ...about,
    ...(names && { names: Array.from(places, (place) => names[place]!) }),
    count: places.length,
    read: (indices) => read(Array.from(indices, (index) => places[index]!)),
  };
}
