import { describe, expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import { classifierGradientModel } from '../../../src/models/classifier/gradient.ts';
import type { Batch } from '../../../src/runtime/data/source.ts';
import { checkClassifier } from '../../../src/runtime/audit/classifier-checks.ts';
import { openOracle } from '../../../src/runtime/audit/oracle.ts';
import { stream } from '../../../src/runtime/random.ts';
import type { Tensor } from '../../../src/runtime/tensor.ts';
import { modelOf, pixels } from '../../support/classifiers.ts';
import { between, drawn, whole } from '../../support/run.ts';

const images = 10;
const random = stream(5, 'checks');
const batch: Batch = {
  image: drawn('float32', [images, 1, 28, 28], between(random, 0, 0.4)) as Tensor,
  label: drawn('int32', [images], whole(random, 0, 9)) as Tensor,
};
const weight = b.constant(drawn('float32', [pixels, 10], between(random, -1, 1)));
const linear = (image: b.Value): b.Value => b.matmul(b.reshape(image, [-1, pixels]), weight);

const check = async (
  f: (image: b.Value) => b.Value,
  ends: readonly string[] | null = null,
  differentiated = f,
) => {
  const bytes = modelOf('logits', f);
  const read = modelOf('logits', differentiated);
  const oracle = await openOracle(
    {
      classifier: bytes,
      image: { channels: 1, height: 28, width: 28 },
      classes: 10,
      gradient: (loss) => classifierGradientModel(read, 'cpu', loss),
    },
    { device: 'cpu', threads: 1 },
  );
  try {
    return await checkClassifier(oracle, batch, ends);
  } finally {
    await oracle.close();
  }
};

describe('a classifier that attacks can be measured on', () => {
  it.each<readonly [what: string, f: (image: b.Value) => b.Value]>([
    ['a linear one', linear],
    ['one that is sure of itself', (image) => b.mul(linear(image), 1000)],
    ['one whose logits are log-probabilities', (image) => b.logSoftmax(linear(image))],
    ['one with small logits', (image) => b.mul(linear(image), 1e-3)],
  ])('has no findings: %s', async (_, f) => {
    expect(await check(f)).toEqual([]);
  });
});

it('a gradient of other logits than the classifier gives is rejected', async () => {
  const other = check(linear, null, (image) => b.mul(linear(image), 1.01));
  await expect(other).rejects.toThrow(/^the gradient graph gives other logits than the classifier/);
});

it.each([255, 256])('probabilities that were rounded to multiples of 1/%i are found', async (steps) => {
  const rounded = (image: b.Value): b.Value =>
    b.div(b.round(b.mul(b.softmax(b.mul(linear(image), 0.1)), steps)), steps);
  const findings = await check(rounded);
  // a quantised file has no gradient either
  expect(findings.map((finding) => finding.check)).toEqual(['probabilities', 'zero-gradient']);
});

it('scores that were rounded to such multiples are no probabilities', async () => {
  const findings = await check((image) => b.div(b.round(b.mul(linear(image), 255)), 255));
  expect(findings.map((finding) => finding.check)).toEqual(['zero-gradient']);
});

describe('a classifier that only seems robust is found:', () => {
  it.each<readonly [check: string, says: string, f: (image: b.Value) => b.Value]>([
    [
      'zero-gradient',
      'the gradient is zero on every pixel of 10 of 10 images',
      // all pixels are below the threshold of the ReLU, so that it is never open
      (image) => b.add(linear(b.cast(b.greater(image, 0.2), 'float32')), linear(b.relu(b.sub(image, 0.5)))),
    ],
    ['probabilities', 'every row sums to 1', (image) => b.softmax(linear(image))],
    [
      'constant-answers',
      'the same for 10 different images',
      (image) => b.add(b.mul(linear(image), 1e-9), b.constant(b.tensorOf('float32', [1], [3]))),
    ],
    ['not-a-number', '10 of 10 answers to clean images', (image) => b.log(b.sub(linear(image), 1e6))],
  ])('%s', async (expected, says, f) => {
    const findings = await check(f);
    expect(findings.map((finding) => finding.check)).toEqual([expected]);
    expect(findings[0]!.message).toContain(says);
  });

  it('a gradient that is zero by construction, with the operators at which it ends', async () => {
    expect(await check(linear, ['Greater'])).toMatchObject([
      {
        check: 'zero-gradient',
        message: expect.stringContaining('zero by construction (it ends at Greater)') as string,
      },
    ]);
  });
});
