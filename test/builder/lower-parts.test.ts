import { describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { sumsOfParts } from '../../src/builder/lower/parts.ts';
import { share } from '../../src/builder/lower/share.ts';
import { stream } from '../../src/runtime/random.ts';
import { evaluateGraph, feeder, graphOf, whole } from '../support/run.ts';

const random = stream(1, 'parts');
const feed = feeder();
const draw = (shape: b.Shape): b.Value => feed.input('float32', shape, whole(random, -4, 4));

const over = { axes: [0, 2, 3] };
const [x, y] = [draw([2, 3, 4, 4]), draw([2, 3, 4, 4])];
const [p, q] = [draw([3, 1, 1]), draw([1, 3, 1, 1])];
const pooled = draw([2, 3, 2, 2]);
const sumOf = (value: b.Value): b.Value => b.reduceSum(value, over);

/** Sums over as many numbers as the images have. */
const sums = (graph: b.Graph): number =>
  b
    .topologicalOrder(Object.values(graph.outputs))
    .filter(({ op, inputs }) => op.startsWith('Reduce') && b.sizeOf(inputs[0]!.shape) === 96).length;

describe('the sum of a sum', () => {
  it.each<[string, b.Value, number]>([
    ['two values', b.add(x, y), 2],
    ['a difference', b.sub(x, y), 2],
    ['a negative', b.neg(x), 2],
    ['a value scaled a channel', b.add(b.mul(x, p), b.mul(q, y)), 2],
    ['a value and a number a channel', b.sub(b.add(x, p), q), 2],
    ['what batch norm gives back', b.add(b.add(b.mul(x, p), b.mul(b.sub(y, p), q)), q), 2],
  ])('of %s follows from those of its parts', async (_, value, expected) => {
    // the mean of one part and the sum of the other are known
    const known = { x: sumOf(x), y: b.reduceMean(y, over) };
    for (const keepdims of [true, false]) {
      const graph = graphOf({ ...known, sum: b.reduceSum(value, { ...over, keepdims }) });
      // the pass takes a known sum once more, which is the same node
      const lowered = share(sumsOfParts(graph));
      expect([sums(graph), sums(lowered)]).toEqual([3, expected]);
      expect(b.showType(lowered.outputs['sum']!)).toBe(b.showType(graph.outputs['sum']!));
      const [before, after] = [
        await evaluateGraph(graph, feed.feeds),
        await evaluateGraph(lowered, feed.feeds),
      ];
      expect(after['sum']).toBeAllClose(before['sum']!);
    }
  });

  it('of the gradient of a max-pool is that of its cotangent', async () => {
    const gradient = b.maxPoolGrad(x, pooled, { kernel_shape: [2, 2], strides: [2, 2] });
    const graph = graphOf({ sum: sumOf(gradient), more: sumOf(b.mul(gradient, p)) });
    const lowered = sumsOfParts(graph);
    expect(sums(lowered)).toBe(0);
    const plain = (g: b.Graph) => evaluateGraph(b.lower(g, 'plain'), feed.feeds);
    const [before, after] = [await plain(graph), await plain(lowered)];
    for (const name of ['sum', 'more']) expect(after[name]).toBeAllClose(before[name]!);
  });

  it.each<[string, Record<string, b.Value>]>([
    ['one part is unknown', { x: sumOf(x), sum: sumOf(b.add(x, y)) }],
    ['parts are known over other axes', { x: b.reduceSum(x, { axes: [1] }), sum: sumOf(b.neg(x)) }],
    ['a part is scaled a pixel', { x: sumOf(x), sum: sumOf(b.mul(x, draw([4, 4]))) }],
    ['windows overlap', { sum: sumOf(b.maxPoolGrad(x, draw([2, 3, 3, 3]), { kernel_shape: [2, 2] })) }],
  ])('is taken where %s', (_, outputs) => {
    const graph = graphOf(outputs);
    expect(b.print(sumsOfParts(graph))).toBe(b.print(graph));
  });
});
