import type { Configured, Untrained } from '../attacks/index.ts';

/** Attacks in the order in which an audit runs them: each sees only the images that are still right. */
export type Preset = readonly Configured<Untrained>[];

/** Plain data, so that a document can hold every setting. */
export const presets = {
  /** Seconds: what a change of code or weights is checked by. Leaves more than `standard` does. */
  quick: [
    { attack: 'fgsm', settings: {} },
    { attack: 'apgd', settings: { loss: 'ce', steps: 20, restarts: 1 } },
    { attack: 'apgd-t', settings: { loss: 'dlr', steps: 20, targets: 3, restarts: 1 } },
    { attack: 'square', settings: { queries: 200, part: 0.8, shrinkOver: null, restarts: 1 } },
  ],
  /** The attacks and the settings of AutoAttack's standard version (Croce and Hein 2020), in its order. */
  standard: [
    { attack: 'apgd', settings: { loss: 'ce', steps: 100, restarts: 1 } },
    { attack: 'apgd-t', settings: { loss: 'dlr', steps: 100, targets: 9, restarts: 1 } },
    { attack: 'fab', settings: { steps: 100, targets: 9, restarts: 1 } },
    { attack: 'square', settings: { queries: 5000, part: 0.8, shrinkOver: 10_000, restarts: 1 } },
  ],
  /**
   * Beyond AutoAttack: more starts, the losses that it leaves out, both schedules of Square, small steps. Cheap attacks
   * come first, so that the long ones at the end see only what is hard to break; per image that stays right, about six
   * times `standard`.
   */
  thorough: [
    { attack: 'pgd', settings: { steps: 40, stepSize: null, restarts: 1 } },
    { attack: 'apgd', settings: { loss: 'ce', steps: 100, restarts: 1 } },
    { attack: 'apgd', settings: { loss: 'margin', steps: 100, restarts: 4 } },
    { attack: 'apgd-t', settings: { loss: 'dlr', steps: 100, targets: 9, restarts: 1 } },
    { attack: 'square', settings: { queries: 5000, part: 0.8, shrinkOver: null, restarts: 1 } },
    { attack: 'square', settings: { queries: 10_000, part: 0.8, shrinkOver: 10_000, restarts: 1 } },
    { attack: 'fab', settings: { steps: 100, targets: 9, restarts: 2 } },
    { attack: 'apgd', settings: { loss: 'dlr', steps: 300, restarts: 5 } },
    { attack: 'pgd', settings: { steps: 200, stepSize: 0.02, restarts: 5 } },
    { attack: 'apgd-t', settings: { loss: 'difference', steps: 200, targets: 3, restarts: 5 } },
    { attack: 'apgd-t', settings: { loss: 'difference', steps: 100, targets: 9, restarts: 2 } },
  ],
} as const satisfies Readonly<Record<string, Preset>>;
