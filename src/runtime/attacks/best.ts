import { sizeOf, type Images } from './images.ts';

/** Attacked images, and how good each is. */
export interface Candidates {
  readonly images: Images;
  readonly scores: readonly Merit[];
}

/** How good an attacked image is. */
export interface Merit {
  /** The goal is reached: the answer is wrong, or is the target. */
  readonly reached: boolean;
  /** How far the loss has gone the attacker's way. */
  readonly loss: number;
}

/** For each image by itself the better of two: the one that reaches the goal, else the one of the larger loss. */
export function better(a: Candidates, b: Candidates): Candidates {
  const size = sizeOf(a.images);
  const data = a.images.data.slice();
  const scores = a.scores.map((own, i) => {
    const other = b.scores[i]!;
    const takes = own.reached === other.reached ? other.loss > own.loss : other.reached;
    if (!takes) return own;
    data.set(b.images.data.subarray(i * size, (i + 1) * size), i * size);
    return other;
  });
  return { images: { data, shape: a.images.shape }, scores };
}
