import {
  attackOf,
  drawsOf,
  toEnd,
  type Batch,
  type Images,
  type Oracle,
  type ThreatModel,
} from '../attacks/index.ts';
import { inOrder, type ImageSource } from '../data/source.ts';
import type { Model } from '../session.ts';
import type { Tensor } from '../tensor.ts';
import type { Players } from './players.ts';
import type { AttackName, AttackSettings, ClassifierEvaluation, Measure } from '../experiment/evaluation.ts';
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
  split: ImageSource,
  { known, other }: Players,
  { eps, clip }: { readonly eps: number; readonly clip: boolean },
  settings: AttackSettings | null,
): AsyncGenerator<number, Judged> {
  const threat: ThreatModel = { norm: 'linf', eps, range: clip ? [0, 1] : null, goal: 'untargeted' };
  const attack = settings ? attackBy(settings, known, threat) : ({ images }: Batch) => images;
  const c1 = new Tally(split.count);
  const c2 = other && new Tally(split.count);
  for await (const { start, image, label } of inOrder(split, batchSize)) {
    const labels = label.data as Int32Array;
    const images = { data: image.data, shape: image.shape } as Images;
    const seen = await attack({ images, labels, places: labels.map((_, i) => start + i) });
    const ask = async (classifier: Oracle, tally: Tally): Promise<void> =>
      tally.set(start, (await classifier.logits(seen)).data, labels);
    await ask(known, c1);
    if (other) await ask(other, c2!);
    yield start + labels.length;
  }
  return { c1, ...(c2 && { c2 }) };
}

/** An attack as its settings say, with random numbers of its own. */
function attackBy(
  settings: AttackSettings,
  oracle: Oracle,
  threat: ThreatModel,
): (batch: Batch) => Promise<Images> {
  switch (settings.attack) {
    case 'noise': {
      const draws = drawsOf(settings.seed, 'noise');
      return (batch) => toEnd(attackOf('noise').run(oracle, batch, threat, {}, draws));
    }
    case 'fgsm':
      return (batch) => toEnd(attackOf('fgsm').run(oracle, batch, threat, {}, drawsOf(0, 'fgsm')));
    case 'pgd': {
      const draws = drawsOf(settings.seed, 'pgd');
      return (batch) => toEnd(attackOf('pgd').run(oracle, batch, threat, settings, draws));
    }
    case 'attacker':
      return (batch) => toEnd(attackOf('generator').run(oracle, batch, threat, {}, drawsOf(0, 'generator')));
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
