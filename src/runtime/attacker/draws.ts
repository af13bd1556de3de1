import { stream } from '../random.ts';

/** What an epoch draws for each of its images, in the order of the epoch. */
export interface EpochDraws {
  /** float32, from the least eps to the largest. */
  readonly eps: Float32Array;
  /** How far the target lies behind the label, 1 to classes - 1: every other class is equally likely. */
  readonly ahead: Int32Array;
}

/** The draws of an epoch, the same for the same seed however often the training is interrupted. */
export function epochDraws(
  count: number,
  { eps: [low, high], classes }: { readonly eps: readonly [number, number]; readonly classes: number },
  seed: number,
  epoch: number,
): EpochDraws {
  const [size, aim] = [stream(seed, 'attacker', 'eps', epoch), stream(seed, 'attacker', 'target', epoch)];
  return {
    eps: Float32Array.from({ length: count }, () => low + (high - low) * size.uniform()),
    ahead: Int32Array.from({ length: count }, () => 1 + aim.below(classes - 1)),
  };
}
