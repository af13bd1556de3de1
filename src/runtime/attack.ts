import type { Batch } from './batches.ts';
import { stream, type Random } from './random.ts';
import { scoresOf, type Score } from './score.ts';
import type { Model } from './session.ts';
import { float32, type Tensor } from './tensor.ts';

/** What an attack may do: at most `eps` a pixel, and stay in [0, 1] if `clip`. */
export interface Threat {
  readonly eps: number;
  readonly clip: boolean;
}

/** What a gradient attack works with, for the classifier that it knows. */
export interface Target {
  /** The attack-step program over the classifier (`attackStepModel`). */
  readonly step: Model;
  /** The classifier: `image` -> `logits`. */
  readonly classifier: Model;
}

export interface PgdSettings {
  readonly steps: number;
  /** In parts of eps. */
  readonly stepSize: number;
  /** Random starts, 1 or more. */
  readonly restarts: number;
  readonly seed: number;
}

/**
 * The range that a threat model leaves a pixel: [0, 1] when attacked images are clipped to valid ones. Otherwise it ends
 * so far out that it never binds; not at infinity, which WebGPU does not promise to keep.
 */
export const validRange = (clip: boolean): { readonly low: number; readonly high: number } =>
  clip ? { low: 0, high: 1 } : { low: -1e30, high: 1e30 };

/** Fast gradient sign method: one step of eps from the image. */
export const fgsm = (target: Target, batch: Batch, threat: Threat): Promise<Tensor> =>
  stepped(target, batch, batch.image, threat, threat.eps);

/** The random numbers of PGD's starts: a stream a restart, so that more restarts leave the first ones as they are. */
export const startsOf = ({ restarts, seed }: PgdSettings): readonly Random[] =>
  Array.from({ length: restarts }, (_, restart) => stream(seed, 'pgd', restart));

/**
 * Projected gradient descent: from a uniformly random point of the ball, `steps` steps, each projected onto the ball and
 * the valid range. The last iterate counts; of several restarts, for each example by itself, one that fools the
 * classifier, else the one of the largest loss.
 *
 * @param starts from {@link startsOf}, made once for all batches, which must come in order.
 */
export async function pgd(
  target: Target,
  batch: Batch,
  threat: Threat,
  { steps, stepSize }: PgdSettings,
  starts: readonly Random[],
): Promise<Tensor> {
  let best: Candidates | null = null;
  for (const random of starts) {
    // a step of size 0 projects the start
    let image = await stepped(target, batch, started(batch.image, threat.eps, random), threat, 0);
    for (let n = 0; n < steps; n++) {
      image = await stepped(target, batch, image, threat, stepSize * threat.eps);
    }
    if (starts.length === 1) return image;
    const { logits } = await target.classifier.run({ image });
    const scores = [...scoresOf(logits!.data as Float32Array, batch.label.data as Int32Array)];
    best = best ? better(best, { image, scores }) : { image, scores };
  }
  return best!.image;
}

interface Candidates {
  readonly image: Tensor;
  readonly scores: readonly Score[];
}

function better(a: Candidates, b: Candidates): Candidates {
  const size = a.image.data.length / a.scores.length;
  const data = (a.image.data as Float32Array).slice();
  const scores = a.scores.map((own, i) => {
    const other = b.scores[i]!;
    const takes = own.right === other.right ? other.loss > own.loss : own.right;
    if (!takes) return own;
    data.set((b.image.data as Float32Array).subarray(i * size, (i + 1) * size), i * size);
    return other;
  });
  return { image: float32(a.image.shape, data), scores };
}

/** One run of the step program: `image` after the step. */
async function stepped(
  { step }: Target,
  { image: origin, label }: Batch,
  image: Tensor,
  { eps, clip }: Threat,
  stepSize: number,
): Promise<Tensor> {
  const scalars = Object.entries({ eps, stepSize, ...validRange(clip) }).map(
    ([name, value]) => [name, float32([], Float32Array.of(value))] as const,
  );
  const { next } = await step.run({ image, origin, label, ...Object.fromEntries(scalars) });
  return next!;
}

function started(origin: Tensor, eps: number, random: Random): Tensor {
  const data = Float32Array.from(origin.data as Float32Array, (x) => x + (2 * random.uniform() - 1) * eps);
  return float32(origin.shape, data);
}
