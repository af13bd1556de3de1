import { adam, everyNth, type Optimizer } from '../builder/index.ts';
import type { nn } from '../builder/index.ts';

/**
 * Where the paper does not say how it was done, other ways than ours to read it:
 *
 * - `dcgan`: A by Adam with learning rate 2e-4 and beta1 0.5, its kernels with a standard deviation of 0.02, as most generators
 *   of 2016. They are drawn from the uniform distribution of that deviation.
 * - `target-batch-statistics`: while A learns, C1 normalises by the batch, as code without `eval()` does.
 * - `batch-statistics`: every network normalises by the batch, while A learns and when it is measured.
 * - `separate-batches`: alternating, A learns on the first half of a batch and C1 on the second.
 * - `five-attacker-steps`: alternating, C1 takes a step at every fifth of A's.
 * - `clean-too`: alternating, C1 learns from clean images beside the attacked ones.
 */
export const readings = [
  'dcgan',
  'target-batch-statistics',
  'batch-statistics',
  'separate-batches',
  'five-attacker-steps',
  'clean-too',
] as const;
export type Reading = (typeof readings)[number];

/** Which readings a program follows; none when left out. */
export interface Readings {
  readonly readings?: readonly Reading[] | undefined;
}

/** How C1 normalises while A learns. */
export const targetPhase = ({ readings: taken = [] }: Readings): 'infer' | 'batch' =>
  taken.includes('target-batch-statistics') || taken.includes('batch-statistics') ? 'batch' : 'infer';

/** How a trained network normalises when it is measured. */
export const measuredPhase = ({ readings: taken = [] }: Readings): 'infer' | 'batch' =>
  taken.includes('batch-statistics') ? 'batch' : 'infer';

interface Learning extends Readings {
  readonly learningRate: number;
}

export const attackerOptimizer = ({ learningRate, readings: taken = [] }: Learning): Optimizer =>
  adam({
    network: 'attacker',
    ...(taken.includes('dcgan') ? { learningRate: 2e-4, beta1: 0.5 } : { learningRate }),
  });

/** C1's in alternating training. */
export function alternatingOptimizer({ learningRate, readings: taken = [] }: Learning): Optimizer {
  const optimizer = adam({ learningRate, network: 'classifier' });
  return taken.includes('five-attacker-steps') ? everyNth(optimizer, 5, 'classifier') : optimizer;
}

/** A's parameters as they begin. */
export function begun(parameters: nn.Parameters, { readings: taken = [] }: Readings): nn.Parameters {
  if (!taken.includes('dcgan')) return parameters;
  const bound = 0.02 * Math.sqrt(3);
  return {
    ...parameters,
    trainable: parameters.trainable.map((variable) =>
      variable.value.shape.length === 4
        ? { ...variable, init: { kind: 'uniform', low: -bound, high: bound } }
        : variable,
    ),
  };
}
