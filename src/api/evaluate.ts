import {
  answersOnly,
  attackOf,
  type Oracle,
  type SettingsOf,
  type ThreatModel,
} from '../runtime/attacks/index.ts';
import { checkClassifier, type Finding } from '../runtime/audit/classifier-checks.ts';
import { Tally } from '../runtime/audit/tally.ts';
import type { Interval } from '../runtime/audit/wilson.ts';
import type { ImageSource } from '../runtime/data/source.ts';
import { InputError } from '../runtime/errors.ts';
import { float32 } from '../runtime/tensor.ts';
import type { OpenClassifier } from './classifier.ts';
import { checkedBatch, examplesFrom, partOf, type Examples } from './examples.ts';
import { chosen, type Chosen, type Method, type MethodOptions } from './method.ts';
import { afterAttack, asTheyAre, checkSuited, planOf, type CommonOptions, type Seen } from './run.ts';

/** The attacks of an evaluation that names none. */
export type DefaultMethod = 'noise' | 'fgsm' | 'pgd';

/** What an evaluation runs. */
export interface EvaluateOptions<K extends Method = Method> extends CommonOptions {
  /** Names of attacks, or attacks with settings: `['noise', { method: 'pgd', steps: 100 }]`. */
  readonly attacks?: readonly (K | Extract<MethodOptions, { readonly method: K }>)[];
}

/** The accuracy on some images. */
export interface Measure {
  /** The part of the images that are classified as their labels say, in 0..1. */
  readonly accuracy: number;
  /** Its 95 % confidence interval (Wilson 1927): it covers the choice of images alone. */
  readonly interval: Interval;
  /** Mean cross-entropy in nats, over the images whose logits are all numbers; absent where there are none. */
  readonly loss?: number;
  /** Images whose logits are not all numbers, which count as wrong; absent where there are none. */
  readonly notNumbers?: number;
}

/** The accuracy under an attack. */
export interface AttackMeasure<K extends Method = Method> extends Measure {
  /** The attack with what matters of its settings: `PGD, 40 steps`. */
  readonly title: string;
  readonly settings: SettingsOf<K>;
}

/** How a classifier holds against attacks. */
export interface Evaluation<K extends Method = Method> {
  /** The number of images. */
  readonly images: number;
  readonly threat: ThreatModel;
  /** On the images as they are. */
  readonly clean: Measure;
  /** Under each attack by itself. */
  readonly attacks: { readonly [N in K]: AttackMeasure<N> };
  /** Robust accuracy: an image counts as right when it is right as it is and under every attack. */
  readonly worst: Measure;
  /** Why these numbers may not say how robust the classifier is. Read them first. */
  readonly checks: readonly Finding[];
}

/** Images that the checks look at. */
const checkedImages = 100;

/**
 * Measures a classifier on images as they are and under attacks. What the attacks leave is an upper bound on its
 * robustness.
 *
 * @param classifier what `openClassifier` gives, or an {@link Oracle} of your own.
 * @param examples images and labels, or a source of them, such as `openImages` gives, which is read into memory.
 * @throws InputError when an option or the examples are wrong; the reason of the signal when that was aborted.
 * @example
 * const { clean, worst, checks } = await evaluate(classifier, { images, labels }, { eps: 8 / 255 });
 */
export async function evaluate<K extends Method = DefaultMethod>(
  classifier: Oracle,
  examples: Omit<Examples, 'targets'> | ImageSource,
  options: EvaluateOptions<K>,
): Promise<Evaluation<K>> {
  const choices = choicesOf(options.attacks ?? (['noise', 'fgsm', 'pgd'] as readonly Method[]));
  const plan = planOf(options);
  const { images, labels } = await examplesFrom(examples);
  const all = checkedBatch(classifier, { images, labels }, plan.threat.range);
  for (const choice of choices) checkSuited(choice, classifier, plan);
  const checks = await checksOf(classifier, partOf(all, 0, checkedImages), choices);
  const total = all.labels.length;
  const clean = await tallyOf(asTheyAre(classifier, all, plan), total);
  const tallies = new Map<Method, Tally>();
  const attacks: Partial<Record<Method, AttackMeasure>> = {};
  for (const choice of choices) {
    const { method, settings } = choice;
    const tally = await tallyOf(afterAttack(choice, classifier, all, plan), total);
    tallies.set(method, tally);
    attacks[method] = { title: attackOf(method).title(settings), settings, ...tally.measure() };
  }
  return {
    images: total,
    threat: plan.threat,
    clean: clean.measure(),
    // every attack of K was asked for
    attacks: attacks as Evaluation<K>['attacks'],
    worst: Tally.worst([clean, ...tallies.values()]).measure(),
    checks,
  };
}

function choicesOf(attacks: readonly (Method | MethodOptions)[]): readonly Chosen[] {
  const choices = attacks.map((each) =>
    chosen(typeof each === 'string' ? ({ method: each } as MethodOptions) : each),
  );
  const names = choices.map(({ method }) => method);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice) throw new InputError(`attacks has ${twice} twice; evaluate each by itself`);
  return choices;
}

function checksOf(
  classifier: Oracle,
  { images, labels }: Pick<Seen['batch'], 'images' | 'labels'>,
  choices: readonly Chosen[],
): Promise<readonly Finding[]> {
  const follows = choices.some(({ method }) => attackOf(method).access === 'gradient');
  const opened: Partial<OpenClassifier> = classifier;
  return checkClassifier(
    follows ? classifier : answersOnly(classifier),
    {
      image: float32(images.shape, images.data),
      label: { dtype: 'int32', shape: [labels.length], data: labels },
    },
    opened.gradientEnds ?? null,
    opened.comparison,
  );
}

async function tallyOf(seen: AsyncIterable<Seen>, count: number): Promise<Tally> {
  const tally = new Tally(count);
  for await (const { start, batch, logits } of seen) tally.set(start, logits.data, batch.labels);
  return tally;
}
