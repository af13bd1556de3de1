import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { vjp } from '../../src/builder/vjp.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import {
  awayFromZero,
  between,
  drawn,
  evaluate,
  feeder,
  numbers,
  open,
  sizes,
  whole,
  type Feeder,
  type Tolerance,
} from '../support/run.ts';

/** Values of one test, drawn in a way that fits the operator. */
class Draw {
  readonly random: Random;
  /** The inputs whose gradients are checked, in order. */
  readonly wrt: b.Value[] = [];
  private readonly feed: Feeder;

  constructor(random: Random, feed: Feeder) {
    this.random = random;
    this.feed = feed;
  }

  private differentiable(dtype: b.DType, shape: b.Shape, next: () => number): b.Value {
    const x = this.feed.input(dtype, shape, next);
    this.wrt.push(x);
    return x;
  }

  /** float64 in [low, high). */
  real(shape: b.Shape, low = -1.5, high = 1.5): b.Value {
    return this.differentiable('float64', shape, between(this.random, low, high));
  }

  /** float64 of either sign, at least 0.5 from 0. */
  nonzero(shape: b.Shape): b.Value {
    return this.differentiable('float64', shape, awayFromZero(this.random, 0.5, 2));
  }

  /** Whole numbers in -3..3 as float32: sums of their products are exact. */
  whole(shape: b.Shape): b.Value {
    return this.differentiable('float32', shape, whole(this.random, -3, 3));
  }

  /** Whole numbers, no two the same, in a random order: no ties. */
  distinct(shape: b.Shape, dtype: b.DType = 'float64'): b.Value {
    const size = sizes(shape).reduce((a, dim) => a * dim, 1);
    const order = Array.from({ length: size }, (_, i) => ({ i, key: this.random.uniform() }));
    const values = order.sort((p, q) => p.key - q.key).map(({ i }) => i - Math.floor(size / 2));
    return this.differentiable(dtype, shape, () => values.pop()!);
  }

  condition(shape: b.Shape): b.Value {
    return this.feed.input('bool', shape, whole(this.random, 0, 1));
  }

  index(shape: b.Shape, size: number): b.Value {
    return this.feed.input('int64', shape, whole(this.random, -size, size - 1));
  }
}

/** How a gradient is compared with differences of the loss. */
interface Comparison {
  /** The derivative is the sum of the loss at these distances from the point, times these weights. */
  readonly stencil: readonly (readonly [by: number, weight: number])[];
  readonly tolerance: Tolerance;
}

const central = (h: number): Comparison['stencil'] => [
  [h, 1 / (2 * h)],
  [-h, -1 / (2 * h)],
];

const fourthOrder = (h: number): Comparison['stencil'] => [
  [h, 8 / (12 * h)],
  [-h, -8 / (12 * h)],
  [2 * h, -1 / (12 * h)],
  [-2 * h, 1 / (12 * h)],
];

/**
 * Smooth in float64, by the difference of fourth order. Its truncation error is h^4 / 30 times the fifth derivative of
 * the loss: that of a / b with b >= 0.5, the steepest here, is below 1e6, which makes 2e-9. The rounding error is that
 * of the loss, a sum of some hundred terms in float64, 1e-12, over h: 2e-9.
 */
const smooth: Comparison = {
  stencil: fourthOrder(2 ** -11),
  tolerance: { atol: 1e-8, rtol: 1e-9 },
};

/**
 * Linear between the two points, with numbers whose sums and products are exact in float32: both sides are exact, so
 * they are equal.
 */
const exact: Comparison = { stencil: central(1), tolerance: {} };

/** As `exact`, but near enough that distinct whole numbers stay in order. */
const exactInOrder: Comparison = { stencil: central(0.25), tolerance: {} };

/** A graph that applies the operator to values drawn for it. */
type Build = (d: Draw) => b.Value;

interface Entry {
  readonly comparison: Comparison;
  readonly cases: readonly (readonly [name: string, build: Build])[];
}

const shapes: readonly b.Shape[] = [[], [5], [2, 3], [2, 1, 3, 2]];
const show = (...all: readonly b.Shape[]): string => all.map((shape) => `[${shape.join()}]`).join(' x ');

const unary = (comparison: Comparison, build: (d: Draw, shape: b.Shape) => b.Value): Entry => ({
  comparison,
  cases: shapes.map((shape) => [show(shape), (d) => build(d, shape)]),
});

/** Broadcasting in every direction. */
const pairs: readonly (readonly [b.Shape, b.Shape])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [
    [3, 1],
    [1, 4],
  ],
  [[], [2, 3]],
  [[2, 3], []],
  [[4], [2, 3, 4]],
  [[2, 3, 4], [4]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[1], [5]],
  [
    [2, 3],
    [1, 1],
  ],
  [
    [1, 1, 2],
    [3, 1],
  ],
  [[], []],
];

const binary = (
  comparison: Comparison,
  op: (x: b.Value, y: b.Value) => b.Value,
  left: (d: Draw, shape: b.Shape) => b.Value,
  right = left,
): Entry => ({
  comparison,
  cases: pairs.map(([x, y]) => [show(x, y), (d) => op(left(d, x), right(d, y))]),
});

const real = (d: Draw, shape: b.Shape): b.Value => d.real(shape);
const nonzero = (d: Draw, shape: b.Shape): b.Value => d.nonzero(shape);
const positive = (d: Draw, shape: b.Shape): b.Value => d.real(shape, 0.5, 2);

/** Two values of which no element of the one equals an element of the other, by more than the step. */
const apart = (op: (x: b.Value, y: b.Value) => b.Value): Entry => ({
  comparison: exactInOrder,
  cases: pairs.map(([x, y]) => [show(x, y), (d) => op(d.distinct(x), b.add(d.distinct(y), 0.5))]),
});

const reductions: readonly (readonly [b.Shape, readonly number[] | undefined])[] = [
  [[], undefined],
  [[4], undefined],
  [[4], [0]],
  [[2, 3], [1]],
  [
    [2, 3],
    [-1, 0],
  ],
  [
    [2, 3, 2, 2],
    [1, -1],
  ],
  [[1, 3, 1], [0]],
  [[2, 3], []],
];

const reduction = (
  comparison: Comparison,
  op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceSumSquare',
  draw: (d: Draw, shape: b.Shape) => b.Value,
): Entry => ({
  comparison,
  cases: reductions.flatMap(([shape, axes]) =>
    [{}, { keepdims: 0 }, { keepdims: 1 }].map((attrs) => {
      const build: Build = (d) => {
        const x = draw(d, shape);
        const outputs =
          op === 'ReduceSum'
            ? b.apply(op, [x, axes && b.ints(axes)], attrs)
            : b.apply(op, [x], { ...attrs, ...(axes && { axes }) });
        return outputs[0]!;
      };
      return [
        `${show(shape)} over ${axes ? `[${axes.join()}]` : 'all'} ${JSON.stringify(attrs)}`,
        build,
      ] as const;
    }),
  ),
});

const softmaxes = (op: 'Softmax' | 'LogSoftmax'): Entry => ({
  comparison: smooth,
  cases: (
    [
      [[3], { axis: 0 }],
      [[2, 4], { axis: -1 }],
      [[2, 4], { axis: 0 }],
      [[2, 3, 2], { axis: 1 }],
      [[2, 3, 2], { axis: -3 }],
      [[2, 3, 2], {}],
    ] as const
  ).map(([shape, attrs]) => [
    `${show(shape)} ${JSON.stringify(attrs)}`,
    (d) => b.apply(op, [d.real(shape)], attrs)[0]!,
  ]),
});

interface ConvCase {
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly strides?: readonly number[];
  readonly pads?: readonly number[];
  readonly output_padding?: readonly number[];
  readonly dilations?: readonly number[];
  readonly group?: number;
}

const convolutions: readonly ConvCase[] = [
  { size: [5, 4], kernel: [3, 2] },
  { size: [5, 5], kernel: [3, 3], pads: [1, 1, 1, 1] },
  { size: [6, 5], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  // strides that leave rows and columns over
  { size: [7, 6], kernel: [2, 2], strides: [3, 3] },
  { size: [6, 7], kernel: [3, 1], strides: [2, 3], pads: [2, 0, 0, 1] },
  { size: [4, 3], kernel: [4, 5], pads: [0, 3, 1, 2] },
  { size: [3, 3], kernel: [1, 1], pads: [1, 0, 2, 1] },
  // a kernel smaller than its stride
  { size: [5, 5], kernel: [1, 1], strides: [2, 2] },
  { size: [7], kernel: [3], strides: [2], pads: [1, 2] },
  { size: [3, 4, 3], kernel: [2, 2, 1], strides: [1, 2, 2], pads: [1, 0, 0, 0, 1, 1] },
  { size: [7, 6], kernel: [3, 2], dilations: [2, 3] },
  { size: [8, 7], kernel: [2, 3], strides: [2, 1], pads: [1, 0, 2, 1], dilations: [3, 2] },
  { size: [5, 4], kernel: [3, 2], pads: [1, 0, 1, 1], group: 2 },
  { size: [6, 7], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], group: 3 },
  { size: [9, 8], kernel: [3, 2], strides: [2, 3], pads: [1, 2, 0, 1], dilations: [2, 1], group: 2 },
  { size: [9], kernel: [3], strides: [2], dilations: [2], group: 3 },
];

const transposedConvolutions: readonly ConvCase[] = [
  { size: [4, 3], kernel: [3, 2] },
  { size: [3, 3], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0] },
  { size: [2, 2], kernel: [5, 5], strides: [2, 2], pads: [2, 2, 2, 2], output_padding: [1, 1] },
  { size: [3, 2], kernel: [2, 3], strides: [3, 2], pads: [0, 1, 1, 0], output_padding: [2, 1] },
  { size: [3, 3], kernel: [1, 1], strides: [2, 2], output_padding: [1, 0] },
  { size: [4], kernel: [4], strides: [3], pads: [1, 2], output_padding: [2] },
  { size: [2, 3, 2], kernel: [2, 1, 3], strides: [2, 1, 1], pads: [0, 0, 1, 1, 0, 0] },
  {
    size: [3, 4],
    kernel: [3, 2],
    strides: [2, 1],
    pads: [1, 0, 0, 1],
    dilations: [2, 3],
    output_padding: [1, 0],
  },
  { size: [3, 3], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0], group: 2 },
  { size: [4, 3], kernel: [2, 2], strides: [3, 1], dilations: [1, 2], group: 3 },
];

const showConv = ({ size, kernel, strides, pads, output_padding, dilations, group }: ConvCase): string =>
  `${size.join('x')}, kernel ${kernel.join('x')}` +
  (strides ? `, strides ${strides.join()}` : '') +
  (pads ? `, pads ${pads.join()}` : '') +
  (output_padding ? `, output padding ${output_padding.join()}` : '') +
  (dilations ? `, dilations ${dilations.join()}` : '') +
  (group ? `, ${group} groups` : '');

const windowOf = ({ kernel, strides, pads, dilations, group }: ConvCase) => ({
  strides: strides ?? kernel.map(() => 1),
  pads: pads ?? [...kernel, ...kernel].map(() => 0),
  ...(dilations && { dilations }),
  ...(group && { group }),
});

const pools: readonly (readonly [size: readonly number[], attrs: b.Ops['MaxPool']['attrs']])[] = [
  [[4, 4], { kernel_shape: [2, 2], strides: [2, 2] }],
  [[5, 4], { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1] }],
  [[5, 5], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }],
  [[5, 6], { kernel_shape: [2, 2], dilations: [2, 3] }],
  [[7], { kernel_shape: [3], strides: [2] }],
  [[3, 3, 2], { kernel_shape: [2, 2, 2] }],
];

const pool = (build: (d: Draw, x: b.Value, attrs: b.Ops['MaxPool']['attrs']) => b.Value): Entry => ({
  comparison: exactInOrder,
  cases: pools.map(([size, attrs]) => [
    `${size.join('x')} ${JSON.stringify(attrs)}`,
    (d) => build(d, d.distinct([2, 2, ...size]), attrs),
  ]),
});

/** What each operator's rule is tried on. An operator that is missing here has a null rule. */
const entries: { readonly [K in b.OpType]?: Entry } = {
  Neg: unary(exact, (d, shape) => b.neg(d.whole(shape))),
  Abs: unary(exactInOrder, (d, shape) => b.abs(b.add(d.whole(shape), 0.5))),
  Sqrt: unary(smooth, (d, shape) => b.sqrt(positive(d, shape))),
  Exp: unary(smooth, (d, shape) => b.exp(d.real(shape))),
  Log: unary(smooth, (d, shape) => b.log(positive(d, shape))),
  Tanh: unary(smooth, (d, shape) => b.tanh(d.real(shape))),
  Sigmoid: unary(smooth, (d, shape) => b.sigmoid(d.real(shape, -4, 4))),
  Relu: unary(exactInOrder, (d, shape) => b.relu(b.add(d.whole(shape), 0.5))),
  // ONNX Runtime has it for float32 only: differences of sums near 10 are rounded to 1e-6, over a step of 1/16
  Erf: {
    comparison: { stencil: fourthOrder(2 ** -4), tolerance: { atol: 1e-4 } },
    cases: [['[2,3] in float32', (d) => b.cast(b.erf(b.cast(d.real([2, 3]), 'float32')), 'float64')]],
  },
  Sin: unary(smooth, (d, shape) => b.sin(d.real(shape))),
  Cos: unary(smooth, (d, shape) => b.cos(d.real(shape))),
  Identity: unary(exact, (d, shape) => b.identity(d.whole(shape))),
  LeakyRelu: {
    comparison: exactInOrder,
    cases: [
      ['alpha 0.25', (d) => b.leakyRelu(b.add(d.whole([3, 4]), 0.5), 0.25)],
      ['alpha 2', (d) => b.leakyRelu(b.add(d.whole([3, 4]), 0.5), 2)],
    ],
  },
  // ONNX Runtime has it for float32 only; with a slope and steps that are powers of two, differences are exact
  HardSigmoid: {
    comparison: exactInOrder,
    cases: [
      [
        'slope 1/8, on its line and beside it, in float32',
        (d) => b.cast(b.hardSigmoid(b.cast(b.add(d.whole([3, 4]), 0.5), 'float32'), 2 ** -3, 0.5), 'float64'),
      ],
      [
        'a falling line',
        (d) =>
          b.cast(b.hardSigmoid(b.cast(b.add(d.whole([3, 4]), 0.5), 'float32'), -(2 ** -2), 0.5), 'float64'),
      ],
    ],
  },
  Softmax: softmaxes('Softmax'),
  LogSoftmax: softmaxes('LogSoftmax'),
  Cast: {
    comparison: exact,
    cases: [
      ['float64 to float32', (d) => b.cast(d.distinct([2, 3]), 'float32')],
      ['float32 to float64', (d) => b.cast(d.whole([2, 3]), 'float64')],
    ],
  },
  Add: binary(smooth, b.add, real),
  Sub: binary(smooth, b.sub, real),
  Mul: binary(smooth, b.mul, real),
  Div: binary(smooth, b.div, real, nonzero),
  Pow: binary(smooth, b.pow, positive, real),
  Max: apart(b.max),
  Min: apart(b.min),
  Where: {
    comparison: smooth,
    cases: (
      [
        [
          [2, 3],
          [2, 3],
          [2, 3],
        ],
        [[3, 1], [1, 4], []],
        [[], [2, 3], [3]],
        [[2, 1, 1], [4], [3, 1]],
      ] as const
    ).map(([c, x, y]) => [show(c, x, y), (d) => b.where(d.condition(c), d.real(x), d.real(y))]),
  },
  Clip: {
    comparison: exactInOrder,
    cases: [
      ['both bounds', (d) => b.clip(d.distinct([3, 5]), -2.5, 3.5)],
      ['a lower bound', (d) => b.apply('Clip', [d.distinct([3, 5]), b.scalar(0.5, 'float64')], {})[0]!],
      [
        'an upper bound',
        (d) => b.apply('Clip', [d.distinct([3, 5]), null, b.scalar(0.5, 'float64')], {})[0]!,
      ],
      ['no bound', (d) => b.apply('Clip', [d.distinct([3, 5])], {})[0]!],
    ],
  },
  ReduceSum: {
    comparison: exact,
    cases: [
      ...reduction(exact, 'ReduceSum', (d, shape) => d.whole(shape)).cases,
      [
        'no axes, taken as none',
        (d) => {
          const attrs = { noop_with_empty_axes: 1, keepdims: 0 };
          return b.apply('ReduceSum', [d.whole([2, 3]), b.ints([])], attrs)[0]!;
        },
      ],
    ],
  },
  ReduceMean: reduction(smooth, 'ReduceMean', real),
  ReduceMax: reduction(exactInOrder, 'ReduceMax', (d, shape) => d.distinct(shape)),
  ReduceSumSquare: reduction(smooth, 'ReduceSumSquare', real),
  MatMul: {
    comparison: exact,
    cases: (
      [
        [[3], [3]],
        [[3], [3, 4]],
        [[2, 3], [3]],
        [
          [2, 3],
          [3, 4],
        ],
        [[3], [2, 3, 4]],
        [[2, 4, 3], [3]],
        [
          [2, 2, 3],
          [3, 4],
        ],
        [
          [2, 3],
          [2, 3, 4],
        ],
        [
          [2, 1, 2, 3],
          [3, 3, 2],
        ],
        [
          [1, 2, 3],
          [2, 3, 3, 1],
        ],
      ] as const
    ).map(([x, y]) => [show(x, y), (d) => b.matmul(d.whole(x), d.whole(y))]),
  },
  Gemm: {
    comparison: exact,
    cases: [0, 1].flatMap((transA) =>
      [0, 1].flatMap((transB) =>
        ([null, [], [4], [1, 4], [2, 1], [2, 4]] as const).map((c) => {
          const attrs = { transA, transB, ...(c?.length === 2 && { alpha: 0.5, beta: -2 }) };
          const build: Build = (d) => {
            const left = d.whole(transA ? [3, 2] : [2, 3]);
            const right = d.whole(transB ? [4, 3] : [3, 4]);
            return b.gemm(left, right, c && d.whole(c), attrs);
          };
          return [`C ${c ? show(c) : 'absent'} ${JSON.stringify(attrs)}`, build] as const;
        }),
      ),
    ),
  },
  Conv: {
    comparison: exact,
    cases: convolutions.map((c, i) => [
      showConv(c),
      (d) => {
        const group = c.group ?? 1;
        return b.conv(
          d.whole([2, 2 * group, ...c.size]),
          d.whole([3 * group, 2, ...c.kernel]),
          i % 2 ? d.whole([3 * group]) : null,
          windowOf(c),
        );
      },
    ]),
  },
  ConvTranspose: {
    comparison: exact,
    cases: transposedConvolutions.map((c, i) => [
      showConv(c),
      (d) => {
        const group = c.group ?? 1;
        return b.convTranspose(
          d.whole([2, 2 * group, ...c.size]),
          d.whole([2 * group, 3, ...c.kernel]),
          i % 2 ? d.whole([3 * group]) : null,
          {
            ...windowOf(c),
            ...(c.output_padding && { output_padding: c.output_padding }),
          },
        );
      },
    ]),
  },
  MaxPool: pool((_, x, attrs) => b.maxPool(x, attrs).y),
  MaxUnpool: {
    comparison: exact,
    // each value goes to the last corner of its window
    cases: [2, 3].map((k) => [
      `windows of ${k}`,
      (d) => {
        const corner = Array.from({ length: 24 }, (_, i) => {
          const [image, row, column] = [Math.floor(i / 6), Math.floor(i / 3) % 2, i % 3];
          return (image * 2 * k + row * k + k - 1) * 3 * k + column * k + k - 1;
        });
        const indices = b.constant(b.tensorOf('int64', [2, 2, 2, 3], corner));
        return b.maxUnpool(d.whole([2, 2, 2, 3]), indices, { kernel_shape: [k, k], strides: [k, k] });
      },
    ]),
  },
  AveragePool: {
    // a share of a whole number, in windows of 3 and 6 rounded
    comparison: { ...exact, tolerance: { rtol: 1e-6, atol: 1e-6 } },
    cases: (
      [
        [[4, 4], { kernel_shape: [2, 2], strides: [2, 2] }],
        [[5, 4], { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1] }],
        [[5, 4], { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1], count_include_pad: 1 }],
        [[5, 6], { kernel_shape: [2, 3], strides: [3, 2] }],
        [[7], { kernel_shape: [3], strides: [2] }],
        [[3, 3, 2], { kernel_shape: [2, 2, 2] }],
      ] as const
    ).map(([size, attrs]) => [
      `${size.join('x')} ${JSON.stringify(attrs)}`,
      (d) => b.averagePool(d.whole([2, 2, ...size]), attrs),
    ]),
  },
  GlobalAveragePool: {
    comparison: exact,
    // of 4, 8 and 1 elements: the mean is exact
    cases: [
      [2, 3, 2, 2],
      [1, 2, 8],
      [2, 2, 1, 1, 1],
    ].map((shape) => [show(shape), (d) => b.globalAveragePool(d.whole(shape))]),
  },
  BatchNormalization: {
    comparison: smooth,
    cases: [
      [4, 3],
      [2, 3, 4],
      [2, 2, 3, 2],
    ].map((shape) => [
      show(shape),
      (d) => {
        const c = [shape[1]!];
        return b.batchNormalization(d.real(shape), d.real(c), d.real(c), d.real(c), d.real(c, 0.5, 2), 0.01);
      },
    ]),
  },
  Reshape: {
    comparison: exact,
    cases: [
      ['to a known shape', (d) => b.reshape(d.whole([2, 6]), [3, 4])],
      ['with -1 and 0', (d) => b.reshape(d.whole([2, 3, 4]), [0, -1])],
      ['to a scalar', (d) => b.reshape(d.whole([1, 1]), [])],
      ['from a scalar', (d) => b.reshape(d.whole([]), [1, 1])],
    ],
  },
  Transpose: {
    comparison: exact,
    cases: [
      ['reversed', (d) => b.transpose(d.whole([2, 3, 4]))],
      ['reversed without perm', (d) => b.apply('Transpose', [d.whole([2, 3])], {})[0]!],
      ['perm 0,2,3,1', (d) => b.transpose(d.whole([2, 3, 1, 4]), [0, 2, 3, 1])],
      ['perm 2,0,1', (d) => b.transpose(d.whole([2, 3, 4]), [2, 0, 1])],
    ],
  },
  Expand: {
    comparison: exact,
    cases: (
      [
        [[], [2, 3]],
        [
          [3, 1],
          [2, 3, 4],
        ],
        [
          [1, 4],
          [3, 1],
        ],
        [[2, 3], [1]],
      ] as const
    ).map(([from, to]) => [`${show(from)} to ${show(to)}`, (d) => b.expand(d.whole(from), b.ints(to))]),
  },
  Squeeze: {
    comparison: exact,
    cases: [
      ['axes 0 and -1', (d) => b.squeeze(d.whole([1, 3, 2, 1]), [0, -1])],
      ['all axes of size 1', (d) => b.apply('Squeeze', [d.whole([1, 3, 1])], {})[0]!],
    ],
  },
  Unsqueeze: {
    comparison: exact,
    cases: [
      ['axes 0 and -1', (d) => b.unsqueeze(d.whole([2, 3]), [0, -1])],
      ['of a scalar', (d) => b.unsqueeze(d.whole([]), [0])],
    ],
  },
  Flatten: {
    comparison: exact,
    cases: [0, 1, 2, 3, -1].map((axis) => [`at ${axis}`, (d) => b.flatten(d.whole([2, 3, 4]), axis)]),
  },
  Slice: {
    comparison: exact,
    cases: [
      ['in the middle', (d) => b.slice(d.whole([5, 3]), [1], [4], [0])],
      ['two axes, counted from the end', (d) => b.slice(d.whole([5, 4, 2]), [-4, 1], [-1, 99], [0, -2])],
      ['all of it', (d) => b.slice(d.whole([3]), [0], [2 ** 31 - 1], [0])],
      ['nothing of it', (d) => b.slice(d.whole([3, 2]), [2], [1], [0])],
      ['every third', (d) => b.slice(d.whole([2, 8, 2]), [1], [8], [1], [3])],
      ['every second, up to before the last', (d) => b.slice(d.whole([8]), [-7], [-1], [0], [2])],
      ['backwards', (d) => b.slice(d.whole([4, 3]), [-1], [-99], [0], [-1])],
      [
        'backwards by two, and forwards by two',
        (d) => b.slice(d.whole([5, 6]), [3, 1], [0, 6], [0, 1], [-2, 2]),
      ],
      [
        'without axes and steps',
        (d) => b.apply('Slice', [d.whole([4, 3]), b.ints([1]), b.ints([3])], {})[0]!,
      ],
    ],
  },
  Pad: {
    comparison: exact,
    cases: [
      ['on both sides', (d) => b.pad(d.whole([2, 3]), [1, 0, 2, 1])],
      ['with a value', (d) => b.apply('Pad', [d.whole([3]), b.ints([1, 2]), b.scalar(7)], {})[0]!],
      ['by nothing', (d) => b.pad(d.whole([3]), [0, 0])],
    ],
  },
  Concat: {
    comparison: exact,
    cases: [
      ['three along 1', (d) => b.concat([d.whole([2, 1]), d.whole([2, 3]), d.whole([2, 2])], 1)],
      ['two along -2', (d) => b.concat([d.whole([1, 2]), d.whole([2, 2])], -2)],
      ['one', (d) => b.concat([d.whole([2])], 0)],
      [
        'one value twice',
        (d) => {
          const x = d.whole([2, 2]);
          return b.concat([x, x], 0);
        },
      ],
    ],
  },
  Gather: {
    comparison: exact,
    cases: (
      [
        [[4, 3], [2], 0],
        [[4, 3], [5], 1],
        [[3, 4, 2], [3, 2], -2],
        [[4, 3], [], -1],
        [[3], [7], 0],
        [[4, 3], [2], null],
      ] as const
    ).map(([data, indices, axis]) => [
      `${show(data)} at ${show(indices)} along ${axis ?? 'the first by default'}`,
      (d) => {
        const operands = [d.whole(data), d.index(indices, data.at(axis ?? 0)!)] as const;
        return b.apply('Gather', operands, { ...(axis !== null && { axis }) })[0]!;
      },
    ]),
  },
  GatherElements: {
    comparison: exact,
    cases: (
      [
        [[4, 3], [2, 3], 0],
        [[4, 3], [4, 5], -1],
        [[3], [6], 0],
        [[4, 3], [2, 3], null],
      ] as const
    ).map(([data, indices, axis]) => [
      `${show(data)} at ${show(indices)} along ${axis ?? 'the first by default'}`,
      (d) => {
        const operands = [d.whole(data), d.index(indices, data.at(axis ?? 0)!)] as const;
        return b.apply('GatherElements', operands, { ...(axis !== null && { axis }) })[0]!;
      },
    ]),
  },
  ScatterElements: {
    comparison: exact,
    cases: (
      [
        [[4, 3], [2, 3], 0],
        [[4, 3], [4, 5], -1],
        [[3], [6], 0],
        [[4, 3], [2, 3], null],
      ] as const
    ).map(([data, indices, axis]) => [
      `${show(data)} at ${show(indices)} along ${axis ?? 'the first by default'}`,
      (d) => {
        const operands = [d.whole(data), d.index(indices, data.at(axis ?? 0)!), d.whole(indices)] as const;
        return b.apply('ScatterElements', operands, { reduction: 'add', ...(axis !== null && { axis }) })[0]!;
      },
    ]),
  },
  ConvWeightGrad: {
    comparison: exact,
    cases: convolutions.map((c) => [
      showConv(c),
      (d) => {
        const window = windowOf(c);
        const group = c.group ?? 1;
        const x = d.whole([2, 2 * group, ...c.size]);
        const kernel = b.input('unused', 'float32', [3 * group, 2, ...c.kernel]);
        const like = b.conv(x, kernel, null, window);
        return b.convWeightGrad(x, d.whole(like.shape), { kernel_shape: c.kernel, ...window });
      },
    ]),
  },
  MaxPoolGrad: pool((d, x, attrs) => {
    const dy = d.distinct(b.maxPool(x, attrs).y.shape);
    return b.maxPoolGrad(x, dy, attrs);
  }),
};

/** The derivative of the loss in every element of `x`, by differences. */
async function differences(
  loss: b.Value,
  x: b.Value,
  feeds: Readonly<Record<string, b.Tensor>>,
  stencil: Comparison['stencil'],
): Promise<b.Tensor> {
  const opened = await open({ loss });
  const name = b.inputName(x);
  const { dtype, shape, data } = feeds[name]!;
  const lossAt = async (i: number, by: number): Promise<number> => {
    const moved = data.slice();
    moved[i] = Number(moved[i]) + by;
    const { loss: at } = await opened.run({
      ...feeds,
      [name]: { dtype, shape, data: moved as b.TensorData },
    });
    return numbers(at)[0]!;
  };
  const slopes: number[] = [];
  for (let i = 0; i < data.length; i++) {
    let slope = 0;
    for (const [by, weight] of stencil) slope += (await lossAt(i, by)) * weight;
    slopes.push(slope);
  }
  await opened.close();
  return b.tensorOf(dtype, shape, slopes);
}

describe.for(Object.entries(entries))('the gradient of %s equals central differences', ([op, entry]) => {
  test.for(entry.cases)('%s', async ([name, build]) => {
    const random = stream(1, 'vjp', op, name);
    const feed = feeder();
    const draw = new Draw(random, feed);
    const y = build(draw);
    expect(b.topologicalOrder([y]).map((node) => node.op)).toContain(op);

    // contracted with a random cotangent: every element of the Jacobian counts
    const { stencil, tolerance } = entry.comparison;
    const weight = (): number => (random.below(2) === 0 ? -1 : 1) * (1 + random.below(3));
    const cotangent = b.constant(drawn(y.dtype, sizes(y.shape), weight));
    const loss = b.reduceSum(b.mul(y, cotangent));
    const gradients = b.grad(loss, draw.wrt);
    expect(gradients.map(b.showType)).toEqual(draw.wrt.map(b.showType));

    const results = await evaluate(Object.fromEntries(gradients.map((g, i) => [`g${i}`, g])), feed.feeds);
    for (const [i, x] of draw.wrt.entries()) {
      expect(results[`g${i}`]).toBeAllClose(await differences(loss, x, feed.feeds, stencil), tolerance);
    }
  });
});

/** Operators whose derivative is zero wherever it exists, as functions of a float64 value. */
const flat: { readonly [K in b.OpType]?: (x: b.Value) => b.Value } = {
  Sign: b.sign,
  Floor: b.floor,
  Ceil: b.ceil,
  Round: b.round,
  Not: (x) => b.not(b.cast(x, 'bool')),
  Equal: (x) => b.equal(x, 0.5),
  Greater: (x) => b.greater(x, 0.5),
  Less: (x) => b.less(x, 0.5),
  And: (x) => b.and(b.cast(x, 'bool'), b.greater(x, 0.5)),
  ArgMax: (x) => b.argMax(x, 0),
  Shape: (x) => b.apply('Shape', [x], {})[0]!,
  Size: (x) => b.apply('Size', [x], {})[0]!,
  Range: (x) =>
    b.apply('Range', [b.scalar(0, 'int64'), b.apply('Size', [x], {})[0]!, b.scalar(1, 'int64')], {})[0]!,
  StopGradient: b.stopGradient,
};

describe('the gradient through an operator with a null rule is zeros', () => {
  test.for(Object.entries(flat))('%s', async ([op, apply]) => {
    const x = b.input('x', 'float64', [2, 3]);
    const y = apply(x);
    expect(b.topologicalOrder([y]).map((node) => node.op)).toContain(op);
    const [g] = b.grad(b.reduceSum(b.cast(y, 'float64')), [x]);
    const { g: values } = await evaluate({ g: g! }, { x: b.tensorOf('float64', [2, 3], [1, 2, 3, 4, 5, 6]) });
    expect(values).toEqual(b.tensorOf('float64', [2, 3], [0, 0, 0, 0, 0, 0]));
  });
});

/** Operators whose rule is a refusal. */
const refused = ['Loop'];

test.for(Object.entries(vjp))('%s is tried, refused, or has a null rule', ([op, rule]) => {
  expect({ op, tried: op in entries || refused.includes(op), flat: op in flat }).toEqual({
    op,
    tried: rule !== null,
    flat: rule === null,
  });
});

describe('at a kink', () => {
  const x = b.input('x', 'float64', [3]);
  const gradientAt = async (y: b.Value, at: readonly number[]): Promise<number[]> => {
    const [g] = b.grad(b.reduceSum(y), [x]);
    return numbers((await evaluate({ g: g! }, { x: b.tensorOf('float64', [3], at) })).g);
  };

  test.for<readonly [name: string, y: b.Value, at: readonly number[], gradient: readonly number[]]>([
    ['Relu is flat at 0', b.relu(x), [-1, 0, 1], [0, 0, 1]],
    [
      'LeakyRelu has the slope 0.01 by default',
      b.apply('LeakyRelu', [x], {})[0]!,
      [-1, 0, 1],
      [0.01, 0.01, 1],
    ],
    ['LeakyRelu has the slope alpha at 0', b.leakyRelu(x, 0.25), [-1, 0, 1], [0.25, 0.25, 1]],
    ['Abs is flat at 0', b.abs(x), [-1, 0, 1], [-1, 0, 1]],
    ['Clip has the slope 1 on its bounds', b.clip(x, 0, 1), [0, 1, 2], [1, 1, 0]],
    ['Max gives half to each on a tie', b.max(x, 1), [0, 1, 2], [0, 0.5, 1]],
    ['Min gives half to each on a tie', b.min(x, 1), [0, 1, 2], [1, 0.5, 0]],
    ['ReduceMax gives equal parts to all maxima', b.reduceMax(x), [2, 1, 2], [0.5, 0, 0.5]],
    ['x^2 at 0', b.pow(x, 2), [-1, 0, 1], [-2, 0, 2]],
    ['x^1 at 0', b.pow(x, 1), [-1, 0, 1], [1, 1, 1]],
    ['x^0 at 0', b.pow(x, 0), [-1, 0, 1], [0, 0, 0]],
    ['0^x counts the logarithm of 0 as 0', b.pow(b.scalar(0, 'float64'), x), [1, 2, 3], [0, 0, 0]],
  ])('%s', async ([, y, at, gradient]) => {
    expect(await gradientAt(y, at)).toEqual(gradient);
  });

  test('MaxPool gives all to the first maximum of a window', async () => {
    const image = b.input('image', 'float64', [1, 1, 2, 4]);
    const [g] = b.grad(b.reduceSum(b.maxPool(image, { kernel_shape: [2, 2], strides: [2, 2] }).y), [image]);
    const feeds = { image: b.tensorOf('float64', [1, 1, 2, 4], [1, 1, 0, 2, 1, 1, 2, 2]) };
    expect(numbers((await evaluate({ g: g! }, feeds)).g)).toEqual([1, 0, 0, 1, 0, 0, 0, 0]);
  });

  test.for<readonly [name: string, at: (data: b.Value) => b.Value]>([
    ['Gather', (data) => b.gather(data, b.ints([2, 2]))],
    ['GatherElements', (data) => b.gatherElements(data, b.ints([2, 2]))],
  ])('%s from data with infinities and NaN has a gradient without them', async ([, at]) => {
    expect(await gradientAt(at(x), [-Infinity, NaN, 1])).toEqual([0, 0, 2]);
  });
});
