import { permutation, stream } from '../random.ts';
import type { ImageSource } from './source.ts';

/** An epoch's order of examples, the same for the same seed, network and epoch. */
export const epochOrder = (
  { count }: Pick<ImageSource, 'count'>,
  seed: number,
  network: string,
  epoch: number,
): Uint32Array => permutation(count, stream(seed, network, 'order', epoch));
