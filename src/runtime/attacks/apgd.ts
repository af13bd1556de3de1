import type { Attack } from './attack.ts';
import { autoPgd, type Objective } from './auto-pgd.ts';
import type { Batch } from './images.ts';
import { searchOf, startIn } from './search.ts';
import { aimOf } from './step.ts';
import type { ThreatModel } from './threat.ts';

/** Settings of APGD. */
export interface ApgdSettings {
  /**
   * What is climbed. `ce`: cross-entropy. `dlr`: the difference of logits ratio, which no scale of the logits changes;
   * of too few classes for it, `margin`. `margin`: the largest of the other logits, less the label's.
   */
  readonly loss: 'ce' | 'dlr' | 'margin';
  /** Gradient steps of each restart, 1 or more. */
  readonly steps: number;
  /** Random starts, 1 or more. */
  readonly restarts: number;
}

/**
 * Auto-PGD (Croce and Hein 2020): gradient steps with momentum whose size nobody sets; see `autoPgd`. Each restart
 * takes only the images that are still right.
 *
 * `ce` is climbed by way of `gap`. The cross-entropy is log(1 + e^gap), which rises with it, so the two take the same
 * steps: the signs, the directions and the comparisons of losses are the same. In float32 the cross-entropy of a sure
 * classifier rounds to 0, where its steps and comparisons say nothing; the gap does not.
 */
export const apgd: Attack<ApgdSettings> = {
  access: 'gradient',
  norms: ['linf', 'l2'],
  goals: ['untargeted', 'targeted'],
  defaults: { loss: 'ce', steps: 100, restarts: 1 },
  title: ({ loss, steps, restarts }) =>
    `APGD-${loss.toUpperCase()}, ${steps} steps${restarts > 1 ? `, ${restarts} restarts` : ''}`,
  async *run(oracle, batch, threat, { loss, steps, restarts }, random) {
    const search = searchOf(batch);
    const objective = objectiveOf(loss, batch, threat, oracle.classes);
    let done = 0;
    for (let restart = 0; restart < restarts; restart++) {
      const climb = autoPgd(oracle, batch, threat, search, objective, steps, (image) =>
        startIn(batch, image, threat, random, [restart]),
      );
      for await (const _ of climb) yield ++done;
    }
    return search.images;
  },
};

function objectiveOf(
  loss: ApgdSettings['loss'],
  batch: Batch,
  threat: ThreatModel,
  classes: number,
): Objective {
  const { labels, targets } = batch;
  if (loss === 'dlr' && threat.goal === 'targeted' && classes >= 4) {
    return { loss: 'dlr-targeted', way: 1, labels, targets: targets! };
  }
  const aim = aimOf(batch, threat);
  if (loss === 'ce') return { loss: 'gap', ...aim };
  return { loss: loss === 'dlr' && classes >= 3 && threat.goal === 'untargeted' ? 'dlr' : 'margin', ...aim };
}
