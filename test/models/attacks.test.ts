import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import * as onnx from '../../src/onnx/index.ts';
import { attackStep, attackStepModel } from '../../src/models/attacks.ts';
import { networks, type Architecture } from '../../src/models/architectures.ts';
import { validRange } from '../../src/runtime/attack.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import { drawnClassifier, linearClassifier, pixels } from '../support/classifiers.ts';
import { doubleOf, inDouble } from '../support/double.ts';
import { between, drawn, evaluateGraph, graphOf, numbers, openGraph, whole } from '../support/run.ts';

const batch = 3;
const shape = [batch, 1, 28, 28];

const scalar = (value: number): b.Tensor => b.tensorOf('float32', [], [value]);

/** What one step is fed; valid range [0, 1] unless said otherwise. */
const feedsOf = (
  image: b.Tensor,
  label: b.Tensor,
  eps: number,
  stepSize: number,
  { origin = image, low, high }: { origin?: b.Tensor; low: number; high: number } = {
    ...validRange(true),
  },
): Record<string, b.Tensor> => ({
  image,
  origin,
  label,
  eps: scalar(eps),
  stepSize: scalar(stepSize),
  low: scalar(low),
  high: scalar(high),
});

const imagesOf = (random: Random): b.Tensor => drawn('float32', shape, between(random, 0, 1));
const labelsOf = (random: Random): b.Tensor => drawn('int32', [batch], whole(random, 0, 9));

/** -log softmax(logits)[label] of each row, in double precision. */
const crossEntropies = (logits: b.Tensor, label: b.Tensor): number[] =>
  numbers(label).map((own, i) => {
    const row = numbers(logits).slice(i * 10, (i + 1) * 10);
    const top = Math.max(...row);
    return top + Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0)) - row[own]!;
  });

const meanOf = (values: readonly number[]): number => values.reduce((a, x) => a + x, 0) / values.length;

describe('an attack step', () => {
  test.for(Object.keys(networks) as Architecture[])(
    'moves every pixel along the slope of the cross-entropy, by finite differences: %s',
    async (architecture) => {
      const random = stream(3, 'attacks', 'slope', architecture);
      const step = inDouble(attackStep(drawnClassifier(random, architecture)));
      const opened = await openGraph<'next' | 'loss'>(step);
      const double = (feeds: Record<string, b.Tensor>) =>
        Object.fromEntries(
          Object.entries(feeds).map(([name, t]) => [name, t.dtype === 'float32' ? doubleOf(t) : t]),
        );
      const image = drawn('float32', shape, between(random, 0.2, 0.8));
      const feeds = double(feedsOf(image, labelsOf(random), 0.1, 0.05));
      const { next } = await opened.run(feeds);
      const lossAt = async (at: number, by: number): Promise<number> => {
        const moved = Float64Array.from(numbers(image));
        moved[at]! += by;
        const { loss } = await opened.run({
          ...feeds,
          image: { dtype: 'float64', shape, data: moved },
        });
        return numbers(loss).reduce((a, x) => a + x, 0);
      };
      let compared = 0;
      const h = 1e-6;
      for (let n = 0; n < 60; n++) {
        const at = random.below(batch * pixels);
        const slope = ((await lossAt(at, h)) - (await lossAt(at, -h))) / (2 * h);
        // a loss of size 2 rounded in its 16th digit, over 2 h
        if (Math.abs(slope) < 1e-6) continue;
        compared++;
        expect(numbers(next)[at]! - numbers(image)[at]!).toBeCloseTo(0.05 * Math.sign(slope), 6);
      }
      await opened.close();
      expect(compared).toBeGreaterThan(50);
    },
  );

  test('gives the logits of the classifier, and their cross-entropy, of the images before the step', async () => {
    const random = stream(3, 'attacks', 'loss');
    const classifier = drawnClassifier(random);
    const [image, label] = [imagesOf(random), labelsOf(random)];
    const expected = await evaluateGraph(
      b.lower(graphOf({ logits: classifier.outputs['logits']! }), 'plain'),
      {
        image,
      },
    );
    const { logits, loss } = await evaluateGraph(
      b.lower(attackStep(classifier), 'cpu'),
      feedsOf(image, label, 0.1, 0.1),
    );
    expect(logits).toBeAllClose(expected['logits']!, { atol: 1e-4 });
    expect(numbers(loss!)).toBeAllClose(crossEntropies(expected['logits']!, label), { atol: 1e-4 });
  });

  test('with the whole of eps is FGSM: origin + eps sign(slope), known by hand for a linear classifier', async () => {
    const random = stream(3, 'attacks', 'fgsm');
    const weight = Array.from({ length: pixels * 2 }, between(random, -1, 1));
    const [image, label] = [imagesOf(random), drawn('int32', [batch], whole(random, 0, 1))];
    const { next } = await evaluateGraph(
      b.lower(attackStep(linearClassifier(weight, 2)), 'cpu'),
      feedsOf(image, label, 0.2, 0.2),
    );
    const expected = numbers(image).map((x, at) => {
      const [own, p] = [numbers(label)[Math.floor(at / pixels)]!, at % pixels];
      const direction = Math.sign(weight[2 * p + 1 - own]! - weight[2 * p + own]!);
      return Math.min(1, Math.max(0, x + 0.2 * direction));
    });
    expect(numbers(next!)).toBeAllClose(expected, { atol: 1e-6 });
  });

  test('moves where the classifier is so sure that the softmax of the label rounds to 1', async () => {
    const random = stream(3, 'attacks', 'sure');
    const weight = Array.from({ length: pixels * 2 }, (_, i) => (i % 2 === 0 ? 1 : -1));
    const image = drawn('float32', shape, between(random, 0.4, 0.6));
    const label = b.tensorOf('int32', [batch], [0, 0, 0]);
    const { next, loss } = await evaluateGraph(
      b.lower(attackStep(linearClassifier(weight, 2)), 'cpu'),
      feedsOf(image, label, 0.2, 0.2),
    );
    expect(numbers(loss!)).toEqual([0, 0, 0]);
    expect(numbers(next!)).toBeAllClose(
      numbers(image).map((x) => x - 0.2),
      { atol: 1e-6 },
    );
  });

  test.each([
    { clip: true, outside: 0 },
    { clip: false, outside: 1 },
  ])('stays in the ball, and in the range when clip is $clip', async ({ clip, outside }) => {
    const random = stream(3, 'attacks', 'ball');
    const eps = 0.3;
    const origin = drawn('float32', shape, () => random.below(2));
    // a start outside of both, as a careless caller would feed it
    const start = drawn('float32', shape, between(random, -1, 2));
    const opened = await openGraph<'next'>(b.lower(attackStep(drawnClassifier(random)), 'cpu'));
    for (const stepSize of [0, 0.01, eps]) {
      const feeds = feedsOf(start, labelsOf(random), eps, stepSize, { origin, ...validRange(clip) });
      const { next } = await opened.run(feeds);
      const far = numbers(next).map((x, at) => Math.abs(x - numbers(origin)[at]!));
      expect(Math.max(...far)).toBeLessThanOrEqual(eps + 1e-7);
      const invalid = numbers(next).filter((x) => x < 0 || x > 1).length;
      expect(Math.min(1, invalid)).toBe(outside);
    }
    await opened.close();
  });

  test('repeated with small steps raises the loss every time, with negative ones lowers it', async () => {
    const random = stream(3, 'attacks', 'monotone');
    const opened = await openGraph<'next' | 'loss'>(b.lower(attackStep(drawnClassifier(random)), 'cpu'));
    const [origin, label] = [imagesOf(random), labelsOf(random)];
    for (const way of [1, -1]) {
      const losses: number[] = [];
      let image = origin;
      for (let n = 0; n < 8; n++) {
        const feeds = feedsOf(image, label, 0.1, way * 0.002, { origin, ...validRange(true) });
        const { next, loss } = await opened.run(feeds);
        losses.push(meanOf(numbers(loss)));
        image = next;
      }
      const rises = losses.slice(1).map((loss, i) => way * (loss - losses[i]!));
      expect(Math.min(...rises)).toBeGreaterThan(0);
    }
    await opened.close();
  });

  test('is the same on every target, but for pixels whose slope is lost in rounding', async () => {
    const random = stream(3, 'attacks', 'targets');
    const step = attackStep(drawnClassifier(random));
    const feeds = feedsOf(imagesOf(random), labelsOf(random), 0.1, 0.1);
    const expected = await evaluateGraph(b.lower(step, 'plain'), feeds);
    for (const target of ['cpu', 'webgpu'] as const) {
      const actual = await evaluateGraph(b.lower(step, target), feeds);
      expect(actual['loss']).toBeAllClose(expected['loss']!, { atol: 1e-4 });
      const other = numbers(actual['next']!).filter(
        (x, at) => Math.abs(x - numbers(expected['next']!)[at]!) > 1e-6,
      );
      expect(other.length).toBeLessThan(0.005 * batch * pixels);
    }
  });

  test('is made of a model file too, and of one with a fixed batch', async () => {
    const random = stream(3, 'attacks', 'file');
    const weight = Array.from({ length: pixels * 3 }, between(random, -1, 1));
    const fixed = b.input('image', 'float32', shape);
    const w = b.constant(b.tensorOf('float32', [pixels, 3], weight), 'w');
    const graph = {
      name: 'fixed',
      inputs: [fixed],
      outputs: { logits: b.matmul(b.flatten(fixed), w) },
    };
    const feeds = feedsOf(imagesOf(random), drawn('int32', [batch], whole(random, 0, 2)), 0.1, 0.1);
    const results = [];
    for (const classifier of [graph, linearClassifier(weight, 3)]) {
      const bytes = attackStepModel(onnx.encode(b.lower(classifier, 'plain')), 'cpu');
      results.push(numbers((await evaluateGraph(onnx.decode(bytes).graph, feeds))['next']!));
    }
    expect(results[0]).toEqual(results[1]);
    expect(results[0]).not.toEqual(numbers(feeds['image']!));
  });

  const image = b.input('image', 'float32', ['batch', 4]);
  test.each<readonly [problem: string, graph: Omit<b.Graph, 'name'>]>([
    [
      'm must have one input, image, of float32; it has x float32[batch,4]; rename or cast it',
      (() => {
        const x = b.input('x', 'float32', ['batch', 4]);
        return { inputs: [x], outputs: { logits: x } };
      })(),
    ],
    [
      'm has no output logits, only y; rename the one before softmax',
      { inputs: [image], outputs: { y: image } },
    ],
    [
      'logits float32[4*batch] of m must be [batch,classes]; reshape them',
      {
        inputs: [image],
        outputs: { logits: b.reshape(image, [-1]) },
      },
    ],
  ])('refuses what is no classifier: %s', (problem, graph) => {
    expect(() => attackStep({ name: 'm', ...graph })).toThrow(problem);
  });
});
