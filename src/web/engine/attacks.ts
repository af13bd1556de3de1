import { constrain, distances } from '../../runtime/constrain.ts';
import { stream, type Random } from '../../runtime/random.ts';
import type { AttackRequest, Method, ModelRef, Models, Outcome, Predictions } from './protocol.ts';
import type { Feeds, Sessions } from './sessions.ts';

const shape = [1, 1, 28, 28];

/** Thrown by an attack that a newer job has made useless. */
export class Abandoned extends Error {}

/** What an attack needs besides its job. */
export interface Lab {
  readonly sessions: Sessions;
  /** The true class, or what stands for it. */
  readonly label: number;
  /** Between two gradient steps: lets messages in. Throws {@link Abandoned} when the rest is not wanted. */
  readonly breathe: () => Promise<void>;
}

/** Attacks the job's image by one method and classifies the result. */
export async function attackBy(method: Method, job: AttackRequest, lab: Lab): Promise<Outcome> {
  const methods = { attacker: byAttacker, fgsm: byFgsm, pgd: byPgd, noise: byNoise };
  const { perturbation, milliseconds, gradientSteps } = await methods[method](job, lab);
  const attacked = constrain(job.image, perturbation, job);
  return {
    method,
    perturbation,
    attacked,
    ...distances(job.image, attacked),
    predictions: await classify(attacked, job.models, lab.sessions),
    milliseconds,
    gradientSteps,
  };
}

/** What every classifier of the job says of an image. */
export async function classify(
  image: Float32Array,
  { classifiers }: Pick<Models, 'classifiers'>,
  sessions: Sessions,
): Promise<Predictions> {
  const said: Record<string, Float32Array> = {};
  for (const [name, model] of Object.entries(classifiers)) {
    const { probabilities } = await sessions.run(model, { image: { data: image, shape } });
    said[name] = probabilities!;
  }
  return said;
}

type Perturbed = Pick<Outcome, 'perturbation' | 'milliseconds' | 'gradientSteps'>;

/** Uniform in [-eps, eps]: what an attack must beat. */
function byNoise({ image, eps, pgd }: AttackRequest): Promise<Perturbed> {
  const started = performance.now();
  const perturbation = noise(image, eps, stream(pgd.seed, 'noise'));
  return Promise.resolve({ perturbation, milliseconds: performance.now() - started, gradientSteps: 0 });
}

const noise = (image: Float32Array, eps: number, random: Random): Float32Array =>
  image.map(() => eps * (2 * random.uniform() - 1));

async function byAttacker(
  { image, scale, models: { attacker } }: AttackRequest,
  { sessions }: Lab,
): Promise<Perturbed> {
  const feeds: Feeds = { image: { data: image, shape } };
  await sessions.warm(attacker, feeds);
  const started = performance.now();
  const { perturbation } = await sessions.run(attacker, feeds);
  const milliseconds = performance.now() - started;
  return { perturbation: perturbation!.map((p) => scale * p), milliseconds, gradientSteps: 0 };
}

/** Goodfellow et al. 2015: one step of eps along the sign of the gradient. */
const byFgsm = (job: AttackRequest, lab: Lab): Promise<Perturbed> =>
  descend(job, lab, { steps: 1, stepSize: job.eps, start: job.image });

/** Madry et al. 2018: steps along the sign of the gradient, each projected onto the ball, from a random start in it. */
function byPgd(job: AttackRequest, lab: Lab): Promise<Perturbed> {
  const { image, eps, pgd, clip } = job;
  const start = constrain(image, noise(image, eps, stream(pgd.seed, 'pgd')), { eps, clip, bits: null });
  return descend(job, lab, { steps: pgd.steps, stepSize: pgd.stepSize * eps, start });
}

async function descend(
  { image, eps, clip, models: { attackStep } }: AttackRequest,
  { sessions, label, breathe }: Lab,
  {
    steps,
    stepSize,
    start,
  }: { readonly steps: number; readonly stepSize: number; readonly start: Float32Array },
): Promise<Perturbed> {
  const model = attackStep as ModelRef;
  const scalar = (value: number) => ({ data: Float32Array.of(value), shape: [] });
  // far enough to bind never, near enough for every backend's arithmetic
  const beyond = 1e30;
  const fixed: Feeds = {
    origin: { data: image, shape },
    label: { data: Int32Array.of(label), shape: [1] },
    eps: scalar(eps),
    stepSize: scalar(stepSize),
    low: scalar(clip ? 0 : -beyond),
    high: scalar(clip ? 1 : beyond),
  };
  await sessions.warm(model, { ...fixed, image: { data: start, shape } });
  let current = start;
  let milliseconds = 0;
  for (let step = 0; step < steps; step++) {
    const started = performance.now();
    const { next } = await sessions.run(model, { ...fixed, image: { data: current, shape } });
    milliseconds += performance.now() - started;
    current = next!;
    await breathe();
  }
  return { perturbation: current.map((x, i) => x - image[i]!), milliseconds, gradientSteps: steps };
}
