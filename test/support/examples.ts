import { input, constant, add, matmul, reshape, tensorOf, type Graph } from '../../src/builder/index.ts';
import { loadDigits, type Digits as DigitSet } from '../../src/runtime/index.ts';
import { pixels } from './classifiers.ts';

/** Images as float32 in 0..1, and their labels. */
export interface Digits {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

/** The first digits of a split. */
export const digitsOf = ({ stored }: DigitSet['test'], count: number): Digits => ({
  images: Float32Array.from(stored.images.subarray(0, count * pixels), (x) => x / 255),
  labels: Uint8Array.from(stored.labels.subarray(0, count)),
});

/**
 * Weights of a classifier of digits that takes no training: the class whose mean image is nearest. The logits
 * x . mean - |mean|^2 / 2 are half the negative squared distances, up to what all classes share; times `scale`.
 *
 * @returns weight [784,10] and bias [10].
 */
export function meanWeights({ images, labels }: Digits, scale = 1) {
  const sums = new Float64Array(10 * pixels);
  const counts = new Float64Array(10);
  labels.forEach((label, i) => {
    counts[label]! += 1;
    for (let p = 0; p < pixels; p++) sums[label * pixels + p]! += images[i * pixels + p]!;
  });
  const means = sums.map((sum, at) => sum / counts[Math.floor(at / pixels)]!);
  const weight = Array.from(
    { length: pixels * 10 },
    (_, at) => scale * means[(at % 10) * pixels + Math.floor(at / 10)]!,
  );
  const bias = Array.from(
    { length: 10 },
    (_, k) => (-scale / 2) * means.subarray(k * pixels, (k + 1) * pixels).reduce((sum, m) => sum + m * m, 0),
  );
  return { weight: tensorOf('float32', [pixels, 10], weight), bias: tensorOf('float32', [10], bias) };
}

/** A classifier of {@link meanWeights}. */
export function nearestMean(
  known: Digits,
  { input: name = 'image', output = 'logits', scale = 1 } = {},
): Graph {
  const { weight, bias } = meanWeights(known, scale);
  const image = input(name, 'float32', ['batch', 1, 28, 28]);
  const logits = add(matmul(reshape(image, [-1, pixels]), constant(weight)), constant(bias));
  return { name: 'nearest-mean', inputs: [image], outputs: { [output]: logits } };
}

/** {@link nearestMean} of 2,000 training images, and test images. */
export async function digits(count: number): Promise<{ readonly known: Digits; readonly test: Digits }> {
  const { train, test } = await loadDigits('mnist');
  return { known: digitsOf(train, 2000), test: digitsOf(test, count) };
}
