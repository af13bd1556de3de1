import { describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { factorSums } from '../../src/builder/lower/factors.ts';
import { gatherScales } from '../../src/builder/lower/scales.ts';
import { share } from '../../src/builder/lower/share.ts';
import { geluByTanh, gelu } from '../../src/onnx/operators/activation.ts';
import { stream } from '../../src/runtime/random.ts';
import { between, drawn, evaluateGraph, graphOf } from '../support/run.ts';

const shape = [3, 4, 5, 5];
const [x, y, z] = ['x', 'y', 'z'].map((name) => b.input(name, 'float32', shape)) as [
  b.Value,
  b.Value,
  b.Value,
];
const perChannel = b.input('c', 'float32', [4, 1, 1]);
const perImage = b.input('n', 'float32', [3, 1, 1, 1]);
const weight = b.constant(b.tensorOf('float32', [4, 1, 1], [1, -2, 3, 0.5]));

const feeds = Object.fromEntries(
  [x, y, z, perChannel, perImage].map((value, i) => [
    b.inputName(value),
    drawn('float32', value.shape as readonly number[], between(stream(1, `product ${i}`), -2, 2)),
  ]),
);

/** Passes over a whole value: operators whose result is as large as the images. */
const passes = (graph: b.Graph): readonly string[] =>
  b
    .topologicalOrder(Object.values(graph.outputs))
    .filter(({ outputs }) => b.sizeOf(outputs[0]!.shape) === 300)
    .map(({ op }) => op);

async function expectSame(graph: b.Graph, lowered: b.Graph): Promise<void> {
  const own = Object.fromEntries(
    graph.inputs.map((value) => [b.inputName(value), feeds[b.inputName(value)]!]),
  );
  const [expected, actual] = [await evaluateGraph(graph, own), await evaluateGraph(lowered, own)];
  for (const name of Object.keys(graph.outputs)) {
    expect(actual[name]).toBeAllClose(expected[name]!, { rtol: 1e-5, atol: 1e-5 });
  }
}

describe('numbers and small factors of a product', () => {
  it.each<[string, b.Value, readonly string[]]>([
    ['two numbers', b.mul(b.mul(b.mul(x, 0.5), y), 4), ['Mul', 'Mul']],
    ['a number and a sign', b.neg(b.mul(x, 3)), ['Mul']],
    ['a sign and a sign', b.neg(b.mul(b.neg(x), y)), ['Mul']],
    ['a number in a constant', b.mul(b.mul(x, weight), 3), ['Mul']],
    ['a number in a small factor', b.div(b.mul(x, perImage), 3), ['Mul']],
    [
      'two numbers, one of which makes the shape',
      b.mul(b.mul(b.constant(b.tensorOf('float32', [1, 1, 1, 1, 1], [2])), x), 3),
      ['Mul'],
    ],
    ['two small factors', b.mul(b.mul(x, perChannel), perImage), ['Mul']],
    ['half of 1 + erf', b.mul(b.mul(x, b.add(b.erf(y), 1)), 0.5), ['Erf', 'HardSigmoid', 'Mul']],
    ['half of 1 + tanh', b.mul(b.mul(x, 0.5), b.add(1, b.tanh(y))), ['Tanh', 'HardSigmoid', 'Mul']],
  ])('%s', async (_, product, expected) => {
    const graph = graphOf({ product });
    const lowered = gatherScales(graph);
    expect(passes(lowered)).toEqual(expected);
    expect(b.showType(lowered.outputs['product']!)).toBe(b.showType(product));
    await expectSame(graph, lowered);
  });

  it('takes a scaled value apart that products alone read, and no other', async () => {
    const scaled = b.mul(x, 0.5);
    const products = { a: b.mul(b.mul(scaled, y), 3), b: b.mul(b.mul(scaled, z), 3) };
    const graph = graphOf(products);
    expect(passes(gatherScales(graph)).length).toBe(4);
    await expectSame(graph, gatherScales(graph));
    const read = graphOf({ ...products, scaled });
    expect(passes(gatherScales(read))).toContain('Mul');
    await expectSame(read, gatherScales(read));
  });

  it.each([
    ['a number alone', b.mul(b.mul(x, y), 3)],
    [
      'a division that makes the shape',
      b.mul(b.div(b.input('v', 'float32', [3]), b.constant(b.tensorOf('float32', [1, 1], [4]))), 2),
    ],
    ['whole numbers', b.mul(b.mul(b.input('i', 'int32', shape), 2), 3)],
  ])('leaves %s', (_, product) => {
    const graph = graphOf({ product });
    expect(b.print(gatherScales(graph))).toBe(b.print(graph));
  });

  it.each([
    ['a constant over a constant', b.mul(b.div(b.scalar(8), b.scalar(2)), x)],
    [
      'constants of other ranks',
      b.mul(
        b.mul(b.constant(b.tensorOf('float32', [1, 1, 1], [2])), b.scalar(3)),
        b.neg(b.tanh(b.scalar(1))),
      ),
    ],
    [
      'a constant near the end of the range',
      b.neg(
        b.mul(b.mul(b.mul(x, 0), b.constant(b.tensorOf('float32', [4, 1, 1], [3e38, 0, -3e38, 1e-38]))), 2),
      ),
    ],
  ])('keeps shape and values of %s', async (_, product) => {
    const graph = graphOf({ product });
    const lowered = gatherScales(graph);
    expect(b.showType(lowered.outputs['product']!)).toBe(b.showType(product));
    await expectSame(graph, lowered);
  });

  it('leaves numbers whose product is out of range', async () => {
    const graph = graphOf({ product: b.mul(b.mul(b.mul(x, 2 ** 100), y), 2 ** 100) });
    expect(b.print(gatherScales(graph))).toBe(b.print(graph));
    const back = graphOf({ product: b.mul(b.mul(b.mul(x, 2 ** 100), y), 2 ** -100) });
    await expectSame(back, gatherScales(back));
  });
});

describe('a factor that terms of a sum share', () => {
  it.each<[string, b.Value, number]>([
    ['two products', b.add(b.mul(x, y), b.mul(b.mul(z, x), b.exp(y))), 4],
    ['a value and itself, scaled', b.add(x, b.mul(x, perChannel)), 1],
    ['the same within a longer sum', b.add(x, b.add(perChannel, b.mul(x, perImage))), 2],
  ])('is taken out of %s', async (_, sum, expected) => {
    const graph = graphOf({ sum });
    const lowered = factorSums(graph);
    expect(passes(lowered).length).toBe(expected);
    expect(b.showType(lowered.outputs['sum']!)).toBe(b.showType(sum));
    await expectSame(graph, lowered);
  });

  it.each([
    ['of which one has no other', b.add(x, b.mul(x, y))],
    ['that are one value', b.add(x, x)],
    ['of whole numbers', ((i: b.Value) => b.add(b.mul(i, 2), b.mul(i, 3)))(b.input('i', 'int32', shape))],
  ])('stays in terms %s', (_, sum) => {
    const graph = graphOf({ sum });
    expect(b.print(factorSums(graph))).toBe(b.print(graph));
  });

  it('stays in products that something else reads', () => {
    const product = b.mul(x, y);
    const graph = graphOf({ sum: b.add(product, b.mul(x, z)), product });
    expect(b.print(factorSums(graph))).toBe(b.print(graph));
  });
});

it.each([
  ['GELU', gelu, 12],
  ['its form by tanh', geluByTanh, 23],
])('%s and its gradient take fewer passes', async (_, f, most) => {
  const [dx] = b.grad(b.reduceSum(b.mul(f(x), y)), [x]);
  const graph = b.lower(graphOf({ f: f(x), dx: dx! }), 'cpu');
  const gathered = share(factorSums(gatherScales(graph)));
  expect(passes(gathered).length).toBeLessThanOrEqual(most);
  expect(passes(gathered).length).toBeLessThan(passes(graph).length);
  await expectSame(graph, gathered);
});
