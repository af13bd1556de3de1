import { describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { foldBatchNorm, foldFactors, scaleBatchNorm } from '../../src/builder/lower/batchnorm.ts';
import { stream } from '../../src/runtime/random.ts';
import { between, drawn, evaluateGraph, graphOf } from '../support/run.ts';

const random = stream(1, 'fold');
const wide = between(random, -1, 1);
const x = b.input('x', 'float32', [2, 3, 6, 5]);
const [scale, bias, mean] = ['scale', 'bias', 'mean'].map((name) => b.input(name, 'float32', [4]));
const variance = b.input('variance', 'float32', [4]);
const offset = b.input('offset', 'float32', [4]);
const feeds = {
  x: drawn('float32', [2, 3, 6, 5], wide),
  w: drawn('float32', [4, 3, 3, 3], wide),
  v: drawn('float32', [3, 4, 3, 3], wide),
  scale: drawn('float32', [4], wide),
  bias: drawn('float32', [4], wide),
  mean: drawn('float32', [4], wide),
  offset: drawn('float32', [4], wide),
  variance: drawn('float32', [4], between(random, 0.5, 2)),
};
const conv = b.conv(x, b.input('w', 'float32', [4, 3, 3, 3]), offset, { strides: [2, 1] });
const unbiased = b.conv(x, b.input('w', 'float32', [4, 3, 3, 3]), null, {});
const transposed = b.convTranspose(x, b.input('v', 'float32', [3, 4, 3, 3]), offset, { strides: [2, 2] });
const norm = (y: b.Value): b.Value => b.batchNormalization(y, scale!, bias!, mean!, variance, 1e-3);

const countNorms = (graph: b.Graph): number =>
  b.topologicalOrder(Object.values(graph.outputs)).filter(({ op }) => op === 'BatchNormalization').length;

const feedsOf = (graph: b.Graph) =>
  Object.fromEntries(
    b
      .freeInputs(Object.values(graph.outputs))
      .map(b.inputName)
      .map((name) => [name, feeds[name as keyof typeof feeds]]),
  );

describe('batch norm behind a convolution', () => {
  it.each([
    ['Conv', conv],
    ['Conv without bias', unbiased],
    ['ConvTranspose', transposed],
  ])('becomes part of it: %s', async (_, y) => {
    const graph = graphOf({ y: norm(y) });
    const folded = foldBatchNorm(graph);
    expect(countNorms(folded)).toBe(0);
    const expected = await evaluateGraph(graph, feedsOf(graph));
    const actual = await evaluateGraph(folded, feedsOf(folded));
    // sums of 27 products of numbers below 1.5: rounding of some 1e-6
    expect(actual['y']).toBeAllClose(expected['y']!, { atol: 1e-5 });
  });

  it('stays when somebody else reads the convolution', () => {
    expect(countNorms(foldBatchNorm(graphOf({ y: norm(conv), z: b.relu(conv) })))).toBe(1);
  });

  it('stays behind another operator', () => {
    expect(countNorms(foldBatchNorm(graphOf({ y: norm(b.relu(conv)) })))).toBe(1);
  });
});

describe('batch norm that stays', () => {
  it('is a product and a sum behind a convolution, and itself behind anything else', async () => {
    const graph = graphOf({ y: norm(conv), z: b.relu(conv) });
    const scaled = scaleBatchNorm(graph);
    expect(countNorms(scaled)).toBe(0);
    const [expected, actual] = [
      await evaluateGraph(graph, feedsOf(graph)),
      await evaluateGraph(scaled, feedsOf(scaled)),
    ];
    for (const name of ['y', 'z']) expect(actual[name]).toBeAllClose(expected[name]!, { atol: 1e-5 });
    expect(countNorms(scaleBatchNorm(graphOf({ y: norm(b.relu(conv)) })))).toBe(1);
  });
});

describe('a factor a channel of a cotangent', () => {
  const w = b.input('v', 'float32', [3, 4, 3, 3]);
  const k = b.input('factor', 'float32', [3]);
  const own = { ...feeds, factor: drawn('float32', [3], wide), u: drawn('float32', [3, 2, 3, 3], wide) };
  const product = b.mul(x, b.unsqueeze(k, [1, 2]));
  const isLarge = (node: b.AnyNode): boolean => node.op === 'Mul' && b.sizeOf(node.outputs[0]!.shape) === 180;
  const products = ({ outputs }: b.Graph): number =>
    b.topologicalOrder(Object.values(outputs)).filter(isLarge).length;

  it.each<[string, b.Value, b.Window]>([
    ['the kernel', w, { strides: [2, 1] }],
    ['a kernel of groups', b.input('u', 'float32', [3, 2, 3, 3]), { group: 3 }],
  ])('becomes part of %s', async (_, kernel, window) => {
    const graph = graphOf({ y: b.convTranspose(product, kernel, null, window) });
    const folded = foldFactors(graph);
    expect([products(graph), products(folded)]).toEqual([1, 0]);
    const [expected, actual] = [await evaluateGraph(graph, own), await evaluateGraph(folded, own)];
    expect(actual['y']).toBeAllClose(expected['y']!, { atol: 1e-5 });
  });

  it.each<[string, Record<string, b.Value>]>([
    ['somebody else reads the product', { y: b.convTranspose(product, w, null, {}), z: b.relu(product) }],
    [
      'it is a factor an image',
      { y: b.convTranspose(b.mul(x, b.input('n', 'float32', [2, 1, 1, 1])), w, null, {}) },
    ],
  ])('stays where %s', (_, outputs) => {
    const graph = graphOf(outputs);
    expect(b.print(foldFactors(graph))).toBe(b.print(graph));
  });
});
