import type { Logits } from './images.ts';

/** How many classes an attacker that aims is tried with at most. */
export const mostTargets = 9;

/**
 * The classes other than the label that a classifier finds likeliest: first those of the largest logit, one an image, then
 * those of the second, and so on.
 *
 * @param most how many an image; there are never more than there are other classes.
 */
export function likeliestOthers(
  { data, shape: [count, classes] }: Logits,
  labels: Int32Array,
  most: number,
): readonly Int32Array[] {
  const orders = Array.from({ length: count }, (_, i) =>
    Array.from({ length: classes }, (_, c) => c)
      .filter((c) => c !== labels[i])
      // equal logits stay in the order of the classes
      .sort((a, b) => data[i * classes + b]! - data[i * classes + a]!),
  );
  return Array.from({ length: Math.min(most, classes - 1) }, (_, rank) =>
    Int32Array.from(orders, (order) => order[rank]!),
  );
}
