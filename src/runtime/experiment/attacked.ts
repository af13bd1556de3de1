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
import type { AttackName, AttackSettings, ClassifierEvaluation, Measure } from '../audit/schema.ts';
import { Tally } from '../audit/tally.ts';

/** What attacks a split is given: the classifier that the attacks know, and those that are asked about its images. */
export interface Asked<Judges extends Readonly<Record<string, Oracle | undefined>>> {
  readonly known: Oracle;
  readonly judges: Judges;
}

const batchSize = 100;

/**
 * Attacks every image of a split, for the known classifier, and asks each judge. Yields the number of images done.
 *
 * @param settings null for the images as they are.
 */
export async function* attackWith<Judges extends Readonly<Record<string, Oracle | undefined>>>(
  split: ImageSource,
  { known, judges }: Asked<Judges>,
  { eps, clip }: { readonly eps: number; readonly clip: boolean },
  settings: AttackSettings | null,
): AsyncGenerator<number, { readonly [N in keyof Judges]: Tally }> {
  const threat: ThreatModel = { norm: 'linf', eps, range: clip ? [0, 1] : null, goal: 'untargeted' };
  const attack = settings ? attackBy(settings, known, threat) : ({ images }: Batch) => images;
  const asked = Object.entries(judges).flatMap(([name, oracle]) =>
    oracle ? [{ name, oracle, tally: new Tally(split.count) }] : [],
  );
  for await (const { start, image, label } of inOrder(split, batchSize)) {
    const labels = label.data as Int32Array;
    const images = { data: image.data, shape: image.shape } as Images;
    const seen = await attack({ images, labels, places: labels.map((_, i) => start + i) });
    for (const { oracle, tally } of asked) tally.set(start, (await oracle.logits(seen)).data, labels);
    yield start + labels.length;
  }
  return Object.fromEntries(asked.map(({ name, tally }) => [name, tally])) as {
    readonly [N in keyof Judges]: Tally;
  };
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

/** What a classifier has right of clean images, under each attack, and in the worst case of each image. */
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

/** The tallies of one classifier, by attack; null where nobody asked it. */
export function talliesOf<Name extends string>(
  attacked: ReadonlyMap<'clean' | AttackName, Readonly<Partial<Record<Name, Tally>>>>,
  classifier: Name,
): ReadonlyMap<'clean' | AttackName, Tally> | null {
  const own = [...attacked].flatMap(([name, tallies]) => {
    const tally = tallies[classifier];
    return tally ? [[name, tally] as const] : [];
  });
  return own.length === 0 ? null : new Map(own);
}
