import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import { drawn, pick, valueOf, whole, between } from '../support/run.ts';

/** Constants and operators on them, each with one result that is computed both here and by ONNX Runtime. */
class Draw {
  readonly random: Random;
  constructor(random: Random) {
    this.random = random;
  }
  list(length: number, low: number, high: number): number[] {
    return Array.from({ length }, whole(this.random, low, high));
  }
  float(shape: readonly number[]): b.Value {
    return b.constant(drawn('float32', shape, between(this.random, 0.25, 3)));
  }
  int(shape: readonly number[], low = -3, high = 3): b.Value {
    return b.constant(drawn('int64', shape, whole(this.random, low, high)));
  }
  bool(shape: readonly number[]): b.Value {
    return b.constant(drawn('bool', shape, whole(this.random, 0, 1)));
  }
}

const unary =
  (op: (x: b.Value) => b.Value) =>
  (d: Draw): b.Value =>
    op(d.float(d.list(2, 1, 4)));
const binary =
  (op: (x: b.Value, y: b.Value) => b.Value) =>
  (d: Draw): b.Value =>
    pick(d.random, [() => op(d.float([3, 1]), d.float([1, 2])), () => op(d.float([2, 3]), d.float([]))])();

const folds: Readonly<Record<string, (d: Draw) => b.Value>> = {
  Neg: unary(b.neg),
  Abs: unary(b.abs),
  Sqrt: unary(b.sqrt),
  Exp: unary(b.exp),
  Log: unary(b.log),
  Tanh: unary(b.tanh),
  Sigmoid: unary(b.sigmoid),
  Relu: unary((x) => b.relu(b.sub(x, 1))),
  Sign: unary((x) => b.sign(b.sub(x, 1))),
  Sin: unary(b.sin),
  Cos: unary(b.cos),
  Floor: unary(b.floor),
  Ceil: unary(b.ceil),
  Round: (d) => b.round(b.mul(b.cast(d.int([9], -5, 5), 'float32'), 0.5)),
  Add: binary(b.add),
  Sub: binary(b.sub),
  Mul: binary(b.mul),
  Div: binary(b.div),
  'Div of whole numbers': (d) => b.div(d.int([5], -9, 9), d.int([], 2, 4)),
  Pow: binary(b.pow),
  Max: binary(b.max),
  Min: binary(b.min),
  Equal: (d) => b.equal(d.int([3, 4]), d.int([4])),
  Greater: binary(b.greater),
  Less: binary(b.less),
  And: (d) => b.and(d.bool([3, 4]), d.bool([4])),
  Not: (d) => b.not(d.bool([3, 4])),
  Where: (d) => b.where(d.bool([3, 1]), d.float([2]), d.float([3, 2])),
  Clip: (d) => b.clip(d.float([7]), 1, 2),
  'Cast to int': (d) => b.cast(b.sub(d.float([7]), 1.5), 'int64'),
  'Cast to bool': (d) => b.cast(d.int([7]), 'bool'),
  ReduceSum: (d) => b.reduceSum(d.float([2, 3, 2]), { axes: [0, -1] }),
  ReduceMean: (d) => b.reduceMean(d.float([2, 3]), { axes: [1], keepdims: true }),
  ReduceMax: (d) => b.reduceMax(d.int([2, 3])),
  ReduceSumSquare: (d) => b.reduceSumSquare(d.float([2, 3]), { axes: [0] }),
  MatMul: (d) => b.matmul(d.float([2, 1, 3, 2]), d.float([3, 2, 4])),
  Reshape: (d) => b.reshape(d.float([2, 6]), [3, -1]),
  Flatten: (d) => b.flatten(d.float([2, 3, 2])),
  Transpose: (d) => b.transpose(d.float([2, 3, 4]), [2, 0, 1]),
  Expand: (d) => b.expand(d.float([3, 1]), b.ints([2, 1, 4])),
  Squeeze: (d) => b.squeeze(d.int([1, 3]), [0]),
  Unsqueeze: (d) => b.unsqueeze(d.int([3]), [1]),
  Slice: (d) => b.slice(d.float([5, 6]), [1, -1], [5, -99], [0, 1], [2, -2]),
  Pad: (d) => b.pad(d.float([2, 3]), [1, 0, 0, 2]),
  Concat: (d) => b.concat([d.float([2, 1, 3]), d.float([2, 2, 3])], 1),
  Gather: (d) => b.gather(d.float([2, 4, 3]), d.int([2, 2], -4, 3), 1),
  GatherElements: (d) => b.gatherElements(d.float([4, 3]), d.int([2, 3], -4, 3), 0),
  ScatterElements: (d) => b.scatterAdd(d.float([4, 3]), d.int([2, 3], -4, 3), d.float([2, 3]), 0),
};

describe('a constant that is folded is what ONNX Runtime computes', () => {
  test.for(Object.entries(folds))('%s', async ([name, build]) => {
    const d = new Draw(stream(1, 'evaluate', name));
    for (let i = 0; i < 5; i++) {
      const y = build(d);
      const folded = b.folded(y);
      expect(folded.source.kind).toBe('constant');
      const { tensor } = folded.source as b.Constant;
      expect(tensor).toBeAllClose(await valueOf(y), { rtol: 1e-6, atol: 1e-6 });
    }
  });
});

describe('what is not folded', () => {
  const image = b.input('image', 'float32', ['batch', 3]);
  test.for<readonly [why: string, y: b.Value]>([
    ['a value that is fed', b.neg(image)],
    ['a constant repeated to something large', b.expand(b.scalar(0), b.ints([100, 100]))],
    ['what would fill memory', b.add(b.expand(b.scalar(0), b.ints([2 ** 20, 2 ** 20])), 1)],
    ['an index outside', b.gather(b.ints([1, 2]), b.ints([2]))],
    ['a division of whole numbers by 0', b.div(b.ints([1]), b.ints([0]))],
  ])('%s', ([, y]) => {
    expect(b.folded(y)).toBe(y);
  });
});

test('int64 values at the end of their range are what they were', () => {
  const far = b.constant({ dtype: 'int64', shape: [1], data: BigInt64Array.of(2n ** 63n - 1n) });
  const y = b.folded(b.concat([far, b.ints([-1])], 0));
  expect((y.source as b.Constant).tensor.data).toEqual(BigInt64Array.of(2n ** 63n - 1n, -1n));
  expect(b.ints([2 ** 63]).source).toMatchObject({ tensor: { data: BigInt64Array.of(2n ** 63n - 1n) } });
});

describe('the sizes that a value holds', () => {
  const image = b.input('image', 'float32', ['batch', 3, 28, 'width']);
  const shape = b.shapeOf(image);
  const at = (i: number): b.Value => b.gather(shape, b.scalar(i, 'int64'));
  test.for<readonly [text: string, y: b.Value, dims: readonly b.Dim[] | null]>([
    ['a shape', shape, ['batch', 3, 28, 'width']],
    ['one of its sizes', at(-1), ['width']],
    ['a part of it', b.slice(shape, [1], [3], [0]), [3, 28]],
    ['backwards', b.slice(shape, [-1], [-99], [0], [-1]), ['width', 28, 3, 'batch']],
    ['a product', b.mul(at(0), b.mul(at(1), at(3))), ['3*batch*width']],
    ['a quotient that is exact', b.div(b.mul(at(0), at(2)), b.scalar(4, 'int64')), ['7*batch']],
    ['a quotient that is not', b.div(at(0), b.scalar(2, 'int64')), null],
    ['a sum of open sizes', b.add(at(0), 1), null],
    ['a sum of known ones', b.add(at(1), at(2)), [31]],
    ['what is taken from itself', b.sub(at(0), at(0)), [0]],
    ['a list of several', b.concat([b.unsqueeze(at(0), [0]), b.ints([-1])], 0), ['batch', -1]],
    [
      'a choice on a condition that is known',
      b.where(b.equal(shape, b.ints([-1, -1, -1, -1])), b.ints([1, 1, 1, 1]), shape),
      ['batch', 3, 28, 'width'],
    ],
    ['the number of elements', b.apply('Size', [image], {})[0]!, ['84*batch*width']],
    ['numbers that are fed', b.input('sizes', 'int64', [2]), null],
  ])('%s', ([, y, dims]) => {
    expect(b.dimsOf(y)).toEqual(dims);
  });
});

describe('bindDims', () => {
  const image = b.input('image', 'float32', ['batch', 3, 'size', 'size']);
  const y = b.reshapeTo(image, b.concat([b.slice(b.shapeOf(image), [0], [2], [0]), b.ints([-1])], 0));
  const graph: b.Graph = { name: 'net', inputs: [image], outputs: { y } };

  test('gives inputs their sizes and computes the shapes that follow', () => {
    const bound = b.bindDims(graph, { size: 8 });
    expect(b.showType(bound.outputs.y!)).toBe('float32[batch,3,64]');
    const all = b.bindDims(bound, { batch: 2 });
    expect(all.inputs.map(b.showType)).toEqual(['float32[2,3,8,8]']);
    expect(b.topologicalOrder(Object.values(all.outputs)).map(({ op }) => op)).toEqual(['Reshape']);
  });

  test('rejects a dimension that no input has', () => {
    expect(() => b.bindDims(graph, { height: 8 })).toThrow(
      new Error('bind: net has no open dimension height; it has batch, size'),
    );
  });
});
