import { fgsm, pgd, startsOf, type Threat } from '../attack.ts';
import { inOrder, type Batch } from '../batches.ts';
import type { Split } from '../datasets/index.ts';
import { withNoise } from '../evaluate.ts';
import { stream } from '../random.ts';
import type { Model } from '../session.ts';
import type { Tensor } from '../tensor.ts';
import type { Players } from './players.ts';
import type { AttackName, AttackSettings, ClassifierEvaluation, Measure } from './schema.ts';
import { Tally } from './tally.ts';

/** Which examples the known classifier has right, and the other one, if there is one. */
export interface Judged {
  readonly c1: Tally;
  readonly c2?: Tally;
}

/** The same of untouched images and of each attack. */
export type Attacked = ReadonlyMap<'clean' | AttackName, Judged>;

const batchSize = 100;

/**
 * Attacks every image of a split, for the known classifier, and asks both. Yields the number of images done.
 *
 * @param settings null for the images as they are.
 */
export async function* attackWith(
  split: Split,
  players: Players,
  threat: Threat,
  settings: AttackSettings | null,
): AsyncGenerator<number, Judged> {
  const attack = settings ? attackOf(players, threat, settings) : ({ image }: Batch) => image;
  const { target, other } = players;
  const c1 = new Tally(split.count);
  const c2 = other && new Tally(split.count);
  for (const { start, ...batch } of inOrder(split, batchSize)) {
    const labels = batch.label.data as Int32Array;
    const image = await attack(batch);
    const ask = async (model: Model, tally: Tally): Promise<void> => {
      const { logits } = await model.run({ image });
      tally.set(start, logits!.data as Float32Array, labels);
    };
    await ask(target.classifier, c1);
    if (other) await ask(other, c2!);
    yield start + labels.length;
  }
  return { c1, ...(c2 && { c2 }) };
}

/** An attack with its own stream of random numbers. */
function attackOf(
  { target, attacker }: Players,
  threat: Threat,
  settings: AttackSettings,
): (batch: Batch) => Promise<Tensor> {
  switch (settings.attack) {
    case 'noise': {
      const random = stream(settings.seed, 'noise');
      return ({ image }) => Promise.resolve(withNoise(image, threat, random));
    }
    case 'fgsm':
      return (batch) => fgsm(target, batch, threat);
    case 'pgd': {
      const starts = startsOf(settings);
      return (batch) => pgd(target, batch, threat, settings, starts);
    }
    case 'attacker':
      return ({ image }) => attackedBy(attacker!, image);
    default:
      return settings satisfies never;
  }
}

/** What a learned attacker makes of the images. */
export async function attackedBy(attacker: Model, image: Tensor): Promise<Tensor> {
  const { attacked } = await attacker.run({ image });
  return attacked!;
}

/** A classifier's part of `evaluation.json`. */
export function summary(
  tallies: ReadonlyMap<'clean' | AttackName, Tally>,
  knowledge: ClassifierEvaluation['knowledge'],
): ClassifierEvaluation {
  const attacks: Partial<Record<AttackName, Measure>> = {};
  for (const [name, tally] of tallies) if (name !== 'clean') attacks[name] = tally.measure();
  return {
    knowledge,
    clean: tallies.get('clean')!.measure(),
    attacks,
    worst: Tally.worst([...tallies.values()]).measure(),
  };
}

/** The tallies of one classifier; null where there is no such classifier. */
export function talliesOf(
  attacked: Attacked,
  classifier: 'c1' | 'c2',
): ReadonlyMap<'clean' | AttackName, Tally> | null {
  const own = [...attacked].flatMap(([name, judged]) => {
    const tally = judged[classifier];
    return tally ? [[name, tally] as const] : [];
  });
  return own.length === 0 ? null : new Map(own);
}
