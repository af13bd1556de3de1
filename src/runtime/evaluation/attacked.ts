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

/** Which examples a classifier has right: untouched, and under each attack. */
export type Tallies = ReadonlyMap<'clean' | AttackName, Tally>;

/** The tallies of the known classifier and of the other one. */
export interface Attacked {
  readonly c1: Tallies;
  readonly c2: Tallies;
}

const batchSize = 100;

/**
 * Attacks every image of a split, all attacks made for the known classifier, and asks both. Yields the number of images
 * done.
 */
export async function* attackAll(
  split: Split,
  { target, other, attacker }: Players,
  threat: Threat,
  settings: readonly AttackSettings[],
): AsyncGenerator<number, Attacked> {
  const attacks = settings.map((each) => [each.attack, attackOf(each)] as const);
  const names = ['clean', ...attacks.map(([name]) => name)] as const;
  const tallies = { c1: empty(names, split.count), c2: empty(names, split.count) };
  for (const { start, ...batch } of inOrder(split, batchSize)) {
    const labels = batch.label.data as Int32Array;
    const ask = async (name: 'clean' | AttackName, image: Tensor): Promise<void> => {
      for (const [who, model] of [
        ['c1', target.classifier],
        ['c2', other],
      ] as const) {
        const { logits } = await model.run({ image });
        tallies[who].get(name)!.set(start, logits!.data as Float32Array, labels);
      }
    };
    await ask('clean', batch.image);
    for (const [name, attack] of attacks) await ask(name, await attack(batch));
    yield start + labels.length;
  }
  return tallies;

  /** An attack with its own stream of random numbers. */
  function attackOf(each: AttackSettings): (batch: Batch) => Promise<Tensor> {
    switch (each.attack) {
      case 'noise': {
        const random = stream(each.seed, 'noise');
        return ({ image }) => Promise.resolve(withNoise(image, threat, random));
      }
      case 'fgsm':
        return (batch) => fgsm(target, batch, threat);
      case 'pgd': {
        const starts = startsOf(each);
        return (batch) => pgd(target, batch, threat, each, starts);
      }
      case 'attacker':
        return ({ image }) => attackedBy(attacker!, image);
      default:
        return each satisfies never;
    }
  }
}

/** What a learned attacker makes of the images. */
export async function attackedBy(attacker: Model, image: Tensor): Promise<Tensor> {
  const { attacked } = await attacker.run({ image });
  return attacked!;
}

const empty = (names: readonly ('clean' | AttackName)[], count: number): Tallies =>
  new Map(names.map((name) => [name, new Tally(count)]));

/** A classifier's part of `evaluation.json`. */
export function summary(
  tallies: Tallies,
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
