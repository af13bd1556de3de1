import type { Attack } from './attack.ts';
import { balls } from './ball.ts';
import { rowOf, sizeOf, stacked, type Images } from './images.ts';
import { offer, reachedRows, searchOf, startIn, stillOpen } from './search.ts';

/** Settings of PGD with Adam. */
export interface PgdAdamSettings {
  /** Gradient steps of each restart, 1 or more. */
  readonly steps: number;
  /** The first step of a pixel, in parts of eps. Each later one is `decay` of the one before. */
  readonly stepSize: number;
  readonly decay: number;
  /** Random starts, 1 or more. */
  readonly restarts: number;
}

/** An image on its way, with Adam's running means of its gradient and of that squared. */
interface Walker {
  readonly image: number;
  readonly origin: Images;
  x: Images;
  readonly mean: Float64Array;
  readonly square: Float64Array;
}

/** Adam's own (Kingma and Ba 2014). */
const [beta1, beta2, tiny] = [0.9, 0.999, 1e-12];

/**
 * Projected gradient descent by Adam on the margin (Uesato et al. 2018; verifiers look for counterexamples with it): each
 * pixel has a step of its own, so that where gradients change their sign from step to step the steps become short. It
 * finds what sign steps jump over.
 */
export const pgdAdam: Attack<PgdAdamSettings> = {
  access: 'gradient',
  norms: ['linf'],
  goals: ['untargeted', 'targeted'],
  defaults: { steps: 100, stepSize: 0.5, decay: 0.98, restarts: 1 },
  title: ({ steps, restarts }) =>
    `PGD with Adam, ${steps} steps${restarts > 1 ? `, ${restarts} restarts` : ''}`,
  async *run(oracle, batch, threat, { steps, stepSize, decay, restarts }, random) {
    const search = searchOf(batch);
    const loss = threat.goal === 'targeted' ? 'difference' : 'margin';
    const pick = (classes: Int32Array, places: readonly number[]) =>
      Int32Array.from(places, (place) => classes[place]!);
    let done = 0;
    for (let restart = 0; restart < restarts; restart++) {
      let walkers = stillOpen(search).map((image): Walker => {
        const size = sizeOf(batch.images);
        return {
          image,
          origin: rowOf(batch.images, image),
          x: startIn(batch, image, threat, random, [restart]),
          mean: new Float64Array(size),
          square: new Float64Array(size),
        };
      });
      for (let step = 0; step <= steps && walkers.length > 0; step++) {
        const places = walkers.map(({ image }) => image);
        const seen = stacked(walkers.map(({ x }) => x));
        const slope = await oracle.gradient!(
          {
            images: seen,
            labels: pick(batch.labels, places),
            ...(batch.targets && { targets: pick(batch.targets, places) }),
          },
          loss,
        );
        const reached = new Set(await reachedRows(oracle, batch, threat, seen, slope.logits, places));
        walkers.forEach(({ image, x }, row) =>
          offer(search, image, x.data, slope.loss[row]!, reached.has(row)),
        );
        walkers.forEach((walker, row) => {
          if (reached.has(row)) return;
          const moved = adamStep(
            walker,
            rowOf(slope.gradient, row).data,
            step + 1,
            stepSize * threat.eps * decay ** step,
          );
          walker.x = balls[threat.norm].project(moved, walker.origin, threat.eps, threat.range);
        });
        walkers = walkers.filter((_, row) => !reached.has(row));
        if (step > 0) yield ++done;
      }
    }
    return search.images;
  },
};

/** x after the `count`-th step of a walker, which takes the gradient into its means. */
function adamStep({ x, mean, square }: Walker, gradient: Float32Array, count: number, size: number): Images {
  const [unbias1, unbias2] = [1 - beta1 ** count, 1 - beta2 ** count];
  const moved = new Float32Array(x.data.length);
  for (let at = 0; at < moved.length; at++) {
    const slope = gradient[at]!;
    mean[at] = beta1 * mean[at]! + (1 - beta1) * slope;
    square[at] = beta2 * square[at]! + (1 - beta2) * slope * slope;
    moved[at] = x.data[at]! + (size * (mean[at]! / unbias1)) / (Math.sqrt(square[at]! / unbias2) + tiny);
  }
  return { data: moved, shape: x.shape };
}
