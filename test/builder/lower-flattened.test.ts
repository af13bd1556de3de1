import { expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { flattenChannelsLast } from '../../src/builder/lower/flattened.ts';
import { sinkTransposes } from '../../src/builder/lower/layout.ts';
import { stream } from '../../src/runtime/random.ts';
import { evaluateGraph, feeder, graphOf, whole } from '../support/run.ts';

const random = stream(1, 'flattened');
const feed = feeder();
const draw = (shape: b.Shape): b.Value => feed.input('float32', shape, whole(random, -4, 4));

const [n, height, width, channels, classes] = [2, 3, 4, 5, 6];
const images = draw([n, height, width, channels]);
const w = draw([classes, channels * height * width]);
const bias = draw([classes]);
const dy = draw([n, classes]);
const perImage = (graph: b.Graph): number =>
  b
    .topologicalOrder(Object.values(graph.outputs))
    .filter(({ op, inputs: [x] }) => op === 'Transpose' && x!.shape.length === 4).length;

/** The linear layer behind images, the gradient of its weights, and that of the images as they stand. */
function layer(turn: readonly number[], back: readonly number[]): b.Graph {
  const turned = b.transpose(images, turn);
  const rows = b.reshape(turned, [n, -1]);
  const gradient = b.reshape(b.matmul(dy, w), turned.shape as number[]);
  return graphOf({
    y: b.gemm(rows, w, bias, { transB: 1 }),
    dw: b.matmul(b.transpose(rows, [1, 0]), dy),
    dx: b.relu(b.transpose(gradient, back)),
  });
}

it('transposes the weights, not the images, and gives the same', async () => {
  const graph = layer([0, 3, 1, 2], [0, 2, 3, 1]);
  const found = flattenChannelsLast(graph);
  // what is left cancels: the gradient is turned forth and back
  expect([perImage(graph), perImage(sinkTransposes(found))]).toEqual([2, 0]);
  const [before, after] = [await evaluateGraph(graph, feed.feeds), await evaluateGraph(found, feed.feeds)];
  // sums of whole numbers are exact in any order
  expect(after).toEqual(before);
});

it('leaves images that are turned in another way', () => {
  const graph = layer([0, 2, 1, 3], [0, 2, 1, 3]);
  expect(b.print(flattenChannelsLast(graph))).toBe(b.print(graph));
});

it('leaves products that scale', () => {
  const rows = b.reshape(b.transpose(images, [0, 3, 1, 2]), [n, -1]);
  const graph = graphOf({ y: b.gemm(rows, w, bias, { transB: 1, alpha: 2 }) });
  expect(b.print(flattenChannelsLast(graph))).toBe(b.print(graph));
});

it('leaves a product with images that are not turned for it', () => {
  const rows = b.transpose(b.reshape(b.transpose(images, [0, 3, 1, 2]), [n, -1]), [0, 1]);
  const graph = graphOf({ y: b.gemm(rows, w, bias, { transB: 1 }), z: b.matmul(rows, draw([60, 2])) });
  expect(b.print(flattenChannelsLast(graph))).toBe(b.print(graph));
});
