import { apgd } from './apgd.ts';
import type { Attack } from './attack.ts';
import { answersOnly } from './oracle.ts';

/** Settings of the transfer attack. The first three say how its surrogate is trained. */
export interface TransferSettings {
  /** How many images the surrogate learns from, at most; beside each it learns from changed copies. */
  readonly images: number;
  /** How often images are changed anew, along the gradient that the surrogate then has, and learned from. */
  readonly rounds: number;
  /** Steps of its training in each round. */
  readonly updates: number;
  /** Gradient steps of each restart, 1 or more. */
  readonly steps: number;
  /** Random starts, 1 or more. */
  readonly restarts: number;
}

/**
 * Transfer from a surrogate (Papernot et al. 2017): APGD along the gradient of a network that was trained on the
 * classifier's answers. The classifier is asked about each image that fools the surrogate, and it alone decides. How much
 * carries over depends on the surrogate, so that what is left proves less than what an attack by gradient leaves.
 */
export const transfer: Attack<TransferSettings> = {
  access: 'surrogate',
  norms: ['linf', 'l2'],
  goals: ['untargeted', 'targeted'],
  defaults: { images: 500, rounds: 3, updates: 200, steps: 50, restarts: 2 },
  title: ({ steps, restarts }) =>
    `transfer from a surrogate, ${steps} steps${restarts > 1 ? `, ${restarts} restarts` : ''}`,
  run: (oracle, batch, threat, { steps, restarts }, random) =>
    apgd.run(
      { ...answersOnly(oracle), gradient: oracle.surrogate! },
      batch,
      threat,
      { loss: 'ce', steps, restarts },
      random,
    ),
};
