import type { Attack } from './attack.ts';
import { balls } from './ball.ts';
import { imagesLike, sizeOf, sumOver, type Images } from './images.ts';
import { aimOf } from './step.ts';

/** Settings of MI-FGSM. */
export interface MiFgsmSettings {
  /** Gradient steps, 1 or more. */
  readonly steps: number;
  /** In parts of eps; null for 1 / steps. */
  readonly stepSize: number | null;
  /** The part of the momentum that a step keeps; 0 is iterative FGSM. */
  readonly decay: number;
}

/**
 * Momentum iterative fast gradient sign method (Dong et al. 2018): steps along the sign of a running sum of gradients (in
 * L2 along the sum), each gradient divided by its L1 norm. From the image itself, without a random start. Its images
 * carry over to other classifiers better than those of PGD.
 *
 *     g <- decay * g + gradient / |gradient|_1
 *     x <- project(x + stepSize * eps * sign(g))
 *
 * The gradient is that of `gap`: divided by its norm it is that of the cross-entropy.
 */
export const miFgsm: Attack<MiFgsmSettings> = {
  access: 'gradient',
  norms: ['linf', 'l2'],
  goals: ['untargeted', 'targeted'],
  defaults: { steps: 10, stepSize: null, decay: 1 },
  title: ({ steps }) => `MI-FGSM, ${steps} steps`,
  async *run(oracle, batch, threat, { steps, stepSize, decay }) {
    const ball = balls[threat.norm];
    const { labels, way } = aimOf(batch, threat);
    const step = Float64Array.from(labels, () => way * (stepSize ?? 1 / steps) * threat.eps);
    let images = batch.images;
    let momentum = imagesLike(images, () => 0);
    for (let done = 1; done <= steps; done++) {
      const { gradient } = await oracle.gradient!({ images, labels }, 'gap');
      momentum = added(momentum, gradient, decay);
      images = ball.step(images, momentum, step, batch.images, threat.eps, threat.range);
      yield done;
    }
    return images;
  },
};

/** decay * momentum + gradient / |gradient|_1 */
function added(momentum: Images, gradient: Images, decay: number): Images {
  const size = sizeOf(gradient);
  const lengths = sumOver(gradient, (at) => Math.abs(gradient.data[at]!));
  return imagesLike(gradient, (at) => {
    const length = lengths[Math.floor(at / size)]!;
    return decay * momentum.data[at]! + (length > 0 ? gradient.data[at]! / length : 0);
  });
}
