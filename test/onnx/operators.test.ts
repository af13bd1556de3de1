import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { decode } from '../../src/onnx/index.ts';
import { operators } from '../../src/onnx/operators/index.ts';
import { InferenceSession, OrtTensor } from '../../src/runtime/ort.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import { foreignFile, type Attribute } from '../support/foreign.ts';
import { numbers, openGraph, sizeOfShape } from '../support/run.ts';

/** A node on `x`, with its other inputs as constants, as files have it in some opsets. */
interface Case {
  readonly opsets: readonly number[];
  readonly x: readonly number[];
  /** The other inputs in order; null for one that is left out. */
  readonly rest?: readonly (b.Tensor | null)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** `x` lies above 1; in whole numbers; or holds truths. */
  readonly draw?: 'large' | 'whole' | 'bool' | 'small';
  /** How many outputs the node has; the first is differentiated. */
  readonly outputs?: number;
  /** Its derivative is zero, or it is not of floats: only values are compared. */
  readonly flat?: true;
}

const ints = (...values: number[]): b.Tensor => b.tensorOf('int64', [values.length], values);
const floats = (shape: readonly number[], seed = 1): b.Tensor =>
  b.tensorOf('float32', shape, distinct(stream(seed, 'operators', shape.join()), sizeOfShape(shape)));
const grid = b.tensorOf(
  'float32',
  [2, 3, 2, 2],
  Array.from({ length: 24 }, (_, i) => ((i * 7) % 24) / 10 - 1.17),
);
const volume = b.tensorOf(
  'float32',
  [1, 2, 1, 3, 3],
  Array.from({ length: 18 }, (_, i) => ((i * 7) % 18) / 8 - 1.03),
);
/** Weights of a recurrent network over 3 numbers with a state of 2: input, state, bias. */
const recurrent = (directions: number, gates: number): b.Tensor[] => [
  floats([directions, gates * 2, 3]),
  floats([directions, gates * 2, 2]),
  floats([directions, gates * 4]),
];
const none = b.tensorOf('float32', [0], []);
const scalar = (value: number, dtype: b.DType = 'float32'): b.Tensor => b.tensorOf(dtype, [], [value]);
const positive = (shape: readonly number[]): b.Tensor => {
  const { data } = floats(shape);
  return b.tensorOf(
    'float32',
    shape,
    Array.from(data as Float32Array, (v) => Math.abs(v) + 0.5),
  );
};

/** Distinct odd multiples of 1/16 around 0, in a random order: no ties, and no kink nearer than 1/16. */
function distinct(random: Random, size: number): number[] {
  const order = Array.from({ length: size }, (_, i) => ({ i, key: random.uniform() }));
  return order.sort((p, q) => p.key - q.key).map(({ i }) => (i - Math.floor(size / 2)) / 8 + 1 / 16);
}

const on = (
  x: readonly number[],
  opsets: readonly number[],
  more: Omit<Case, 'x' | 'opsets'> = {},
): Case => ({
  x,
  opsets,
  ...more,
});
const image = [2, 3, 5, 6];
const plain = (opsets: readonly number[], more: Omit<Case, 'x' | 'opsets'> = {}): Case[] => [
  on([2, 3, 4], opsets, more),
];
const f = (float: number) => ({ float });

/** A reduction in each form: axes as an attribute, as an input, none at all. */
const reduction = (input: number, more: Omit<Case, 'x' | 'opsets'> = {}): Case[] => {
  const olds = [7, 11, input - 1].filter((v, i, all) => v < input && all.indexOf(v) === i);
  return [
    ...(olds.length > 0
      ? [on([2, 3, 4], olds, { ...more, attributes: { axes: [-1, 0], keepdims: 0 } })]
      : []),
    on([2, 3, 4], [input, 21], { ...more, rest: [ints(1, -1)], attributes: { keepdims: 0 } }),
    on([2, 3, 4], [input, 21], { ...more, rest: [ints(1)] }),
    on([2, 3, 4], [...olds, input], more),
    on([2, 3], [input], { ...more, rest: [null], attributes: { noop_with_empty_axes: 1 } }),
  ];
};

const pads = [1, 0, 1, 2];
const pools = { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] };

/** How each operator is tried; an operator without a case fails a test below. */
const cases: Readonly<Record<string, readonly Case[]>> = {
  Relu: plain([7, 13, 17, 22]),
  Sigmoid: plain([7, 13]),
  Tanh: plain([7, 13]),
  LeakyRelu: plain([7, 16], { attributes: { alpha: f(0.3) } }),
  PRelu: [
    on([2, 3, 4, 2], [7, 9, 16], { rest: [floats([3, 1, 1])] }),
    on([2, 3], [16], { rest: [floats([1])] }),
  ],
  Elu: plain([7, 22], { attributes: { alpha: f(0.7) } }),
  Selu: [...plain([7, 22]), ...plain([7], { attributes: { alpha: f(1.2), gamma: f(0.9) } })],
  Celu: plain([12, 17], { attributes: { alpha: f(0.8) } }),
  ThresholdedRelu: plain([10, 22], { attributes: { alpha: f(0.5) } }),
  Softplus: plain([7, 22]),
  Softsign: plain([7, 22]),
  Mish: plain([18, 22]),
  Gelu: [...plain([20]), ...plain([20], { attributes: { approximate: 'tanh' } })],
  HardSigmoid: [...plain([7, 22]), ...plain([7], { attributes: { alpha: f(0.3), beta: f(0.4) } })],
  HardSwish: plain([14, 22]),
  Shrink: plain([9], { attributes: { lambd: f(0.75), bias: f(0.25) } }),
  Softmax: [
    ...plain([7, 11, 13]),
    ...plain([7, 12, 17], { attributes: { axis: -1 } }),
    ...plain([11, 13], { attributes: { axis: 0 } }),
  ],
  LogSoftmax: [...plain([7, 11, 13]), ...plain([12, 17], { attributes: { axis: 1 } })],
  'com.microsoft.Gelu': plain([17]),
  'com.microsoft.FastGelu': plain([17], { rest: [floats([4])] }),
  'com.microsoft.BiasGelu': plain([17], { rest: [floats([4])] }),
  'com.microsoft.QuickGelu': plain([17], { attributes: { alpha: f(1.3) } }),
  Neg: plain([7, 13]),
  Abs: plain([7, 13]),
  Sqrt: plain([7, 13], { draw: 'large' }),
  Exp: plain([7, 13]),
  Log: plain([7, 13], { draw: 'large' }),
  Sign: plain([9, 13], { flat: true }),
  Erf: plain([9, 13]),
  Sin: plain([7, 22]),
  Cos: plain([7, 22]),
  Tan: plain([7], { draw: 'small' }),
  Sinh: plain([9]),
  Cosh: plain([9]),
  Asinh: plain([9]),
  Acosh: plain([9], { draw: 'large' }),
  Atanh: plain([9], { draw: 'small' }),
  Floor: plain([7, 13], { flat: true }),
  Ceil: plain([7, 13], { flat: true }),
  Round: plain([11, 22], { flat: true }),
  Reciprocal: plain([7, 13], { draw: 'large' }),
  Identity: plain([7, 14]),
  Add: plain([7, 13], { rest: [floats([3, 1])] }),
  Sub: plain([7, 13], { rest: [floats([3, 1])] }),
  Mul: plain([7, 13], { rest: [floats([3, 1])] }),
  Div: plain([7, 13], { rest: [floats([3, 1])] }),
  Mod: [
    ...plain([10, 13], { rest: [scalar(0.7)], attributes: { fmod: 1 }, flat: true }),
    ...plain([10, 13], { rest: [scalar(3, 'int64')], draw: 'whole', flat: true }),
    ...plain([10], { rest: [scalar(-3, 'int64')], draw: 'whole', flat: true }),
    ...plain([10], { rest: [scalar(3, 'int64')], draw: 'whole', attributes: { fmod: 1 }, flat: true }),
  ],
  Pow: [...plain([7, 12, 15], { rest: [scalar(2)] }), ...plain([12], { rest: [scalar(3, 'int64')] })],
  BitShift: [
    on([3], [11], { draw: 'whole', rest: [ints(1, 2, 3)], attributes: { direction: 'LEFT' }, flat: true }),
  ].slice(1),
  Max: [...plain([8, 13], { rest: [floats([4], 2), scalar(0)] }), ...plain([8])],
  Min: plain([8, 13], { rest: [floats([4], 2), scalar(0)] }),
  Sum: [...plain([8, 13], { rest: [floats([4]), scalar(1)] }), ...plain([8])],
  Mean: plain([8, 13], { rest: [floats([4]), scalar(1)] }),
  MatMul: plain([7, 13], { rest: [floats([4, 2])] }),
  Clip: [
    ...plain([7, 10], { attributes: { min: f(-0.5), max: f(1) } }),
    ...plain([11, 13], { rest: [scalar(-0.5), scalar(1)] }),
    ...plain([12], { rest: [null, scalar(1)] }),
    ...plain([7, 11]),
  ],
  Cast: plain([7, 9, 13, 19], { attributes: { to: 7 }, flat: true }),
  CastLike: plain([15, 19], { rest: [ints(1)], flat: true }),
  Equal: plain([11, 13, 19], { rest: [scalar(1 / 16)], flat: true }),
  Greater: plain([7, 9, 13], { rest: [scalar(0)], flat: true }),
  Less: plain([7, 9, 13], { rest: [scalar(0)], flat: true }),
  GreaterOrEqual: plain([12, 16], { rest: [scalar(1 / 16)], flat: true }),
  LessOrEqual: plain([12, 16], { rest: [scalar(1 / 16)], flat: true }),
  IsNaN: plain([9, 13, 20], { flat: true }),
  IsInf: plain([10, 20], { attributes: { detect_negative: 0 }, flat: true }),
  Not: plain([7], { draw: 'bool', flat: true }),
  And: plain([7], { draw: 'bool', rest: [scalar(1, 'bool')], flat: true }),
  Or: plain([7], { draw: 'bool', rest: [scalar(0, 'bool')], flat: true }),
  Xor: plain([7], { draw: 'bool', rest: [scalar(1, 'bool')], flat: true }),
  Where: [on([3], [9, 16], { draw: 'bool', rest: [floats([2, 3]), scalar(0)], flat: true })],
  'com.microsoft.FusedMatMul': plain([17], {
    rest: [floats([2, 4])],
    attributes: { transB: 1, alpha: f(0.5) },
  }),
  ReduceSum: reduction(13),
  ReduceMean: reduction(18),
  ReduceMax: reduction(18),
  ReduceMin: reduction(18),
  ReduceProd: reduction(18, { draw: 'small' }),
  ReduceL1: reduction(18),
  ReduceL2: reduction(18),
  ReduceSumSquare: reduction(18),
  ReduceLogSum: reduction(18, { draw: 'large' }),
  ReduceLogSumExp: reduction(18).slice(0, 4),
  ArgMax: [
    ...plain([7, 11, 13], { attributes: { axis: 1 }, flat: true }),
    ...plain([12], { attributes: { axis: -1, keepdims: 0, select_last_index: 1 }, flat: true }),
  ],
  ArgMin: plain([7, 13], { attributes: { axis: 1 }, flat: true }),
  TopK: [
    on([2, 5], [10], { rest: [ints(1)], outputs: 2 }),
    on([2, 5], [11], { rest: [ints(1)], attributes: { largest: 0, axis: 0 }, outputs: 2 }),
    on([2, 3, 4], [10], { rest: [ints(3)], outputs: 2 }),
    on([2, 5, 3], [11], { rest: [ints(2)], attributes: { largest: 0, axis: 1 }, outputs: 2 }),
    on([2, 3], [11], { draw: 'whole', rest: [ints(3)], outputs: 2, flat: true }),
  ],
  GlobalAveragePool: [on(image, [7, 22])],
  GlobalMaxPool: [on(image, [7, 22])],
  GlobalLpPool: [on(image, [7])],
  LpNormalization: [...plain([7]), ...plain([7], { attributes: { axis: 1, p: 1 } })],
  Reshape: [
    on([2, 3, 4], [7, 13, 14], { rest: [ints(0, -1, 2)] }),
    on([2, 3, 4], [14, 21], { rest: [ints(3, 8)], attributes: { allowzero: 1 } }),
  ],
  Flatten: [
    ...plain([7, 9, 13]),
    ...plain([11], { attributes: { axis: -1 } }),
    ...plain([7], { attributes: { axis: 0 } }),
  ],
  Transpose: [...plain([7, 13], { attributes: { perm: [2, 0, 1] } }), ...plain([7])],
  Expand: [on([3, 1], [8, 13], { rest: [ints(2, 1, 4)] })],
  Squeeze: [
    on([1, 3, 1, 2], [7, 11], { attributes: { axes: [0, 2] } }),
    on([1, 3, 1, 2], [13, 21], { rest: [ints(-2)] }),
    on([1, 3, 1, 2], [7, 13]),
  ],
  Unsqueeze: [
    on([3, 2], [7, 11], { attributes: { axes: [0, 3] } }),
    on([3, 2], [13, 21], { rest: [ints(-1, 0)] }),
  ],
  Slice: [
    on([5, 6], [7, 9], { attributes: { starts: [1, -3], ends: [9, -1] } }),
    on([5, 6], [7], { attributes: { starts: [1], ends: [3], axes: [1] } }),
    on([5, 6], [10, 13], { rest: [ints(1, 4), ints(5, -99), ints(0, -1), ints(2, -2)] }),
    on([5, 6], [11], { rest: [ints(-2), ints(2 ** 40)] }),
  ],
  Split: [
    on([2, 6], [7, 11], { attributes: { axis: 1, split: [1, 2, 3] }, outputs: 3 }),
    on([2, 6], [13, 18], { rest: [ints(4, 2)], attributes: { axis: -1 }, outputs: 2 }),
    on([2, 6], [7, 13], { attributes: { axis: 1 }, outputs: 2 }),
    on([2, 7], [18], { attributes: { axis: 1, num_outputs: 3 }, outputs: 3 }),
  ],
  Concat: plain([7, 11, 13], { rest: [floats([2, 1, 4])], attributes: { axis: 1 } }),
  Pad: [
    on([3, 4], [7], { attributes: { pads, value: f(2) } }),
    on([3, 4], [7, 10], { attributes: { pads: [1, 2, 0, 1], mode: 'reflect' } }),
    on([3, 4], [11, 13, 18], { rest: [ints(...pads), scalar(2)] }),
    on([3, 4], [11, 18], { rest: [ints(1, -1, -1, 2)] }),
    on([3, 4], [13], { rest: [ints(...pads)], attributes: { mode: 'edge' } }),
    on([3, 4], [13], { rest: [ints(2, 1, 1, 3)], attributes: { mode: 'reflect' } }),
    on([3, 4], [19], { rest: [ints(2, 1, 1, 3)], attributes: { mode: 'wrap' } }),
    on([3, 4], [18], { rest: [ints(1, 2), scalar(0), ints(-1)] }),
  ],
  Tile: [on([2, 3], [7, 13], { rest: [ints(2, 3)] }), on([2, 1, 3], [7, 13], { rest: [ints(1, 4, 1)] })],
  Gather: [
    on([3, 4], [7, 13], { rest: [ints(2, 0, 2)], attributes: { axis: 1 } }),
    on([3, 4], [11], { rest: [ints(1, 2)] }),
    // all of a flat array in order, some of it, and all of it in another order
    on([6], [11], { rest: [b.tensorOf('int64', [2, 3], [0, 1, 2, 3, 4, 5])] }),
    on([6], [11], { rest: [b.tensorOf('int64', [2, 2], [1, 2, 3, 4])] }),
    on([6], [11], { rest: [b.tensorOf('int64', [2, 3], [0, 2, 4, 1, 3, 5])] }),
    on([3, 4], [7], { rest: [scalar(-1, 'int64')], attributes: { axis: -1 } }),
  ],
  GatherElements: [on([3, 2], [11, 13], { rest: [b.tensorOf('int64', [2, 2], [0, 2, -1, 1])] })],
  GatherND: [
    on([3, 2, 4], [11, 13], { rest: [b.tensorOf('int64', [2, 2], [0, 1, 2, 0])] }),
    on([2, 3, 4], [12], { rest: [b.tensorOf('int64', [2, 1], [1, 1])], attributes: { batch_dims: 1 } }),
    on([2, 3, 4], [12], { rest: [b.tensorOf('int64', [2, 1], [1, 2])], attributes: { batch_dims: 1 } }),
  ],
  ScatterElements: [
    on([5], [11, 16], { rest: [ints(3, 1), floats([2])] }),
    on([3, 4], [16], {
      rest: [b.tensorOf('int64', [1, 2], [0, 2]), floats([1, 2])],
      attributes: { reduction: 'add' },
    }),
    on([3, 4], [11], { rest: [b.tensorOf('int64', [1, 2], [0, 2]), floats([1, 2])] }),
    ...['mul', 'min', 'max'].map((reduction) =>
      on([3, 4], [18], {
        rest: [b.tensorOf('int64', [3, 2], [0, 2, 1, 1, 0, 0]), floats([3, 2])],
        attributes: { reduction },
      }),
    ),
  ],
  ScatterND: [
    on([4, 3], [11, 16], { rest: [b.tensorOf('int64', [2, 1], [3, 0]), floats([2, 3])] }),
    on([4, 3], [16], {
      rest: [b.tensorOf('int64', [2, 1], [1, 1]), floats([2, 3])],
      attributes: { reduction: 'add' },
    }),
    ...['mul', 'min', 'max'].map((reduction) =>
      on([4, 3], [18], {
        rest: [b.tensorOf('int64', [3, 1], [1, 3, 1]), floats([3, 3])],
        attributes: { reduction },
      }),
    ),
  ],
  DepthToSpace: [
    on([2, 8, 2, 3], [7, 13], { attributes: { blocksize: 2 } }),
    on([2, 8, 2, 3], [11], { attributes: { blocksize: 2, mode: 'CRD' } }),
  ],
  SpaceToDepth: [on([2, 2, 4, 6], [7, 13], { attributes: { blocksize: 2 } })],
  CumSum: [
    ...plain([11, 14], { rest: [scalar(1, 'int64')] }),
    ...plain([11], { rest: [scalar(-1, 'int64')], attributes: { exclusive: 1, reverse: 1 } }),
  ],
  Trilu: [
    on([2, 3, 4], [14], { attributes: { upper: 0 } }),
    on([3, 4], [14], { rest: [scalar(1, 'int64')] }),
  ],
  Compress: [on([3, 4], [9], { rest: [b.tensorOf('bool', [3], [1, 0, 1])], attributes: { axis: 0 } })],
  OneHot: [
    on([2, 2], [9, 11], {
      draw: 'whole',
      rest: [scalar(6, 'int64'), b.tensorOf('float32', [2], [-1, 2])],
      attributes: { axis: 1 },
      flat: true,
    }),
  ],
  Shape: [
    ...plain([7, 13], { flat: true }),
    ...plain([15], { attributes: { start: 1, end: -1 }, flat: true }),
  ],
  Size: plain([7, 13], { flat: true }),
  EyeLike: [on([3, 4], [9], { attributes: { k: 1, dtype: 1 }, flat: true })],
  Dropout: [
    ...plain([7, 10], { attributes: { ratio: f(0.3) } }),
    ...plain([12, 13], { rest: [scalar(0.3)] }),
    on([3, 4], [13], { rest: [scalar(0), scalar(1, 'bool')] }),
  ],
  Conv: [
    on(image, [7, 11, 22], {
      rest: [floats([4, 3, 3, 2]), floats([4])],
      attributes: { pads, strides: [2, 1] },
    }),
    on(image, [11], {
      rest: [floats([4, 3, 2, 3])],
      attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] },
    }),
    on(image, [11], {
      rest: [floats([4, 3, 2, 3])],
      attributes: { auto_pad: 'SAME_LOWER', kernel_shape: [2, 3] },
    }),
    on(image, [11], { rest: [floats([4, 3, 2, 3])], attributes: { auto_pad: 'VALID', strides: [1, 2] } }),
    on(image, [11], { rest: [floats([6, 1, 2, 2])], attributes: { group: 3, dilations: [2, 1] } }),
    on([2, 4, 7], [11], { rest: [floats([2, 2, 3])], attributes: { group: 2, pads: [1, 1] } }),
    on([1, 2, 3, 4, 3], [11], { rest: [floats([2, 2, 2, 2, 2])] }),
  ],
  ConvTranspose: [
    on([2, 3, 3, 4], [7, 11, 22], {
      rest: [floats([3, 2, 3, 3]), floats([2])],
      attributes: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0] },
    }),
    on([2, 4, 3, 3], [11], { rest: [floats([4, 2, 2, 2])], attributes: { group: 2, dilations: [2, 1] } }),
    on([1, 2, 3, 3], [11], {
      rest: [floats([2, 2, 3, 3])],
      attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] },
    }),
    on([1, 2, 3, 3], [11], {
      rest: [floats([2, 2, 3, 3])],
      attributes: { output_shape: [6, 7], strides: [2, 3] },
    }),
  ],
  Col2Im: [
    on([2, 12, 6], [18], { rest: [ints(4, 6), ints(2, 2)], attributes: { strides: [2, 2] } }),
    on([1, 8, 9], [18], {
      rest: [ints(6, 4), ints(2, 2)],
      attributes: { strides: [2, 1], pads: [1, 0, 0, 1], dilations: [1, 2] },
    }),
  ],
  Gemm: [
    on([2, 3], [7, 9, 11, 13], {
      rest: [floats([3, 4]), floats([4])],
      attributes: { alpha: f(0.5), beta: f(2) },
    }),
    on([3, 2], [11], { rest: [floats([4, 3])], attributes: { transA: 1, transB: 1 } }),
  ],
  'com.microsoft.FusedConv': [
    on(image, [17], { rest: [floats([4, 3, 3, 3]), floats([4])], attributes: { activation: 'Relu' } }),
    on(image, [17], {
      rest: [floats([4, 3, 3, 3]), null, floats([2, 4, 3, 4])],
      attributes: { activation: 'Tanh' },
    }),
    on(image, [17], {
      rest: [floats([4, 3, 3, 3])],
      attributes: { activation: 'Clip', activation_params: { floats: [-1, 2] } },
    }),
  ],
  'com.microsoft.FusedGemm': [
    on([2, 3], [17], {
      rest: [floats([4, 3]), floats([4])],
      attributes: { transB: 1, activation: 'LeakyRelu', activation_alpha: f(0.3) },
    }),
  ],
  MaxPool: [
    on(image, [7, 8, 10, 12], { attributes: pools }),
    on(image, [10, 12], { attributes: { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 } }),
    on(image, [10], { attributes: { kernel_shape: [2, 2], dilations: [2, 3] } }),
    on(image, [10], { attributes: { kernel_shape: [640, 3], strides: [640, 2], ceil_mode: 1 } }),
    on(image, [8], {
      attributes: { kernel_shape: [3, 3], strides: [2, 2], auto_pad: 'SAME_UPPER' },
      outputs: 2,
    }),
    on(image, [12], { attributes: { kernel_shape: [2, 2], storage_order: 1 }, outputs: 2 }),
  ],
  AveragePool: [
    on(image, [7, 10, 11, 19], { attributes: pools }),
    on(image, [7, 19], { attributes: { ...pools, count_include_pad: 1 } }),
    on(image, [10, 19], { attributes: { kernel_shape: [2, 2], strides: [3, 4], ceil_mode: 1 } }),
    on(image, [19], {
      attributes: {
        kernel_shape: [3, 3],
        strides: [2, 2],
        pads: [1, 1, 1, 1],
        ceil_mode: 1,
        count_include_pad: 1,
      },
    }),
    on(image, [19], { attributes: { kernel_shape: [2, 2], dilations: [2, 3] } }),
    on(image, [11], { attributes: { kernel_shape: [2, 3], auto_pad: 'SAME_LOWER' } }),
    // kernels that are larger than the image
    on(image, [11, 19], { attributes: { kernel_shape: [640, 3], strides: [640, 2], ceil_mode: 1 } }),
    on(image, [19], {
      attributes: { kernel_shape: [9, 9], strides: [9, 9], ceil_mode: 1, count_include_pad: 1 },
    }),
  ],
  LpPool: [on(image, [7, 11], { attributes: { kernel_shape: [2, 3], p: 2, strides: [2, 1] } })],
  MaxUnpool: [
    on([1, 1, 2, 2], [9, 11], {
      rest: [b.tensorOf('int64', [1, 1, 2, 2], [0, 3, 9, 14])],
      attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    }),
    on([1, 1, 2, 2], [11], {
      rest: [b.tensorOf('int64', [1, 1, 2, 2], [0, 4, 12, 24]), ints(1, 1, 5, 5)],
      attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    }),
  ],
  BatchNormalization: [
    on(image, [7, 9, 14, 15], {
      rest: [floats([3]), floats([3], 2), floats([3], 3), positive([3])],
      attributes: { epsilon: f(0.01) },
    }),
    on([2, 3], [9], { rest: [floats([3]), floats([3], 2), floats([3], 3), positive([3])] }),
  ],
  InstanceNormalization: [
    on(image, [7, 22], { rest: [floats([3]), floats([3], 2)], attributes: { epsilon: f(0.01) } }),
  ],
  LayerNormalization: [
    on([2, 3, 4], [17], { rest: [floats([4]), floats([4], 2)] }),
    on([2, 3, 4], [17], { rest: [floats([3, 4])], attributes: { axis: 1, epsilon: f(0.01) }, outputs: 3 }),
  ],
  GroupNormalization: [
    on([2, 4, 3, 2], [18], { rest: [floats([2]), floats([2], 2)], attributes: { num_groups: 2 } }),
    on([2, 4, 3, 2], [21], { rest: [floats([4]), floats([4], 2)], attributes: { num_groups: 2 } }),
  ],
  RMSNormalization: [on([2, 3, 4], [23], { rest: [floats([4])] })],
  LRN: [on([2, 5, 2, 3], [7, 13], { attributes: { size: 3, alpha: f(0.1), bias: f(1.5) } })],
  MeanVarianceNormalization: [on(image, [9, 13])],
  SimplifiedLayerNormalization: [
    on([2, 3, 4], [17], { rest: [floats([4])], attributes: { axis: -1, epsilon: f(1e-5), stash_type: 1 } }),
  ],
  'com.microsoft.SkipLayerNormalization': [
    on([2, 3, 4], [17], { rest: [floats([2, 3, 4], 2), floats([4]), floats([4], 2), floats([4], 3)] }),
  ],
  Upsample: [
    on(image, [7], { attributes: { scales: { floats: [1, 1, 2, 3] } } }),
    on(image, [9], { rest: [b.tensorOf('float32', [4], [1, 1, 2, 1.5])], attributes: { mode: 'linear' } }),
  ],
  Resize: [
    on(image, [11], { rest: [none, none, ints(2, 3, 7, 3)], attributes: { mode: 'linear' } }),
    on(image, [11], { rest: [none, b.tensorOf('float32', [4], [1, 1, 1.5, 2])] }),
    on(image, [10], { rest: [b.tensorOf('float32', [4], [1, 1, 2, 0.5])] }),
    ...['not_larger', 'not_smaller'].flatMap((policy) =>
      ['nearest', 'linear'].map((mode) =>
        on(image, [18, 19], {
          rest: [null, null, ints(7, 9)],
          attributes: { axes: [2, 3], keep_aspect_ratio_policy: policy, mode },
        }),
      ),
    ),
    ...['half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel'].flatMap((mode) =>
      ['nearest', 'linear', 'cubic'].map((kind) =>
        on(image, [13, 19], {
          rest: [null, null, ints(2, 3, 7, 3)],
          attributes: { coordinate_transformation_mode: mode, mode: kind },
        }),
      ),
    ),
    on(image, [13, 18], {
      rest: [null, b.tensorOf('float32', [4], [1, 1, 2, 2])],
      attributes: { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' },
    }),
    on(image, [18], {
      rest: [null, b.tensorOf('float32', [2], [0.6, 0.8])],
      attributes: { axes: [2, 3], mode: 'linear', antialias: 1 },
    }),
    on(image, [13], {
      rest: [null, b.tensorOf('float32', [4], [1, 1, 1.7, 0.8])],
      attributes: { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: f(-0.5) },
    }),
    ...(['nearest', 'linear', 'cubic'] as const).map((mode) =>
      on([1, 1, 5, 6], [11, 13, 19], {
        rest: [b.tensorOf('float32', [8], [0, 0, 0.3, -0.2, 1, 1, 0.9, 1.1]), none, ints(1, 1, 4, 7)],
        attributes: { mode, coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: f(3) },
      }),
    ),
    on([1, 1, 5, 6], [13], {
      rest: [
        b.tensorOf('float32', [8], [0, 0, 0.2, 0.5, 1, 1, 0.8, 1]),
        b.tensorOf('float32', [4], [1, 1, 2, 1.5]),
      ],
      attributes: { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize' },
    }),
  ],
  QuantizeLinear: [on([2, 3, 2], [10, 13], { rest: [scalar(0.25), scalar(100, 'uint8')], flat: true })],
  DequantizeLinear: [on([2, 3], [10, 13, 21], { draw: 'whole', rest: [scalar(0.25)], flat: true })].slice(1),
  Einsum: [
    on([2, 3, 4], [12], { rest: [floats([2, 5, 4])], attributes: { equation: 'bic,bjc->bij' } }),
    on([2, 3, 4], [12], { rest: [floats([4, 3])], attributes: { equation: 'bhd, dh -> bh' } }),
    on([2, 3, 4], [12], { attributes: { equation: 'abc->ca' } }),
    on([3, 4], [12], { rest: [floats([4, 2]), floats([2])], attributes: { equation: 'ij,jk,k' } }),
  ],
  Attention: [
    on([2, 2, 3, 4], [23], { rest: [floats([2, 2, 5, 4], 2), floats([2, 2, 5, 4], 3)] }),
    // with a past of two, and the keys and values of both
    on([2, 2, 3, 4], [23], {
      rest: [
        floats([2, 2, 5, 4], 2),
        floats([2, 2, 5, 4], 3),
        null,
        floats([2, 2, 2, 4], 4),
        floats([2, 2, 2, 4], 5),
      ],
      attributes: { is_causal: 1 },
      outputs: 3,
    }),
    on([2, 2, 3, 4], [23, 24], {
      rest: [floats([2, 2, 5, 4], 2), floats([2, 2, 5, 4], 3), floats([3, 5], 4)],
      attributes: { softcap: f(2) },
    }),
    on([2, 2, 3, 4], [24], {
      rest: [floats([2, 2, 5, 4], 2), floats([2, 2, 5, 4], 3), null, null, null, ints(5, 3)],
    }),
  ],
  LSTM: [
    on([4, 2, 3], [7, 14, 22], { rest: recurrent(1, 4), attributes: { hidden_size: 2 }, outputs: 3 }),
    on([4, 2, 3], [14], {
      rest: [...recurrent(2, 4), null, floats([2, 2, 2]), floats([2, 2, 2], 2)],
      attributes: { hidden_size: 2, direction: 'bidirectional' },
    }),
    // with lengths that say nothing, and peepholes
    on([4, 2, 3], [14], {
      rest: [...recurrent(1, 4), b.tensorOf('int32', [2], [4, 4]), null, null, floats([1, 6])],
      attributes: { hidden_size: 2 },
    }),
  ],
  GRU: [
    on([4, 2, 3], [7, 14], {
      rest: recurrent(1, 3),
      attributes: { hidden_size: 2, linear_before_reset: 1 },
      outputs: 2,
    }),
    on([4, 2, 3], [14], {
      rest: [...recurrent(1, 3), null, floats([1, 2, 2])],
      attributes: { hidden_size: 2, direction: 'reverse' },
    }),
    on([4, 2, 3], [14], { rest: recurrent(1, 3).slice(0, 2), attributes: { hidden_size: 2 } }),
  ],
  RNN: [on([4, 2, 3], [7, 14], { rest: recurrent(1, 1), attributes: { hidden_size: 2 }, outputs: 2 })],
  AffineGrid: [
    ...[0, 1].map((align_corners) =>
      on([2, 2, 3], [20], { rest: [ints(2, 1, 4, 5)], attributes: { align_corners } }),
    ),
    on([1, 3, 4], [20], { rest: [ints(1, 1, 2, 3, 2)] }),
  ],
  GridSample: ['zeros', 'border', 'reflection'].flatMap((padding_mode) =>
    [0, 1].flatMap((align_corners) => [
      on([2, 2, 3, 4], [16], { rest: [grid], attributes: { padding_mode, align_corners } }),
      on([2, 2, 3, 4], [20], { rest: [grid], attributes: { mode: 'nearest', padding_mode, align_corners } }),
      on([2, 2, 3, 4], [20], { rest: [grid], attributes: { mode: 'cubic', padding_mode, align_corners } }),
      on([1, 2, 2, 3, 4], [20], { rest: [volume], attributes: { padding_mode, align_corners } }),
    ]),
  ),
  ConstantOfShape: [],
  Range: [],
  Constant: [],
  Swish: [],
};

/** Operators that are tried in other ways: in graphs of their own below, or rejected. */
const elsewhere = new Set(['ConstantOfShape', 'Range', 'Constant', 'Swish', 'BitShift', 'DequantizeLinear']);

const inIntegers = /Integer|QLinear|QGemm|DynamicQuantize|NBits|com.microsoft.(Deq|Q)uantize/;

test('every operator has a case', () => {
  const missing = Object.keys(operators).filter(
    (op) => !cases[op]?.length && !elsewhere.has(op) && !inIntegers.test(op),
  );
  expect(missing).toEqual([]);
});

function draw({ x, draw: how }: Case, random: Random): b.Tensor {
  const size = sizeOfShape(x);
  const values = distinct(random, size);
  if (how === 'whole')
    return b.tensorOf(
      'int64',
      x,
      values.map((v) => Math.round(v * 4)),
    );
  if (how === 'bool')
    return b.tensorOf(
      'bool',
      x,
      values.map((v) => (v > 0 ? 1 : 0)),
    );
  if (how === 'large')
    return b.tensorOf(
      'float32',
      x,
      values.map((v) => 1.5 + v - Math.min(...values)),
    );
  if (how === 'small')
    return b.tensorOf(
      'float32',
      x,
      values.map((v) => (v * 8) / size),
    );
  return b.tensorOf('float32', x, values);
}

function fileOf(op: string, opset: number, c: Case, x: b.Tensor): Uint8Array {
  const rest = (c.rest ?? []).map((tensor, i) => [tensor ? `w${i}` : '', tensor] as const);
  const outputs = Array.from({ length: c.outputs ?? 1 }, (_, i) => `y${i}`);
  return foreignFile({
    opset,
    inputs: [{ name: 'x', type: x }],
    nodes: [{ op, inputs: ['x', ...rest.map(([name]) => name)], outputs, attributes: c.attributes ?? {} }],
    weights: Object.fromEntries(rest.flatMap(([name, tensor]) => (tensor ? [[name, tensor]] : []))),
    outputs,
  });
}

const tried = Object.entries(cases).flatMap(([op, list]) =>
  list.flatMap((c) =>
    c.opsets.map((opset) => ({ op, opset, c, attributes: JSON.stringify(c.attributes ?? {}) })),
  ),
);

describe('an imported node gives what ONNX Runtime makes of the original', () => {
  test.for(tried)('$op at opset $opset $attributes', async ({ op, opset, c }) => {
    const random = stream(1, 'operators', op);
    const x = draw(c, random);
    const bytes = fileOf(op, opset, c, x);
    const original = await InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 });
    const ask = async (at: b.Tensor) =>
      original.run({ x: new OrtTensor(at.dtype, at.data as Float32Array, at.shape) });
    try {
      const expected = await ask(x);
      const { graph } = decode(bytes);
      const ours = await openGraph(b.lower(graph, 'plain'));
      const actual = await ours.run({ x });
      await ours.close();
      for (const name of Object.keys(graph.outputs)) {
        const { dims, data } = expected[name]!;
        expect(actual[name]!.shape).toEqual(dims);
        const wanted = Array.from(data as Float32Array, Number);
        expect(numbers(actual[name]!)).toBeAllClose(wanted, { rtol: 1e-4, atol: 1e-4 });
      }
      if (c.flat) return;
      // along a direction, by differences of the original
      const y = graph.outputs.y0!;
      const weights = floats(y.shape as readonly number[], 7);
      const [g] = b.grad(b.reduceSum(b.mul(y, b.constant(weights))), graph.inputs);
      const direction = Float32Array.from({ length: x.data.length }, () => (random.below(2) ? 1 : -1));
      const gradient = await openGraph(
        b.lower({ name: 'g', inputs: graph.inputs, outputs: { g: g! } }, 'plain'),
      );
      const slope = dot((await gradient.run({ x })).g!.data as Float32Array, direction);
      await gradient.close();
      const h = 2 ** -7;
      const moved = async (by: number): Promise<number> => {
        const data = (x.data as Float32Array).map((v, i) => v + by * direction[i]!);
        return dot((await ask({ ...x, data })).y0!.data as Float32Array, weights.data as Float32Array);
      };
      const difference = ((await moved(h)) - (await moved(-h))) / (2 * h);
      expect([slope]).toBeAllClose([difference], { rtol: 1e-2, atol: 2e-2 });
    } finally {
      await original.release();
    }
  });
});

const dot = (a: ArrayLike<number>, c: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * c[i]!;
  return sum;
};

describe('forms that ONNX Runtime does not run are the same as others that it does', () => {
  const run = async (op: string, opset: number, c: Omit<Case, 'opsets'>, x: b.Tensor) => {
    const graph = await openGraph(b.lower(decode(fileOf(op, opset, { ...c, opsets: [] }, x)).graph, 'plain'));
    const results = await graph.run({ x });
    await graph.close();
    return results;
  };
  const turned = (tensor: b.Tensor, order: readonly number[]): b.Tensor => {
    const { dtype, shape } = tensor;
    const to = order.map((axis) => shape[axis]!);
    const strides = shape.map((_, i) => sizeOfShape(shape.slice(i + 1)));
    const values = numbers(tensor).map((_, flat, all) => {
      let rest = flat;
      let from = 0;
      for (let i = to.length - 1; i >= 0; i--) {
        from += (rest % to[i]!) * strides[order[i]!]!;
        rest = Math.floor(rest / to[i]!);
      }
      return all[from]!;
    });
    return b.tensorOf(dtype, to, values);
  };

  test.for([
    ['LSTM', 4],
    ['GRU', 3],
    ['RNN', 1],
  ] as const)('%s with the batch first', async ([op, gates]) => {
    const x = floats([4, 2, 3]);
    const state = floats([1, 2, 2], 5);
    const rest = [...recurrent(1, gates), null];
    const attributes = { hidden_size: 2 };
    const outputs = 2;
    const usual = await run(op, 14, { x: x.shape, rest: [...rest, state], attributes, outputs }, x);
    const first = turned(x, [1, 0, 2]);
    const batchFirst = await run(
      op,
      14,
      {
        x: first.shape,
        rest: [...rest, turned(state, [1, 0, 2])],
        attributes: { ...attributes, layout: 1 },
        outputs,
      },
      first,
    );
    expect(batchFirst).toEqual({
      y0: turned(usual.y0!, [2, 0, 1, 3]),
      y1: turned(usual.y1!, [1, 0, 2]),
    });
  });

  const x = floats([2, 2, 3, 4]);
  const keys = [floats([2, 2, 5, 4], 2), floats([2, 2, 5, 4], 3)];
  const seen = (of: (query: number, key: number) => boolean): b.Tensor =>
    b.tensorOf(
      'bool',
      [3, 5],
      Array.from({ length: 15 }, (_, i) => Number(of(Math.floor(i / 5), i % 5))),
    );

  test('Attention with a window is one with a mask', async () => {
    const window = { left_window_size: 1, right_window_size: 0 };
    const own = await run('Attention', 25, { x: x.shape, rest: keys, attributes: window }, x);
    const mask = seen((query, key) => key === query || key === query - 1);
    expect(own).toEqual(await run('Attention', 25, { x: x.shape, rest: [...keys, mask] }, x));
    expect(own).not.toEqual(await run('Attention', 25, { x: x.shape, rest: keys }, x));
  });

  test('Attention gives zeros where a query sees nothing, by a mask that is added too', async () => {
    const mask = b.tensorOf(
      'float32',
      [3, 5],
      [...new Array<number>(5).fill(-Infinity), ...new Array<number>(10).fill(0)],
    );
    const { y0 } = await run('Attention', 23, { x: x.shape, rest: [...keys, mask] }, x);
    const bool = await run('Attention', 23, { x: x.shape, rest: [...keys, seen((query) => query > 0)] }, x);
    expect(numbers(y0!).slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(y0).toEqual(bool.y0);
  });

  test('Attention without the last keys in its mask does not see them', async () => {
    const short = b.tensorOf('float32', [3, 4], new Array<number>(12).fill(0));
    const own = await run('Attention', 24, { x: x.shape, rest: [...keys, short] }, x);
    expect(own).toEqual(
      await run('Attention', 24, { x: x.shape, rest: [...keys, seen((_, key) => key < 4)] }, x),
    );
  });

  test('Attention shows its scores as its mode says', async () => {
    const mask = floats([3, 5], 4);
    const shown = async (qk_matmul_output_mode: number): Promise<number[]> =>
      numbers(
        (
          await run(
            'Attention',
            24,
            {
              x: x.shape,
              rest: [...keys, mask],
              attributes: { qk_matmul_output_mode, softcap: f(2) },
              outputs: 4,
            },
            x,
          )
        ).y3!,
      );
    const [raw, capped, masked, weights] = [await shown(0), await shown(1), await shown(2), await shown(3)];
    const bias = numbers(mask);
    expect(capped).toBeAllClose(
      raw.map((v) => 2 * Math.tanh(v / 2)),
      { rtol: 1e-5, atol: 1e-6 },
    );
    expect(masked).toBeAllClose(
      capped.map((v, i) => v + bias[i % 15]!),
      { rtol: 1e-5, atol: 1e-6 },
    );
    const row = masked.slice(0, 5).map(Math.exp);
    const sum = row.reduce((m, n) => m + n, 0);
    expect(weights.slice(0, 5)).toBeAllClose(
      row.map((v) => v / sum),
      { rtol: 1e-5, atol: 1e-6 },
    );
  });
});
