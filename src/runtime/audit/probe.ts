import {
  answersOnly,
  scoresOf,
  type Batch,
  type Images,
  type Logits,
  type Oracle,
} from '../attacks/index.ts';
import { checkClassifier, type Finding } from './classifier-checks.ts';
import type { Comparison } from './comparison.ts';

/** What a classifier gives when it is asked about the same images in another way. */
export interface Repeated {
  readonly images: number;
  /** The largest difference of two logits, in parts of the largest logit; infinite where one is not a number. */
  readonly apart: number;
  /** Images that get another class. */
  readonly changed: number;
}

/** What was seen of a classifier on a few clean images, before it is attacked. */
export interface Probe {
  readonly findings: readonly Finding[];
  /** Asked again. */
  readonly again: Repeated;
  /** Asked about each image by itself. */
  readonly alone: Repeated;
}

/** Images that are asked about one by one. */
const few = 8;

/**
 * Looks at a classifier before it is attacked.
 *
 * @param batch some clean images.
 * @param ends operators at which its gradient ends, where that is zero by construction.
 * @throws InputError when the gradient belongs to other logits than the classifier's.
 */
export async function probeClassifier(
  classifier: Oracle,
  batch: Batch,
  ends: readonly string[] | null,
  comparison?: Comparison,
): Promise<Probe> {
  const { images, labels } = batch;
  const first = await classifier.logits(images);
  const again = compared(first, await classifier.logits(images), labels);
  const single: number[] = [];
  const n = Math.min(few, labels.length);
  for (let i = 0; i < n; i++) single.push(...(await classifier.logits(oneOf(images, i))).data);
  const alone = { data: Float32Array.from(single), shape: [n, classifier.classes] } as const;
  const steady = again.apart <= most;
  const tensors = {
    image: { dtype: 'float32', shape: images.shape, data: images.data },
    label: { dtype: 'int32', shape: [labels.length], data: labels },
  } as const;
  // answers that change by themselves differ from those of the gradient graph, too
  return {
    findings: await checkClassifier(steady ? classifier : answersOnly(classifier), tensors, ends, comparison),
    again,
    alone: compared(
      { data: first.data.subarray(0, n * classifier.classes), shape: alone.shape },
      alone,
      labels,
    ),
  };
}

/** Float32 sums in another order differ by less than this, in parts of the largest logit. */
export const most = 1e-3;

function compared(one: Logits, other: Logits, labels: Int32Array): Repeated {
  const images = one.shape[0];
  const [largest, difference] = [
    one.data.reduce((top, z) => Math.max(top, Math.abs(z)), 0),
    one.data.reduce(
      (top, z, i) => Math.max(top, Object.is(z, other.data[i]) ? 0 : Math.abs(z - other.data[i]!)),
      0,
    ),
  ];
  const own = labels.subarray(0, images);
  const answers = [one, other].map((logits) => [...scoresOf(logits, own)].map(({ answer }) => answer));
  return {
    images,
    apart: difference === 0 ? 0 : Number.isNaN(difference) ? Infinity : difference / largest,
    changed: answers[0]!.filter((answer, i) => answer !== answers[1]![i]).length,
  };
}

function oneOf({ data, shape: [, channels, height, width] }: Images, i: number): Images {
  const size = channels * height * width;
  return { data: data.subarray(i * size, (i + 1) * size), shape: [1, channels, height, width] };
}
