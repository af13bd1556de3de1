import { balls, scoresOf, type Images, type Oracle } from '../runtime/attacks/index.ts';
import { checkedBatch, type Examples } from './examples.ts';
import { chosen, type MethodOptions } from './method.ts';
import { afterAttack, asTheyAre, checkSuited, commonOptions, planOf, type CommonOptions } from './run.ts';

/** An attack, its settings, and what it may do. */
export type AttackOptions = CommonOptions & MethodOptions;

/** What an attack made of images, one entry an image. */
export interface Attacked {
  readonly images: Images;
  /** The classes that the classifier gave the original images; -1 where its logits are not all numbers. */
  readonly before: Int32Array;
  /** The classes that it gives the attacked images. */
  readonly after: Int32Array;
  /** Whether the attack reached its goal: the class is wrong, or for a targeted attack it is the target. */
  readonly success: readonly boolean[];
  /** How far each attacked image is from the original, in the norm of the attack. */
  readonly distance: Float64Array;
}

/**
 * Attacks images.
 *
 * @param classifier what `openClassifier` gives, or an {@link Oracle} of your own.
 * @param examples with `targets` the attack is targeted.
 * @throws InputError when an option or the examples are wrong; the reason of the signal when that was aborted.
 * @example
 * const { images, success } = await attack(classifier, { images, labels }, { method: 'pgd', eps: 8 / 255 });
 */
export async function attack(
  classifier: Oracle,
  examples: Examples,
  options: AttackOptions,
): Promise<Attacked> {
  const choice = chosen(options, commonOptions);
  const plan = planOf(options, examples.targets ? 'targeted' : 'untargeted');
  const all = checkedBatch(classifier, examples, plan.threat.range);
  checkSuited(choice, classifier, plan);
  const count = all.labels.length;
  const data = new Float32Array(all.images.data.length);
  const before = new Int32Array(count);
  const after = new Int32Array(count);
  for await (const { start, batch, logits } of asTheyAre(classifier, all, plan)) {
    before.set(answersOf(logits, batch.labels), start);
  }
  const size = data.length / count;
  for await (const { start, batch, images, logits } of afterAttack(choice, classifier, all, plan)) {
    data.set(images.data, start * size);
    after.set(answersOf(logits, batch.labels), start);
  }
  const images = { data, shape: all.images.shape };
  return {
    images,
    before,
    after,
    success: Array.from(after, (answer, i) =>
      all.targets ? answer === all.targets[i] : answer !== all.labels[i],
    ),
    distance: balls[plan.threat.norm].distance(images, all.images),
  };
}

const answersOf = (...[logits, labels]: Parameters<typeof scoresOf>): readonly number[] =>
  Array.from(scoresOf(logits, labels), ({ answer }) => answer);
