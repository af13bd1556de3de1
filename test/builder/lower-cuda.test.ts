import { describe, expect, it, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { scaleAndShift } from '../../src/builder/lower/batchnorm.ts';
import { maxPoolByTaps } from '../../src/builder/lower/pool.ts';
import { reduceByEdges } from '../../src/builder/lower/reduce.ts';
import { opset } from '../../src/onnx/encode.ts';
import { stream } from '../../src/runtime/random.ts';
import { withoutKernel } from '../support/cuda-kernels.ts';
import { cudaPrograms, nodesOf } from '../support/cuda-programs.ts';
import { between, evaluate, evaluateGraph, feeder, graphOf, pick, whole } from '../support/run.ts';

/**
 * What ONNX Runtime's CUDA provider computes with cuDNN, as its source has it: convolutions, pools, batch norm, and
 * reductions other than a sum over the first axes or over the last ones.
 */
function needsCudnn({ op, inputs, attrs }: b.AnyNode): boolean {
  if (/Conv|Pool|Normalization|^ArgM|^Dropout|^LSTM|^GRU|^RNN/.test(op)) return true;
  if (!op.startsWith('Reduce')) return false;
  if (op !== 'ReduceSum' || 'axes' in attrs) return true;
  const [x, axes] = inputs;
  const reduced = axes ? b.normalizeAxes(op, b.constantNumbers(axes)!, x!.shape.length) : [];
  const order = x!.shape.flatMap((dim, axis) => (dim === 1 ? [] : [reduced.includes(axis)]));
  return axes !== undefined && order.filter((own, i) => i > 0 && own !== order[i - 1]).length > 1;
}

test('in plain ONNX, the programs need cuDNN, but for one of products alone', () => {
  const plain = Object.entries(cudaPrograms).filter(([title]) => !title.includes('Loop'));
  const without = plain.filter(([, graph]) => !nodesOf(b.lower(graph, 'plain')).some(needsCudnn));
  expect(without.map(([title]) => title)).toEqual(['the classifier mlp']);
});

describe.for(Object.entries(cudaPrograms))('on CUDA, %s', ([, graph]) => {
  const nodes = nodesOf(b.lower(graph, 'cuda'));

  it('has no operator that needs cuDNN', () => {
    expect(nodes.filter(needsCudnn).map(({ op }) => op)).toEqual([]);
  });

  it("has only operators, types and the opset that ONNX Runtime's table of kernels lists", () => {
    const missing = nodes.flatMap((node) => withoutKernel(node, opset) ?? []);
    expect([...new Set(missing)]).toEqual([]);
  });
});

test('an operator, a type or an opset that the table of kernels does not list is found', () => {
  const x = b.input('x', 'float32', [2, 3]);
  const whole = b.input('whole', 'uint8', [2, 3]);
  const nodeOf = (y: b.Value): b.AnyNode => y.source as b.AnyNode;
  expect(withoutKernel(nodeOf(b.sqrt(x)), opset)).toBeNull();
  expect(withoutKernel(nodeOf(b.sign(x)), opset)).toBe('Sign is not in the table');
  expect(withoutKernel(nodeOf(b.max(whole, whole)), opset)).toBe('Max has no uint8 for T');
  expect(withoutKernel(nodeOf(b.transpose(x)), 21)).toBe('Transpose is for opsets 13 to 20, not 21');
});

test('sums, means, sums of squares and maxima over any axes are exact on whole numbers, in 80 shapes', async () => {
  const random = stream(1, 'cuda', 'reduce');
  const feed = feeder();
  const values = Array.from({ length: 80 }, () => {
    const rank = whole(random, 1, 5)();
    const shape = Array.from({ length: rank }, (_, i) =>
      i === 0 ? pick<b.Dim>(random, [2, 'batch']) : pick(random, [1, 2, 3, 4, 8]),
    );
    const x = feed.input('float64', shape, whole(random, -8, 8));
    const axes = shape.flatMap((_, i) => (random.below(2) ? [i] : []));
    const options = { ...(axes.length > 0 && { axes }), keepdims: random.below(2) === 0 };
    return pick(random, [b.reduceSum, b.reduceMean, b.reduceSumSquare, b.reduceMax])(x, options);
  });
  const graph = graphOf(Object.fromEntries(values.map((y, i) => [`y${i}`, y])));
  const lowered = reduceByEdges(graph);
  // the maximum over an open axis has no halves
  const open = (node: b.AnyNode): boolean => node.op === 'ReduceMax' && node.inputs[0]!.shape[0] === 'batch';
  expect(nodesOf(lowered).filter((node) => needsCudnn(node) && !open(node))).toEqual([]);
  const [expected, actual] = [
    await evaluateGraph(graph, feed.feeds),
    await evaluateGraph(lowered, feed.feeds),
  ];
  for (const [name, value] of Object.entries(expected))
    expect(actual[name]).toBeAllClose(value, { rtol: 1e-15 });
});

test('the largest tap of each window is its maximum, in 20 geometries', async () => {
  const random = stream(1, 'cuda', 'taps');
  const feed = feeder();
  const pairs = Array.from({ length: 20 }, () => {
    const kernel = [whole(random, 1, 3)(), whole(random, 1, 3)()];
    const size = kernel.map((k) => k * whole(random, 1, 4)());
    const x = feed.input('float32', ['batch', 2, ...size], between(random, -1, 1));
    const { y } = b.maxPool(x, { kernel_shape: kernel, strides: kernel });
    return { y, taps: maxPoolByTaps(y.source as b.AnyNode as b.Node<'MaxPool'>) };
  });
  const outputs = pairs.flatMap(({ y, taps }, i) => [[`y${i}`, y] as const, [`taps${i}`, taps] as const]);
  const results = await evaluate(Object.fromEntries(outputs), feed.feeds);
  pairs.forEach((_, i) => expect(results[`taps${i}`]).toBeAllClose(results[`y${i}`]!));
});

test('the mean of the taps of each window is its average, without cuDNN', async () => {
  const random = stream(1, 'cuda', 'average');
  const feed = feeder();
  const x = feed.input('float32', ['batch', 2, 6, 4], between(random, -1, 1));
  const y = b.averagePool(x, { kernel_shape: [3, 2], strides: [3, 2] });
  const lowered = b.lower(graphOf({ y }), 'cuda');
  expect(nodesOf(lowered).filter(needsCudnn)).toEqual([]);
  const expected = await evaluate({ y }, feed.feeds);
  expect((await evaluateGraph(lowered, feed.feeds))['y']).toBeAllClose(expected.y, { atol: 1e-6 });
});

test('batch norm behind anything but a convolution is a product and a sum, and a mean over space a sum', async () => {
  const random = stream(1, 'cuda', 'norm');
  const feed = feeder();
  const x = feed.input('float32', ['batch', 3, 4, 5], between(random, -1, 1));
  const [scale, bias, mean] = [1, 2, 3].map(() => feed.input('float32', [3], between(random, -1, 1)));
  const variance = feed.input('float32', [3], between(random, 0.5, 2));
  const norm = b.batchNormalization(x, scale!, bias!, mean!, variance, 1e-3);
  const outputs = { norm, mean: b.globalAveragePool(x) };
  const lowered = b.lower(graphOf(outputs), 'cuda');
  expect(nodesOf(lowered).filter(needsCudnn)).toEqual([]);
  const expected = await evaluate(outputs, feed.feeds);
  const actual = await evaluateGraph(lowered, feed.feeds);
  // a few roundings of numbers below 2
  for (const [name, value] of Object.entries(expected))
    expect(actual[name]).toBeAllClose(value, { atol: 1e-6 });
  const direct = scaleAndShift(norm.source as b.AnyNode as b.Node<'BatchNormalization'>);
  expect((await evaluate({ direct }, feed.feeds)).direct).toBeAllClose(expected.norm, { atol: 1e-6 });
});
