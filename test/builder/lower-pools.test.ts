import { describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { poolsInPhases } from '../../src/builder/lower/phases.ts';
import { shiftsAfterPools } from '../../src/builder/lower/shifts.ts';
import { stream } from '../../src/runtime/random.ts';
import { evaluateGraph, feeder, graphOf, pick, whole } from '../support/run.ts';

const pairs = { kernel_shape: [2, 2], strides: [2, 2] };
const pool = (x: b.Value): b.Value => b.maxPool(x, pairs).y;
const sumsOver = { axes: [0, 2, 3] };
const perChannel = (x: b.Value): b.Value => b.unsqueeze(x, [1, 2]);

const opsOf = (graph: b.Graph): readonly b.OpType[] =>
  b.topologicalOrder(Object.values(graph.outputs)).map(({ op }) => op);

/** Draws whole numbers, of which sums are exact in any order. */
function drawing(seed: string) {
  const random = stream(1, 'pools', seed);
  const feed = feeder();
  const draw = (shape: b.Shape): b.Value => feed.input('float32', shape, whole(random, -2, 2));
  return { random, feed, draw };
}

async function expectSame(
  graph: b.Graph,
  lowered: b.Graph,
  feeds: Readonly<Record<string, b.Tensor>>,
): Promise<void> {
  const types = ({ outputs }: b.Graph): string[] => Object.values(outputs).map(b.showType);
  expect(types(lowered)).toEqual(types(graph));
  const plain = (g: b.Graph): b.Graph => b.lower(g, 'plain');
  const [expected, actual] = [
    await evaluateGraph(plain(graph), feeds),
    await evaluateGraph(plain(lowered), feeds),
  ];
  for (const name of Object.keys(graph.outputs)) expect(actual[name]).toBeAllClose(expected[name]!);
}

describe('a pool in phases of the convolution before it', () => {
  /** A convolution, sums and products a channel as batch norm has them, and a pool, with all gradients. */
  function network(seed: number): { graph: b.Graph; feeds: Readonly<Record<string, b.Tensor>> } {
    const { random, feed, draw } = drawing(`network ${seed}`);
    const [k, c, m] = [whole(random, 1, 5)(), whole(random, 1, 3)(), whole(random, 1, 3)()];
    const before = whole(random, 0, k - 1)();
    const after = whole(random, 0, k - 1)();
    const [oh, ow] = [2 * whole(random, 1, 3)(), 2 * whole(random, 1, 3)()];
    const size = [oh + k - 1 - before - after, ow + k - 1 - before - after];
    if (size.some((n) => n < 1)) return network(seed + 1000);
    const batch = pick<b.Dim>(random, ['batch', 2]);
    const x = draw([batch, c, ...size]);
    const w = draw([m, c, k, k]);
    const y = b.conv(x, w, random.below(2) === 0 ? null : draw([m]), {
      pads: [before, before, after, after],
    });
    const z = b.add(b.mul(b.sub(y, draw([m, 1, 1])), draw([1, m, 1, 1])), 1);
    const pooled = b.relu(pool(z));
    const squares = b.mul(b.reduceSum(b.mul(z, z), sumsOver), draw([m]));
    const loss = b.add(b.reduceSum(b.mul(pooled, draw(pooled.shape))), b.reduceSum(squares));
    const gradients = b.grad(
      loss,
      b.freeInputs([loss]).filter((v) => v.dtype === 'float32'),
    );
    const outputs = { pooled, loss, ...Object.fromEntries(gradients.map((g, i) => [`g${i}`, g])) };
    return { graph: graphOf(outputs), feeds: feed.feeds };
  }

  it.each(Array.from({ length: 25 }, (_, i) => [i]))(
    'is exact on whole numbers: network %i',
    async (seed) => {
      const { graph, feeds } = network(seed);
      const lowered = poolsInPhases(graph);
      expect(opsOf(lowered).filter((op) => op.startsWith('MaxPool'))).toEqual([]);
      await expectSame(graph, lowered, feeds);
    },
  );

  it('gives whoever else reads the convolution what it was', async () => {
    const { feed, draw } = drawing('others');
    const y = b.conv(draw([2, 1, 4, 6]), draw([3, 1, 3, 3]), null, { pads: [1, 1, 1, 1] });
    const outputs = {
      pooled: pool(y),
      turned: b.transpose(y, [0, 2, 1, 3]),
      sum: b.add(y, draw([2, 3, 4, 6])),
    };
    await expectSame(graphOf(outputs), poolsInPhases(graphOf(outputs)), feed.feeds);
  });

  it.each([
    [
      'many channels',
      b.conv(b.input('x', 'float32', [2, 8, 4, 4]), b.input('w', 'float32', [3, 8, 1, 1]), null, {}),
      pairs,
    ],
    [
      'a stride',
      b.conv(b.input('x', 'float32', [2, 1, 8, 8]), b.input('w', 'float32', [3, 1, 1, 1]), null, {
        strides: [2, 2],
      }),
      pairs,
    ],
    [
      'windows of three',
      b.conv(b.input('x', 'float32', [2, 1, 6, 6]), b.input('w', 'float32', [3, 1, 1, 1]), null, {}),
      { kernel_shape: [3, 3], strides: [3, 3] },
    ],
  ])('is left alone with %s', (_, y, window) => {
    const graph = graphOf({ pooled: b.maxPool(y, window).y });
    expect(b.print(poolsInPhases(graph))).toBe(b.print(graph));
  });
});

describe('a number a channel before a pool', () => {
  const { feed, draw } = drawing('shifts');
  const x = draw([2, 16, 4, 4]);
  const convolved = b.conv(draw([2, 16, 4, 4]), draw([16, 16, 5, 5]), draw([16]), { pads: [2, 2, 2, 2] });

  it.each([
    ['that is added', b.add(x, perChannel(draw([16])))],
    ['with an axis for the images', b.add(x, draw([1, 16, 1, 1]))],
    ['that is the bias of a convolution', convolved],
  ])('%s is added after it', async (_, y) => {
    const pooled = pool(y);
    const [dx] = b.grad(b.reduceSum(b.mul(pooled, draw([2, 16, 2, 2]))), [y]);
    const graph = graphOf({ pooled, dx: dx! });
    const lowered = shiftsAfterPools(graph);
    const added = b
      .topologicalOrder([lowered.outputs['pooled']!])
      .filter(({ op, inputs }) => op === 'Add' || (op === 'Conv' && inputs[2]));
    expect(added.map(({ outputs }) => outputs[0]!.shape)).toEqual([[2, 16, 2, 2]]);
    await expectSame(graph, lowered, feed.feeds);
  });

  it.each([
    ['a number an image', b.add(x, b.input('n', 'float32', [2, 1, 1, 1]))],
    ['a number a pixel', b.add(x, b.input('p', 'float32', [4, 4]))],
    [
      'the bias that a native convolution adds for nothing',
      b.conv(
        b.input('i', 'float32', [2, 1, 4, 4]),
        b.input('w', 'float32', [3, 1, 1, 1]),
        b.input('b', 'float32', [3]),
        {},
      ),
    ],
  ])('is not %s', (_, y) => {
    const graph = graphOf({ pooled: pool(y) });
    expect(b.print(shiftsAfterPools(graph))).toBe(b.print(graph));
  });
});
