import type { Attack } from './attack.ts';
import { autoPgd } from './auto-pgd.ts';
import { searchOf, startIn } from './search.ts';
import { likeliestOthers } from './targets.ts';

/** Settings of targeted APGD. */
export interface ApgdTargetedSettings {
  /**
   * What is climbed. `dlr`: the targeted difference of logits ratio; of fewer than four classes, `difference`.
   * `difference`: the target's logit less the label's.
   */
  readonly loss: 'dlr' | 'difference';
  /** Gradient steps of each restart, 1 or more. */
  readonly steps: number;
  /** How many other classes are tried, the likeliest first; at most as many as there are. */
  readonly targets: number;
  /** Random starts for each target, 1 or more. */
  readonly restarts: number;
}

/**
 * Targeted Auto-PGD (Croce and Hein 2020, APGD-T): `autoPgd` towards each of the other classes that the classifier
 * finds likeliest, one after another, from random starts. Any wrong answer ends the search for an image.
 */
export const apgdT: Attack<ApgdTargetedSettings> = {
  access: 'gradient',
  norms: ['linf', 'l2'],
  goals: ['untargeted'],
  defaults: { loss: 'dlr', steps: 100, targets: 9, restarts: 1 },
  title: ({ steps, targets, restarts }) =>
    `APGD-T, ${steps} steps, ${targets} targets${restarts > 1 ? `, ${restarts} restarts` : ''}`,
  async *run(oracle, batch, threat, { loss, steps, targets: most, restarts }, random) {
    const { labels } = batch;
    const search = searchOf(batch);
    const name = loss === 'dlr' && oracle.classes >= 4 ? 'dlr-targeted' : 'difference';
    let done = 0;
    let rank = 0;
    for (const targets of likeliestOthers(await oracle.logits(batch.images), labels, most)) {
      for (let restart = 0; restart < restarts; restart++) {
        const objective = { loss: name, way: 1, labels, targets } as const;
        const climb = autoPgd(oracle, batch, threat, search, objective, steps, (image) =>
          startIn(batch, image, threat, random, [rank, restart]),
        );
        for await (const _ of climb) yield ++done;
      }
      rank++;
    }
    return search.images;
  },
};
