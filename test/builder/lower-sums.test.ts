import { describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { sumsByProduct } from '../../src/builder/lower/sums.ts';
import { stream } from '../../src/runtime/random.ts';
import { drawn, evaluateGraph, graphOf, whole } from '../support/run.ts';

const shape = [4, 5, 6, 3];
const x = b.input('x', 'float32', shape);
// whole numbers: sums are exact in any order
const feeds = { x: drawn('float32', shape, whole(stream(1, 'sums'), -9, 9)) };
const over = { axes: [0, 1, 2] };

const reductions = (graph: b.Graph): readonly string[] =>
  b
    .topologicalOrder(Object.values(graph.outputs))
    .map(({ op }) => op)
    .filter((op) => op.startsWith('Reduce'));

describe('sums by product', () => {
  it.each([
    ['a sum', b.reduceSum(x, over)],
    ['a sum that keeps its axes', b.reduceSum(x, { ...over, keepdims: true })],
    ['a sum of what is negated', b.reduceSum(b.neg(x), over)],
    ['a mean', b.reduceMean(x, over)],
    ['a sum of squares', b.reduceSumSquare(x, over)],
  ])('are %s to the last axis', async (_, y) => {
    const graph = graphOf({ y });
    const lowered = sumsByProduct(graph);
    expect(reductions(lowered)).toEqual([]);
    expect(b.showType(lowered.outputs['y']!)).toBe(b.showType(y));
    const [expected, actual] = [await evaluateGraph(graph, feeds), await evaluateGraph(lowered, feeds)];
    expect(actual['y']).toBeAllClose(expected['y']!);
  });

  it.each([
    ['the last axis', b.reduceSum(x, { axes: [3] })],
    ['some of the first axes', b.reduceSum(x, { axes: [0, 1] })],
    ['few rows', b.reduceSum(b.slice(x, [0], [1], [0]), over)],
    ['an open batch', b.reduceSum(b.input('y', 'float32', ['batch', 3]), { axes: [0] })],
    ['a maximum', b.reduceMax(x, over)],
  ])('are not those over %s', (_, y) => {
    const graph = graphOf({ y });
    expect(b.print(sumsByProduct(graph))).toBe(b.print(graph));
  });
});
