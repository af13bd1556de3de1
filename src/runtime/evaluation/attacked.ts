import { attackOf, drawsOf, toEnd, type Batch, type Images, type ThreatModel } from '../attacks/index.ts';
import { inOrder } from '../batches.ts';
import type { Split } from '../datasets/index.ts';
import type { Model } from '../session.ts';
import type { Tensor } from '../tensor.ts';
import type { OpenOracle } from './oracle.ts';
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
  { known, other }: Players,
  { eps, clip }: { readonly eps: number; readonly clip: boolean },
  settings: readonly AttackSettings[],
): AsyncGenerator<number, Attacked> {
  const threat: ThreatModel = { norm: 'linf', eps, range: clip ? [0, 1] : null, goal: 'untargeted' };
  const attacks = settings.map((each) => [each.attack, attackBy(each, known, threat)] as const);
  const names = ['clean', ...attacks.map(([name]) => name)] as const;
  const tallies = { c1: empty(names, split.count), c2: empty(names, split.count) };
  for (const { start, image, label } of inOrder(split, batchSize)) {
    const labels = label.data as Int32Array;
    const images = { data: image.data, shape: image.shape } as Images;
    const batch = { images, labels, places: labels.map((_, i) => start + i) };
    const ask = async (name: 'clean' | AttackName, seen: Images): Promise<void> => {
      for (const [who, classifier] of [
        ['c1', known],
        ['c2', other],
      ] as const) {
        tallies[who].get(name)!.set(start, (await classifier.logits(seen)).data, labels);
      }
    };
    await ask('clean', images);
    for (const [name, attack] of attacks) await ask(name, await attack(batch));
    yield start + labels.length;
  }
  return tallies;
}

/** An attack as its settings say, with random numbers of its own. */
function attackBy(
  each: AttackSettings,
  oracle: OpenOracle,
  threat: ThreatModel,
): (batch: Batch) => Promise<Images> {
  switch (each.attack) {
    case 'noise': {
      const draws = drawsOf(each.seed, 'noise');
      return (batch) => toEnd(attackOf('noise').run(oracle, batch, threat, {}, draws));
    }
    case 'fgsm':
      return (batch) => toEnd(attackOf('fgsm').run(oracle, batch, threat, {}, drawsOf(0, 'fgsm')));
    case 'pgd': {
      const draws = drawsOf(each.seed, 'pgd');
      return (batch) => toEnd(attackOf('pgd').run(oracle, batch, threat, each, draws));
    }
    case 'attacker':
      return (batch) => toEnd(attackOf('generator').run(oracle, batch, threat, {}, drawsOf(0, 'generator')));
    default:
      return each satisfies never;
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
