import type { Split } from './dataset.ts';
import { permutation, stream } from '../random.ts';
import { float32, type Tensor } from '../tensor.ts';

/** Images as a network takes them: float32 [n,1,height,width] in 0..1, and labels int32 [n]. */
export interface Batch {
  readonly image: Tensor;
  readonly label: Tensor;
}

/** The examples at `indices`, in that order. */
export function batchAt(split: Split, indices: ArrayLike<number>): Batch {
  const pixels = split.height * split.width;
  const count = indices.length;
  const image = new Float32Array(count * pixels);
  const label = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const from = indices[i]! * pixels;
    for (let p = 0; p < pixels; p++) image[i * pixels + p] = split.images[from + p]! / 255;
    label[i] = split.labels[indices[i]!]!;
  }
  return {
    image: float32([count, 1, split.height, split.width], image),
    label: { dtype: 'int32', shape: [count], data: label },
  };
}

/** An epoch's order of examples, the same for the same seed, network and epoch. */
export const epochOrder = (split: Split, seed: number, network: string, epoch: number): Uint32Array =>
  permutation(split.count, stream(seed, network, 'order', epoch));

/** Consecutive examples in batches of at most `size`; the last may be smaller. */
export function* inOrder(split: Split, size: number): Generator<Batch & { readonly start: number }> {
  for (let start = 0; start < split.count; start += size) {
    const length = Math.min(size, split.count - start);
    yield {
      start,
      ...batchAt(
        split,
        Uint32Array.from({ length }, (_, i) => start + i),
      ),
    };
  }
}
