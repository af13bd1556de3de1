import type { Attack } from './attack.ts';
import { balls } from './ball.ts';
import { rowOf, sizeOf, type Batch, type Images, type Logits } from './images.ts';
import { scoresOf } from './score.ts';
import { offer, reaches, searchOf, type Search } from './search.ts';
import { aimOf, gradientStep } from './step.ts';
import type { Norm, ThreatModel } from './threat.ts';

/** Settings of PGD. */
export interface PgdSettings {
  /** Gradient steps of each restart, 1 or more. */
  readonly steps: number;
  /**
   * In parts of eps; null for 2.5 / steps, with which the steps can cross the ball. In L2 that is 0.2 at least: where the
   * gradient turns from step to step, steps along it get nowhere that are shorter than those along its sign.
   */
  readonly stepSize: number | null;
  /** Random starts, 1 or more. */
  readonly restarts: number;
}

/**
 * Projected gradient descent (Madry et al. 2017): from a random point of the ball, steps along the sign of the loss's
 * gradient (in L2 along the gradient), each projected onto the ball and the range. The last image counts; of several
 * restarts the best for each image by itself.
 */
export const pgd: Attack<PgdSettings> = {
  access: 'gradient',
  norms: ['linf', 'l2'],
  goals: ['untargeted', 'targeted'],
  defaults: { steps: 40, stepSize: null, restarts: 1 },
  title: ({ steps, restarts }) => `PGD, ${steps} steps${restarts > 1 ? `, ${restarts} restarts` : ''}`,
  async *run(oracle, batch, threat, { steps, stepSize, restarts }, random) {
    const ball = balls[threat.norm];
    const origin = batch.images;
    const length = ball.startLength(sizeOf(origin));
    const size = (stepSize ?? Math.max(2.5 / steps, leastStep[threat.norm])) * threat.eps;
    const search = searchOf(batch);
    for (let restart = 0; restart < restarts; restart++) {
      const start = ball.start(origin, threat.eps, (i) => random.at([restart], batch.places[i]!, length));
      let images = ball.project(start, origin, threat.eps, threat.range);
      for (let step = 0; step < steps; step++) {
        images = await gradientStep(oracle, batch, threat, images, size);
        yield restart * steps + step + 1;
      }
      if (restarts === 1) return images;
      offerAll(search, images, await oracle.logits(images), batch, threat);
    }
    return search.images;
  },
};

/** In parts of eps. That of L2 is torchattacks' own. */
const leastStep = { linf: 0, l2: 0.2 } as const satisfies Readonly<Record<Norm, number>>;

/** Offers each image where a restart ended. */
function offerAll(search: Search, images: Images, logits: Logits, batch: Batch, threat: ThreatModel): void {
  const { labels, way } = aimOf(batch, threat);
  for (const [i, { loss }] of [...scoresOf(logits, labels)].entries()) {
    offer(search, i, rowOf(images, i).data, way * loss, reaches(logits, i, batch, i, threat));
  }
}
