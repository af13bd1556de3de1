import type { Images, Logits, Oracle, Slope } from '../attacks/index.ts';
import type { Batch } from '../data/source.ts';
import { InputError } from '../errors.ts';
import { apartOf, sameLogits, type Comparison } from './comparison.ts';

/** Why the numbers of attacks on a classifier do not say how robust it is. */
export interface Finding {
  readonly check: 'zero-gradient' | 'probabilities' | 'constant-answers' | 'not-a-number';
  /** What was found and what to do, in one line. */
  readonly message: string;
}

/**
 * Looks for what makes a classifier seem robust that is not: on real images, before they are attacked.
 *
 * @param classifier with gradients where attacks take them.
 * @param ends operators at which its gradient ends, where that is zero by construction (`gradientEnds`).
 * @param comparison of the logits of its gradient with its own.
 * @throws InputError when the gradient belongs to other logits than the classifier's: its file was then read wrongly.
 */
export async function checkClassifier(
  classifier: Oracle,
  { image, label }: Batch,
  ends: readonly string[] | null = null,
  comparison: Comparison = sameLogits,
): Promise<readonly Finding[]> {
  const images = { data: image.data, shape: image.shape } as Images;
  const labels = label.data as Int32Array;
  const own = await classifier.logits(images);
  const { data: logits } = own;
  const findings = [...ofAnswers(logits, labels.length)];
  const slope = await classifier.gradient?.({ images, labels }, 'gap');
  // the gradient of what is no number says no more than that
  const answers = findings.every(({ check }) => check !== 'not-a-number');
  if (slope && answers) demandSameLogits(own, slope.logits, comparison);
  if (ends) findings.push(withoutGradient(ends));
  else if (slope && answers) findings.push(...ofGradient(slope, labels.length));
  return findings;
}

function demandSameLogits(own: Logits, ofGradient: Logits, { form, tolerance }: Comparison): void {
  const { difference, largest, relative } = apartOf(own, ofGradient, form);
  if (relative <= tolerance) return;
  throw new InputError(
    `the gradient graph gives other logits than the classifier (${difference.toPrecision(3)} apart, the largest is ` +
      `${largest.toPrecision(3)}): the file was read wrongly, or rounding alone decides its answers; ` +
      'bring it trained, and exported without graph optimisation',
  );
}

/** Why there is no gradient of a classifier to follow, in one line; null where there is one. */
export const gradientLack = ({
  noGradient,
  gradientEnds,
}: {
  readonly noGradient: string | null;
  readonly gradientEnds: readonly string[] | null;
}): string | null => noGradient ?? (gradientEnds && withoutGradient(gradientEnds).message);

/** A gradient that is zero by construction. */
export function withoutGradient(ends: readonly string[]): Finding {
  const where = ends.length === 0 ? 'the logits do not depend on the image' : `it ends at ${ends.join(', ')}`;
  return {
    check: 'zero-gradient',
    message:
      `the gradient is zero by construction (${where}), so FGSM, PGD and the training of an attacker have nothing to ` +
      'follow; what they leave says nothing about robustness',
  };
}

function* ofAnswers(logits: Float32Array, images: number): Generator<Finding> {
  const classes = logits.length / images;
  const rows = Array.from({ length: images }, (_, i) => logits.subarray(i * classes, (i + 1) * classes));
  const odd = rows.filter((row) => !row.every(Number.isFinite)).length;
  if (odd > 0) {
    const message = `${odd} of ${images} answers to clean images are not all numbers (NaN or infinite); they count as wrong`;
    yield { check: 'not-a-number', message };
    return;
  }
  if (rows.every(isDistribution)) {
    yield {
      check: 'probabilities',
      message:
        'the logits are probabilities (every row sums to 1), so the losses are not cross-entropies and gradients may ' +
        'vanish; export the output before the softmax as logits',
    };
  }
  const [first, ...others] = rows;
  const same = (row: Float32Array): boolean =>
    row.every((z, i) => Math.abs(z - first![i]!) <= 1e-6 * (1 + Math.abs(z)));
  if (others.length > 0 && others.every(same)) {
    yield {
      check: 'constant-answers',
      message: `the logits are the same for ${images} different images: the classifier does not look at them`,
    };
  }
}

/**
 * Float32 sums a few probabilities to 1 within 1e-6; one that was rounded to a few digits is still one. Those that a quantised model
 * rounds to multiples of 1/255 or 1/256 are each off by up to half of that.
 */
function isDistribution(row: Float32Array): boolean {
  const isRounded = [255, 256].some((steps) =>
    row.every((p) => Math.abs(p * steps - Math.round(p * steps)) < 1e-3),
  );
  const apart = isRounded ? Math.min(0.25, row.length / 510) : 1e-3;
  return row.every((p) => p >= 0 && p <= 1) && Math.abs(row.reduce((sum, p) => sum + p, 0) - 1) <= apart;
}

function ofGradient({ gradient: { data } }: Slope, images: number): readonly Finding[] {
  const pixels = data.length / images;
  let zero = 0;
  for (let start = 0; start < data.length; start += pixels) {
    // not a number is no slope either
    if (data.subarray(start, start + pixels).every((slope) => !(Math.abs(slope) > 0))) zero++;
  }
  if (2 * zero <= images) return [];
  const message =
    `the gradient is zero on every pixel of ${zero} of ${images} images, so FGSM and PGD have nothing to follow there; ` +
    'what they leave says nothing about robustness';
  return [{ check: 'zero-gradient', message }];
}
