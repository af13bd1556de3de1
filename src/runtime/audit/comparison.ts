import type { OutputForm } from '../../models/classifier/plans.ts';
import type { Logits } from '../attacks/images.ts';

/** How two answers to the same images are compared. */
export interface Comparison {
  /** What the file gives: rounding leaves less of probabilities than of logits. */
  readonly form: OutputForm;
  /** How far they may be apart, in parts of the largest logit. */
  readonly tolerance: number;
}

/** Float32 sums in another order differ by less than this, in parts of the largest logit. */
export const sameLogits: Comparison = { form: 'logits', tolerance: 1e-3 };

/** How far two answers are apart. */
export interface Apart {
  /** Images that were compared: those to which the file gives what is no number are left out. */
  readonly images: number;
  /** The largest difference of two logits. */
  readonly difference: number;
  /** The largest logit of the file. */
  readonly largest: number;
  /** The difference in parts of the largest; infinite where one is a number and the other is not. */
  readonly relative: number;
}

/**
 * How far the logits of a gradient graph are from those of the classifier's file. Of probabilities, their logarithms are
 * compared, as far as float32 holds them; of rounded ones, which have no logarithm near 0, they themselves.
 */
export function apartOf({ data: file, shape }: Logits, { data: graph }: Logits, form: OutputForm): Apart {
  const [count, classes] = shape;
  let [images, difference, largest] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const own = file.subarray(i * classes, (i + 1) * classes);
    if (!own.every(Number.isFinite)) continue;
    images++;
    const [a, b] = [own, graph.subarray(i * classes, (i + 1) * classes)].map(comparable[form]);
    a!.forEach((z, k) => {
      const apart = Math.abs(z - b![k]!);
      difference = Math.max(difference, Number.isNaN(apart) ? Infinity : apart);
      largest = Math.max(largest, Math.abs(z));
    });
  }
  return { images, difference, largest, relative: difference === 0 ? 0 : difference / largest };
}

type Row = Float32Array;

/** e^-80 is near the smallest float32. */
const leastLogarithm = -80;
/** From here on float32 rounds a sigmoid so much that its logit has no third digit. */
const mostOfSigmoid = 10;

const comparable: { readonly [F in OutputForm]: (row: Row) => Row } = {
  logits: (row) => row,
  probabilities: logarithms,
  'log-probabilities': logarithms,
  sigmoid: (row) => row.map((z) => Math.min(mostOfSigmoid, Math.max(-mostOfSigmoid, z))),
  'rounded-probabilities': (row) => logarithms(row).map(Math.exp),
  'rounded-sigmoid': (row) => row.map((z) => 1 / (1 + Math.exp(-z))),
};

/** log softmax(z), cut off below. */
function logarithms(row: Row): Row {
  const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = Math.log(row.reduce((so, z) => so + Math.exp(z - top), 0));
  return row.map((z) => Math.max(leastLogarithm, z - top - sum));
}
