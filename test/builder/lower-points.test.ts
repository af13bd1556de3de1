import { describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { acrossBatch } from '../../src/builder/lower/across.ts';
import { formOf } from '../../src/builder/lower/forms.ts';
import { byPoints } from '../../src/builder/lower/points.ts';
import { axisOf, hasPoints } from '../../src/builder/lower/toom.ts';
import { attackerTrain } from '../../src/models/programs.ts';
import type { Geometry } from '../../src/builder/window.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import { doubleOf, inDouble } from '../support/double.ts';
import { between, drawn, evaluateGraph, graphOf } from '../support/run.ts';

const whole = (random: Random, low: number, high: number): number => low + random.below(high - low + 1);
const two = (draw: () => number): readonly number[] => [draw(), draw()];

/** Sizes, kernels, strides and pads at random, other in each direction, other at begin and end; positions in up to three tiles. */
function drawnWindow(random: Random): { readonly g: Geometry; readonly pixels: readonly number[] } {
  for (;;) {
    const g: Geometry = {
      kernel: two(() => whole(random, 1, 5)),
      strides: two(() => whole(random, 1, 3)),
      dilations: [1, 1],
      begins: two(() => whole(random, 0, 3)),
      ends: two(() => whole(random, 0, 3)),
    };
    const pixels = two(() => whole(random, 1, 12));
    const isPadInside = g.kernel.every((k, i) => g.begins[i]! < k && g.ends[i]! < k);
    if (hasPoints(g) && isPadInside && positionsOf(g, pixels).every((count) => count >= 1))
      return { g, pixels };
  }
}

const positionsOf = (
  { kernel, strides, begins, ends }: Geometry,
  pixels: readonly number[],
): readonly number[] =>
  pixels.map((n, i) => Math.floor((n + begins[i]! + ends[i]! - kernel[i]!) / strides[i]!) + 1);

describe('an axis as products at points', () => {
  it.each([true, false])('is the convolution, in 100 geometries, tiles alike: %s', (alike) => {
    const random = stream(1, 'points', `${alike}`);
    for (let i = 0; i < 100; i++) {
      const { g, pixels } = drawnWindow(random);
      const positions = positionsOf(g, pixels);
      const axis = axisOf(pixels[0]!, positions[0]!, 0, g, alike);
      for (let h = 0; h < pixels[0]!; h++)
        for (let o = 0; o < positions[0]!; o++)
          for (let t = 0; t < g.kernel[0]!; t++) {
            const products = axis.taps.map(
              (taps, p) => taps[t]! * axis.pixels[p]![h]! * axis.positions[p]![o]!,
            );
            const expected = h === o * g.strides[0]! - g.begins[0]! + t ? 1 : 0;
            expect(products.reduce((sum, x) => sum + x, 0)).toBeCloseTo(expected, 12);
          }
    }
  });

  it.each([
    [14, 7, 20, 22],
    [7, 4, 10, 10],
    [4, 2, 6, 6],
  ])(
    'from %i pixels to %i positions takes %i products, or %i with tiles alike',
    (pixels, positions, rows, alike) => {
      const g = { kernel: [5], strides: [2], dilations: [1], begins: [2], ends: [2] };
      expect(axisOf(pixels, positions, 0, g, false).pixels.length).toBe(rows);
      expect(axisOf(pixels, positions, 0, g, true).pixels.length).toBe(alike);
    },
  );
});

/** A convolution, its transposed one and its weight gradient, in ONNX's own form. */
function operators(random: Random, batch: number | string, largest: number) {
  const { g, pixels } = drawnWindow(random);
  const [c, m] = [whole(random, 1, largest), whole(random, 1, 4)];
  const attrs = { strides: g.strides, pads: [...g.begins, ...g.ends] };
  const positions = positionsOf(g, pixels);
  const x = b.input('x', 'float32', [batch, c, ...pixels]);
  const y = b.input('y', 'float32', [batch, m, ...positions]);
  const w = b.input('w', 'float32', [m, c, ...g.kernel]);
  const [inBias, outBias] = [b.input('inBias', 'float32', [c]), b.input('outBias', 'float32', [m])];
  const output_padding = pixels.map(
    (n, i) => n + g.begins[i]! + g.ends[i]! - g.kernel[i]! - g.strides[i]! * (positions[i]! - 1),
  );
  const isBiased = random.below(2) === 0;
  return {
    forward: b.conv(x, w, isBiased ? outBias : null, attrs),
    inputGradient: b.convTranspose(y, w, isBiased ? inBias : null, { ...attrs, output_padding }),
    weightGradient: b.convWeightGrad(x, y, { ...attrs, kernel_shape: g.kernel }),
  };
}

describe.each([
  ['at points', byPoints, 3, 4],
  ['across a batch', acrossBatch, 3, 3],
  ['across an open batch', acrossBatch, 'batch', 3],
] as const)('%s', (title, form, batch, largest) => {
  it('a convolution and both gradients equal ONNX Runtime, in 40 geometries', async () => {
    const random = stream(1, 'points', title);
    for (let i = 0; i < 40; i++) {
      const native = operators(random, batch, largest);
      const lowered = Object.fromEntries(
        Object.entries(native).map(([name, y]) => [name, form(y.source as b.AnyNode)]),
      );
      const graph = graphOf(native);
      const feeds = Object.fromEntries(
        graph.inputs.map((x) => [
          b.inputName(x),
          drawn(
            'float32',
            x.shape.map((dim) => (dim === 'batch' ? 3 : Number(dim))),
            between(random, -1, 1),
          ),
        ]),
      );
      const expected = await evaluateGraph(b.lower(graph, 'plain'), feeds);
      const actual = await evaluateGraph(graphOf(lowered), feeds);
      for (const name of Object.keys(native)) {
        expect(actual[name]).toBeAllClose(expected[name]!, { rtol: 2e-5, atol: 2e-5 });
      }
    }
  });
});

describe('the form of a strided convolution', () => {
  const attrs = { strides: [2, 2], pads: [2, 2, 2, 2] };
  const of = (
    n: number | string,
    c: number,
    size: number,
    { dtype = 'float32' as b.DType, constant = false, m = 128 } = {},
  ): string => {
    const shape = [m, c, 5, 5];
    const w = constant
      ? b.constant(b.tensorOf('float32', shape, new Array<number>(m * c * 25).fill(1)))
      : b.input('w', dtype, shape);
    const y = b.conv(b.input('x', dtype, [n, c, size, size]), w, null, attrs);
    return formOf(y.source as b.AnyNode, 'cpu');
  };

  it('is at points where what they save is more than what kernels cost there', () => {
    expect([8, 16, 32, 100].map((n) => of(n, 64, 14))).toEqual(['gemm', 'points', 'points', 'points']);
    expect([8, 16, 32, 100].map((n) => of(n, 64, 7))).toEqual(['groups', 'groups', 'points', 'points']);
    expect([32, 50, 100].map((n) => of(n, 64, 4))).toEqual(['groups', 'groups', 'points']);
  });

  it.each([
    ['an open batch', () => of('batch', 64, 14)],
    ['few channels', () => of(100, 63, 14)],
    ['few channels behind it', () => of(100, 64, 14, { m: 32 })],
    ['large images', () => of(100, 64, 28)],
    ['double precision', () => of(100, 64, 14, { dtype: 'float64' })],
    ['constant kernels', () => of(100, 64, 14, { constant: true })],
  ])('is one GEMM with %s', (_, form) => {
    expect(form()).toBe('gemm');
  });

  it('is across the batch for few channels of many images, and for one channel of any number', () => {
    expect([of(100, 1, 28), of('batch', 1, 28), of(100, 3, 32)]).toEqual(
      new Array<string>(3).fill('across the batch'),
    );
    expect([of(8, 1, 28), of('batch', 3, 32), of(100, 8, 32), of(100, 1, 28, { m: 8 })]).toEqual(
      new Array<string>(4).fill('gemm'),
    );
  });
});

it('gradients through three layers at points, in float32, are those in float64', async () => {
  const attrs = { strides: [2, 2], pads: [2, 2, 2, 2] };
  const x = b.input('x', 'float32', [32, 64, 14, 14]);
  const weights = [1, 2, 3].map((i) => b.input(`w${i}`, 'float32', [64, 64, 5, 5]));
  const [w1, w2, w3] = weights as [b.Value, b.Value, b.Value];
  const narrow = b.tanh(b.conv(b.tanh(b.conv(x, w1, null, attrs)), w2, null, attrs));
  const y = b.tanh(b.convTranspose(narrow, w3, null, attrs));
  const gradients = b.grad(b.reduceSum(b.mul(y, y)), [x, ...weights]);
  const graph = graphOf(Object.fromEntries(gradients.map((g, i) => [`g${i}`, g])));
  const lowered = b.lower(graph, 'cpu');
  const ops = b.topologicalOrder(Object.values(lowered.outputs)).map(({ op }) => op);
  expect(ops).not.toContain('Gather');
  const random = stream(1, 'points', 'gradients');
  const feeds = Object.fromEntries(
    graph.inputs.map((value) => [
      b.inputName(value),
      drawn('float32', value.shape as readonly number[], between(random, -0.05, 0.05)),
    ]),
  );
  const exact = await evaluateGraph(
    inDouble(graph),
    Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, doubleOf(tensor)])),
  );
  const actual = await evaluateGraph(lowered, feeds);
  for (const name of Object.keys(exact)) {
    const [a, e] = [actual[name]!.data as Float32Array, exact[name]!.data as Float64Array];
    const wrong = e.reduce((sum, value, i) => sum + (a[i]! - value) ** 2, 0);
    const size = e.reduce((sum, value) => sum + value ** 2, 0);
    // 1.8e-6 is seen
    expect(Math.sqrt(wrong / size)).toBeLessThan(2e-5);
  }
});

it('between the convolutions of an attacker that trains on 100 images at a time no image is transposed', () => {
  const options = { batchSize: 100, learningRate: 1e-3, eps: 0.1, bound: 'tanh', clip: true } as const;
  const { outputs } = b.lower(attackerTrain(options).graph, 'cpu');
  const transposed = b
    .topologicalOrder(Object.values(outputs))
    .filter(({ op, inputs }) => op === 'Transpose' && inputs[0]!.shape.includes(100))
    .map(({ inputs }) => inputs[0]!.shape);
  // only what one channel has, and the images of the classifier of 16 and 32 channels
  const isOfClassifier = (shape: b.Shape): boolean => shape.includes(16) || shape.includes(32);
  const ownShapes = transposed.filter((shape) => shape.length === 4 && !isOfClassifier(shape));
  expect(ownShapes.every((shape) => b.sizeOf(shape) === 78400)).toBe(true);
  expect(ownShapes.length).toBeGreaterThan(0);
});
