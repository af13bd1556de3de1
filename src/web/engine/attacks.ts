import {
  attackOf,
  balls,
  drawsOf,
  to8Bits,
  type Access,
  type Attack,
  type Configured,
  type Images,
  type ThreatModel,
} from '../../runtime/attacks/index.ts';
import { gradientOf, imagesOf, oracleOf, perturbationOf, type Asked } from './oracle.ts';
import type { AttackRequest, Models, Outcome, Predictions } from './protocol.ts';
import type { Method } from '../attacks.ts';
import type { Sessions } from './sessions.ts';

/** Thrown by an attack that a newer job has made useless. */
export class Abandoned extends Error {}

/** What an attack needs besides its job. */
export interface AttackContext {
  readonly sessions: Sessions;
  /** The true class, or what stands for it. */
  readonly label: number;
  /** Between two steps: lets messages in. Throws {@link Abandoned} when the rest is not wanted. */
  readonly breathe: () => Promise<void>;
}

/** Runs one attack on the job's image and classifies the result. */
export async function attackBy(
  configured: Configured<Method>,
  job: AttackRequest,
  context: AttackContext,
): Promise<Outcome> {
  const origin = imagesOf(job.image, job.card.image);
  const threat: ThreatModel = {
    norm: 'linf',
    eps: job.eps,
    range: job.clip ? [0, 1] : null,
    goal: job.aim === null ? 'untargeted' : 'targeted',
  };
  const { images, ...took } = await run(configured, job, threat, context);
  const valid = balls.linf.project(images, origin, threat.eps, threat.range);
  const attacked = job.bits === 8 ? to8Bits(valid, origin, threat) : valid;
  return {
    method: configured.attack,
    perturbation: images.data.map((x, i) => x - job.image[i]!),
    attacked: attacked.data,
    linf: balls.linf.distance(attacked, origin)[0]!,
    l2: balls.l2.distance(attacked, origin)[0]!,
    predictions: await classify(attacked, job.models, context.sessions),
    ...took,
  };
}

/** What every classifier of the job says of an image. */
export async function classify(
  images: Images,
  { classifiers }: Pick<Models, 'classifiers'>,
  sessions: Sessions,
): Promise<Predictions> {
  const said: Record<string, Float32Array> = {};
  for (const [name, model] of Object.entries(classifiers)) {
    const { probabilities } = await sessions.run(model, { image: images });
    said[name] = probabilities!;
  }
  return said;
}

/** Runs an attack to its end, letting messages in after each of its steps; those do not count as its time. */
async function run(
  { attack, settings }: Configured,
  job: AttackRequest,
  threat: ThreatModel,
  { sessions, label, breathe }: AttackContext,
): Promise<Pick<Outcome, 'milliseconds' | 'gradientSteps'> & { readonly images: Images }> {
  const oracle = oracleOf(job, sessions);
  const batch = {
    images: imagesOf(job.image, job.card.image),
    labels: Int32Array.of(label),
    ...(job.aim !== null && { targets: Int32Array.of(job.aim) }),
    places: Int32Array.of(0),
  };
  const draws = drawsOf(job.seed, attack);
  // the settings are those of this very attack
  const own = attackOf(attack) as unknown as Attack<Configured['settings']>;
  const { access } = own;
  const searches = access === 'gradient' || access === 'logits';
  // what takes no steps is shown before it is clipped
  const within = searches ? threat : { ...threat, range: null };
  const work = own.run(oracle, batch, within, settings, draws);
  const asked = askedBy(access, job, batch);
  if (asked) await sessions.warm(asked.model, asked.feeds);
  let milliseconds = 0;
  let steps = 0;
  try {
    for (;;) {
      const started = performance.now();
      const next = await work.next();
      milliseconds += performance.now() - started;
      if (next.done) {
        return { images: next.value, milliseconds, gradientSteps: access === 'gradient' ? steps : 0 };
      }
      steps = next.value;
      if (searches) await breathe();
    }
  } finally {
    await work.return(batch.images);
  }
}

/** What an attack runs first. */
function askedBy(
  access: Access,
  { models }: AttackRequest,
  { images, labels }: { readonly images: Images; readonly labels: Int32Array },
): Asked | null {
  switch (access) {
    case 'none':
    case 'logits':
    case 'surrogate':
      return null;
    case 'model':
      return perturbationOf(models.attacker, images);
    case 'gradient':
      return gradientOf(models.gradient!, images, labels);
    default:
      return access satisfies never;
  }
}
