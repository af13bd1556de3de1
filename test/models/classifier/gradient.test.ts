import { describe, expect, test } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import * as onnx from '../../../src/onnx/index.ts';
import { networks, type Architecture } from '../../../src/models/networks/index.ts';
import { classifierGradient, classifierGradientModel } from '../../../src/models/classifier/gradient.ts';
import { losses, type Loss, type LossName } from '../../../src/models/classifier/losses.ts';
import { stream, type Random } from '../../../src/runtime/random.ts';
import { drawnClassifier, linearClassifier, pixels } from '../../support/classifiers.ts';
import { doubleOf, inDouble } from '../../support/double.ts';
import { between, drawn, evaluate, evaluateGraph, numbers, openGraph, whole } from '../../support/run.ts';

const names = Object.keys(losses) as LossName[];
const batch = 3;
const shape = [batch, 1, 28, 28];

const labelsOf = (random: Random, classes = 10, count = batch): b.Tensor =>
  drawn('int32', [count], whole(random, 0, classes - 1));

/** The losses of one row, as their papers write them, in double precision. */
const plain: Readonly<Record<LossName, (z: readonly number[], y: number, t: number) => number>> = {
  ce: (z, y) => logSumExp(z) - z[y]!,
  gap: (z, y) => logSumExp(z.filter((_, i) => i !== y)) - z[y]!,
  margin: (z, y) => Math.max(...z.filter((_, i) => i !== y)) - z[y]!,
  dlr: (z, y) => {
    const [first, , third] = falling(z);
    return (Math.max(...z.filter((_, i) => i !== y)) - z[y]!) / (first! - third!);
  },
  'dlr-targeted': (z, y, t) => {
    const [first, , third, fourth] = falling(z);
    return (z[t]! - z[y]!) / (first! - (third! + fourth!) / 2);
  },
};
const falling = (z: readonly number[]): number[] => z.toSorted((p, q) => q - p);
function logSumExp(z: readonly number[]): number {
  const top = Math.max(...z);
  return top + Math.log(z.reduce((sum, x) => sum + Math.exp(x - top), 0));
}

/** The loss and its gradient in the logits, computed by ONNX Runtime. */
async function ofLogits(loss: LossName, rows: readonly (readonly number[])[], y: number[], t: number[]) {
  const [count, classes] = [rows.length, rows[0]!.length];
  const z = b.input('z', 'float32', [count, classes]);
  const [label, target] = ['y', 't'].map((name) => b.input(name, 'int32', [count]));
  const value = (losses[loss] as Loss)(z, label!, loss === 'dlr-targeted' ? target! : null);
  const [gradient] = b.grad(b.reduceSum(value), [z]);
  return evaluate(
    { value, gradient: gradient! },
    {
      z: b.tensorOf('float32', [count, classes], rows.flat()),
      y: b.tensorOf('int32', [count], y),
      t: b.tensorOf('int32', [count], t),
    },
  );
}

describe('a loss', () => {
  test.each(names)('is what its paper writes: %s', async (loss) => {
    const random = stream(5, 'losses', loss);
    const rows = Array.from({ length: 40 }, () => Array.from({ length: 6 }, between(random, -4, 4)));
    const y = rows.map(() => random.below(6));
    const t = y.map((own) => (own + 1 + random.below(5)) % 6);
    const { value } = await ofLogits(loss, rows, y, t);
    const expected = rows.map((z, i) => plain[loss](z.map(Math.fround), y[i]!, t[i]!));
    expect(numbers(value)).toBeAllClose(expected, { rtol: 1e-5, atol: 1e-5 });
  });

  test('counts equal logits one by one, as a sorted list does', async () => {
    // falling: 3, 3, 2, 2, 1
    const rows = [[2, 1, 3, 2, 3]];
    expect(numbers((await ofLogits('dlr', rows, [1], [0])).value)[0]).toBeCloseTo((3 - 1) / (3 - 2), 5);
    const targeted = await ofLogits('dlr-targeted', rows, [1], [0]);
    expect(numbers(targeted.value)[0]).toBeCloseTo((2 - 1) / (3 - (2 + 2) / 2), 5);
  });

  test('ce keeps its slope where softmax rounds to 1, and is even where both classes are', async () => {
    const { value, gradient } = await ofLogits('ce', [[60, 0], [0, 0], [0, 60]], [0, 0, 0], [0, 0, 0]); // prettier-ignore
    expect(numbers(value)).toBeAllClose([0, Math.log(2), 60], { rtol: 1e-6 });
    const slopes = numbers(gradient);
    expect(slopes).toBeAllClose([-Math.exp(-60), Math.exp(-60), -0.5, 0.5, -1, 1], { rtol: 1e-5 });
  });

  test.each([
    ['dlr', 3],
    ['dlr-targeted', 4],
  ] as const)('%s says how many classes it needs', (loss, least) => {
    const graph = linearClassifier(Array.from({ length: pixels * 2 }, () => 1), 2); // prettier-ignore
    expect(() => classifierGradient(graph, loss)).toThrow(
      `the loss ${loss} needs ${least} classes or more, got 2`,
    );
  });
});

describe('the gradient of a classifier', () => {
  test.for(
    (Object.keys(networks) as Architecture[]).flatMap((architecture) =>
      // every loss on one network, and one loss on every network
      (architecture === 'paper' ? names : (['gap'] as const)).map((loss) => ({ architecture, loss })),
    ),
  )('is the slope of $loss by finite differences: $architecture', async ({ architecture, loss }) => {
    const random = stream(5, 'gradient', architecture, loss);
    const graph = classifierGradient(drawnClassifier(random, architecture), loss);
    const opened = await openGraph<'loss' | 'gradient'>(inDouble(graph));
    const image = doubleOf(drawn('float32', shape, between(random, 0.2, 0.8)));
    const label = labelsOf(random);
    const target = b.tensorOf('int32', [batch], numbers(label).map((y) => (y + 1) % 10)); // prettier-ignore
    const feeds = { image, label, ...(loss === 'dlr-targeted' && { target }) };
    const gradient = numbers((await opened.run(feeds)).gradient);
    const scale = Math.max(...gradient.map(Math.abs));
    const h = 1e-6;
    const lossesAt = async (at: number, by: number): Promise<number[]> => {
      const data = Float64Array.from(image.data as Float64Array);
      data[at]! += by;
      return numbers((await opened.run({ ...feeds, image: { ...image, data } })).loss);
    };
    let close = 0;
    const tried = 40;
    // a loss of a few units is rounded in its 16th digit, over 2 h
    const tolerance = 1e-5 * scale + 1e-9;
    for (let n = 0; n < tried; n++) {
      const at = random.below(batch * pixels);
      const [up, down] = [await lossesAt(at, h), await lossesAt(at, -h)];
      const slopes = up.map((x, i) => (x - down[i]!) / (2 * h));
      const own = Math.floor(at / pixels);
      // an image changes its own loss alone
      expect(slopes.filter((slope, i) => i !== own && slope !== 0)).toEqual([]);
      if (Math.abs(slopes[own]! - gradient[at]!) < tolerance) close++;
    }
    await opened.close();
    // a difference across a kink of ReLU or max-pooling is no slope
    expect(close).toBeGreaterThanOrEqual(tried - 1);
  });

  test('comes with the logits of the classifier and the loss, whatever the target of lowering', async () => {
    const random = stream(5, 'gradient', 'targets');
    const classifier = drawnClassifier(random);
    const feeds = { image: drawn('float32', shape, between(random, 0, 1)), label: labelsOf(random) };
    const { logits } = await evaluateGraph(b.lower(classifier, 'plain'), { image: feeds.image });
    const expected = numbers(feeds.label).map((y, i) =>
      plain.ce(numbers(logits!).slice(10 * i, 10 * i + 10), y, 0),
    );
    const gradients: b.Tensor[] = [];
    for (const target of ['plain', 'cpu', 'webgpu'] as const) {
      const found = await evaluateGraph(b.lower(classifierGradient(classifier), target), feeds);
      expect(found['logits']).toBeAllClose(logits!, { atol: 1e-4 });
      expect(numbers(found['loss']!)).toBeAllClose(expected, { atol: 1e-4 });
      gradients.push(found['gradient']!);
    }
    const scale = Math.max(...numbers(gradients[0]!).map(Math.abs));
    for (const other of gradients.slice(1)) expect(other).toBeAllClose(gradients[0]!, { atol: 1e-4 * scale });
  });

  test('has the shape of the image, of any size and number of channels', async () => {
    const image = b.input('image', 'float32', ['batch', 3, 4, 5]);
    const w = b.constant(drawn('float32', [60, 7], between(stream(5, 'gradient', 'shape'), -1, 1)));
    const graph = { name: 'small', inputs: [image], outputs: { logits: b.matmul(b.flatten(image), w) } };
    const bytes = classifierGradientModel(onnx.encode(b.lower(graph, 'plain')), 'cpu', 'margin');
    const random = stream(5, 'gradient', 'images');
    const { gradient, loss } = await evaluateGraph(onnx.decode(bytes).graph, {
      image: drawn('float32', [2, 3, 4, 5], between(random, 0, 1)),
      label: labelsOf(random, 7, 2),
    });
    expect([gradient!.shape, loss!.shape]).toEqual([[2, 3, 4, 5], [2]]);
  });

  test('refuses what is no classifier', () => {
    const image = b.input('image', 'float32', ['batch', 4]);
    expect(() => classifierGradient({ name: 'm', inputs: [image], outputs: { y: image } })).toThrow(
      'm has no output logits, only y; rename the one before softmax',
    );
  });
});
