import { describe, expect, test } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import { classifierGradient } from '../../../src/models/classifier/gradient.ts';
import { beforeSoftmax, gradientEnds } from '../../../src/models/classifier/ports.ts';
import { attackerStep } from '../../../src/models/programs.ts';
import { stream } from '../../../src/runtime/random.ts';
import { linearClassifier, pixels } from '../../support/classifiers.ts';
import { between, drawn, evaluateGraph, numbers, whole } from '../../support/run.ts';

const random = stream(4, 'given');
const weight = Array.from({ length: pixels * 10 }, between(random, -1, 1));
const linear = linearClassifier(weight, 10);

/** A classifier of hand-made logits. */
const classifierOf = (f: (image: b.Value) => b.Value): b.Graph => {
  const image = b.input('image', 'float32', ['batch', 1, 28, 28]);
  return { name: 'hand-made', inputs: [image], outputs: { logits: f(image) } };
};

describe('where a gradient ends', () => {
  const logitsOf = (x: b.Value): b.Value =>
    b.matmul(b.reshape(x, [-1, pixels]), b.constant(b.tensorOf('float32', [pixels, 10], weight)));

  test.each<readonly [what: string, f: (image: b.Value) => b.Value, ends: readonly string[] | null]>([
    ['a smooth classifier', logitsOf, null],
    ['a threshold', (image) => logitsOf(b.cast(b.greater(image, 0.5), 'float32')), ['Greater']],
    [
      'a cast to integers',
      (image) => logitsOf(b.cast(b.cast(b.mul(image, 255), 'int32'), 'float32')),
      ['Cast'],
    ],
    [
      'a threshold beside a smooth path',
      (image) => b.add(logitsOf(b.cast(b.greater(image, 0.5), 'float32')), logitsOf(image)),
      null,
    ],
  ])('%s', (_, f, ends) => {
    expect(gradientEnds(classifierOf(f))).toEqual(ends);
  });
});

describe('a softmax at the end', () => {
  const softened = classifierOf((image) => {
    const { logits } = linearOn(image);
    return b.softmax(logits);
  });

  function linearOn(image: b.Value) {
    const w = b.constant(b.tensorOf('float32', [pixels, 10], weight));
    return { logits: b.matmul(b.reshape(image, [-1, pixels]), w) };
  }

  test('is passed by, but no other operator is', () => {
    const { logits } = linearOn(b.input('image', 'float32', ['batch', 1, 28, 28]));
    expect(beforeSoftmax(b.softmax(logits))).toBe(logits);
    expect(beforeSoftmax(b.identity(b.softmax(logits, 1)))).toBe(logits);
    expect(beforeSoftmax(logits)).toBe(logits);
    const normalized = b.logSoftmax(logits);
    expect(beforeSoftmax(normalized)).toBe(normalized);
  });

  test('is left out of the gradient, which is that of what it is given', async () => {
    const feeds = {
      image: drawn('float32', [3, 1, 28, 28], between(random, 0, 1)),
      label: drawn('int32', [3], whole(random, 0, 9)),
    };
    const plain = await evaluateGraph(b.lower(classifierGradient(linear, 'gap'), 'cpu'), feeds);
    const soft = await evaluateGraph(b.lower(classifierGradient(softened, 'gap'), 'cpu'), feeds);
    expect(numbers(soft['gradient']!)).toEqual(numbers(plain['gradient']!));
    const sums = [0, 1, 2].map((i) =>
      numbers(soft['logits']!)
        .slice(10 * i, 10 * i + 10)
        .reduce((a, p) => a + p, 0),
    );
    expect(sums).toBeAllClose([1, 1, 1], { atol: 1e-6 });
  });

  test('is left out where an attacker is trained', () => {
    const options = { batchSize: 4, learningRate: 1e-3, eps: 0.1, bound: 'tanh', clip: true } as const;
    const softmaxes = (against: b.Graph): number => {
      const { loss } = attackerStep(options, against);
      return b.print({ name: 'loss', inputs: [], outputs: { loss } }).split('Softmax').length;
    };
    expect(softmaxes(softened)).toBe(softmaxes(linear));
  });
});
