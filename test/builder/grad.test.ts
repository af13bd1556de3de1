import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import * as onnx from '../../src/onnx/index.ts';
import { stream } from '../../src/runtime/random.ts';
import { between, drawn, evaluate, numbers, open, sizes, valueOf, whole } from '../support/run.ts';

const f64 = (name: string, ...shape: b.Shape): b.Value => b.input(name, 'float64', shape);
const f32 = (name: string, ...shape: b.Shape): b.Value => b.input(name, 'float32', shape);

const x = f64('x', 2, 3);
const y = f64('y', 3);
const feeds = {
  x: b.tensorOf('float64', [2, 3], [1, -2, 3, 4, 5, -6]),
  y: b.tensorOf('float64', [3], [2, 3, 5]),
};

/** The gradients' values, in the order of `wrt`. */
async function gradients(
  loss: b.Value,
  wrt: readonly b.Value[],
  fed: Readonly<Record<string, b.Tensor>> = feeds,
): Promise<b.Tensor[]> {
  const outputs = Object.fromEntries(b.grad(loss, wrt).map((g, i) => [`g${i}`, g]));
  const results = await evaluate(outputs, fed);
  return wrt.map((_, i) => results[`g${i}`]!);
}

describe('grad', () => {
  test('adds up what comes from every use of a value', async () => {
    // x^2 + 3x by way of three uses
    const loss = b.reduceSum(b.add(b.mul(x, x), b.mul(x, 3)));
    const [g] = await gradients(loss, [x]);
    expect(g).toEqual(b.tensorOf('float64', [2, 3], [5, -1, 9, 11, 13, -9]));
  });

  test('undoes broadcasting', async () => {
    const [gx, gy] = await gradients(b.reduceSum(b.mul(x, y)), [x, y]);
    expect(gx).toEqual(b.tensorOf('float64', [2, 3], [2, 3, 5, 2, 3, 5]));
    expect(gy).toEqual(b.tensorOf('float64', [3], [5, 3, -3]));
  });

  test('gives zeros for a value that does not reach the loss', async () => {
    const [gx, gy] = await gradients(b.reduceSum(x), [x, y]);
    expect(gx).toEqual(b.tensorOf('float64', [2, 3], [1, 1, 1, 1, 1, 1]));
    expect(gy).toEqual(b.tensorOf('float64', [3], [0, 0, 0]));
  });

  test('gives zeros of an open shape for a value that does not reach the loss', async () => {
    const open = f64('open', 'batch', 2);
    const [g] = b.grad(b.reduceSum(y), [open]);
    expect(b.showType(g!)).toBe('float64[batch,2]');
    const fed = { ...feeds, open: b.tensorOf('float64', [3, 2], [1, 2, 3, 4, 5, 6]) };
    expect(await valueOf(g!, fed)).toEqual(b.tensorOf('float64', [3, 2], [0, 0, 0, 0, 0, 0]));
  });

  test('is 1 for the loss itself, and keeps what a value between gets', async () => {
    const square = b.mul(x, x);
    const loss = b.reduceSum(b.mul(square, y));
    const [own, between, gx] = await gradients(loss, [loss, square, x]);
    expect(own).toEqual(b.tensorOf('float64', [], [1]));
    expect(between).toEqual(b.tensorOf('float64', [2, 3], [2, 3, 5, 2, 3, 5]));
    expect(gx).toEqual(b.tensorOf('float64', [2, 3], [4, -12, 30, 16, 30, -60]));
  });

  test('asked for one value twice gives it twice', async () => {
    const [first, second] = b.grad(b.reduceSum(x), [x, x]);
    expect(first).toBe(second);
  });

  test('stops at stopGradient, and the value stays', async () => {
    const loss = b.reduceSum(b.mul(b.stopGradient(x), x));
    const [g] = await gradients(loss, [x]);
    expect(g).toEqual(feeds.x);
    expect(numbers(await valueOf(loss, feeds))).toEqual([1 + 4 + 9 + 16 + 25 + 36]);
  });

  test('goes through the branch of Where that was taken', async () => {
    const loss = b.reduceSum(b.where(b.greater(x, 0), b.mul(x, x), b.mul(x, y)));
    const [gx, gy] = await gradients(loss, [x, y]);
    expect(numbers(gx!)).toEqual([2, 3, 6, 8, 10, 5]);
    expect(numbers(gy!)).toEqual([0, -2, -6]);
  });

  test('crosses a Cast between floating-point dtypes and no other', async () => {
    const narrow = b.cast(b.cast(x, 'float32'), 'float64');
    const whole = b.cast(b.cast(x, 'int64'), 'float64');
    const [g] = await gradients(b.reduceSum(b.add(b.mul(narrow, 2), whole)), [x]);
    expect(numbers(g!)).toEqual([2, 2, 2, 2, 2, 2]);
  });

  test('of a chain of 10,000 operators overflows no stack', () => {
    let end: b.Value = x;
    for (let i = 0; i < 10_000; i++) end = b.tanh(end);
    const loss = b.reduceSum(end);
    const [g] = b.grad(loss, [x]);
    const graph = { name: 'deep', inputs: [x], outputs: { g: g! } };
    // each rule gives Tanh three nodes more
    expect(b.topologicalOrder([g!]).length).toBeGreaterThan(40_000);
    expect(onnx.encode(b.lower(graph, 'cpu')).length).toBeGreaterThan(40_000);
  });

  test('of a wide value used 10,000 times stays linear in its uses', () => {
    const terms = Array.from({ length: 10_000 }, (_, i) => b.mul(x, i));
    const [g] = b.grad(b.reduceSum(terms.reduce((a, c) => b.add(a, c))), [x]);
    expect(b.topologicalOrder([g!]).length).toBeLessThan(30_000);
  });

  test.for<readonly [message: string, build: () => unknown]>([
    [
      'grad: the loss must be a floating-point scalar, got float64[2,3]; reduce it first',
      () => b.grad(x, [x]),
    ],
    [
      'grad: the loss must be a floating-point scalar, got float64[1]; reduce it first',
      () => b.grad(f64('one', 1), [x]),
    ],
    [
      'grad: the loss must be a floating-point scalar, got int64[]; reduce it first',
      () => b.grad(b.reduceSum(b.input('i', 'int64', [2])), [x]),
    ],
    [
      'grad: input i is int64; only floating-point values have gradients',
      () => b.grad(b.reduceSum(x), [b.input('i', 'int64', [2])]),
    ],
    [
      'grad: a value bool[2,3] is bool; only floating-point values have gradients',
      () => b.grad(b.reduceSum(x), [b.greater(x, 0)]),
    ],
    [
      'grad: Clip with computed bounds has no rule',
      () => b.grad(b.reduceSum(b.apply('Clip', [x, b.reduceMean(y)], {})[0]!), [x]),
    ],
  ])('refuses: %s', ([message, build]) => {
    expect(build).toThrow(new Error(message));
  });

  const table = f64('table', 'rows', 'columns', 2);
  test.for<readonly [message: string, y: b.Value, wrt: b.Value]>([
    ['Pad with a computed value has no rule', b.apply('Pad', [y, b.ints([1, 1]), b.reduceSum(y)], {})[0]!, y],
    ['Pad with negative pads [-1,0] has no rule', b.pad(y, [-1, 0]), y],
    [
      'ScatterElements with reduction none has no rule, only add',
      b.apply('ScatterElements', [y, b.ints([0]), b.slice(y, [0], [1], [0])], {})[0]!,
      y,
    ],
    ['Gather with an open number of indices has no rule', b.gather(y, b.input('i', 'int64', ['batch'])), y],
    ['Gather from [rows,columns,2] has no rule: bind its open sizes', b.gather(table, b.ints([0]), 2), table],
  ])('has no rule: %s', ([message, value, wrt]) => {
    expect(() => b.grad(b.reduceSum(value), [wrt])).toThrow(new Error(`grad: ${message}`));
  });
});

describe('pullback', () => {
  test('carries the cotangents of several outputs back', async () => {
    const [g] = b.pullback(
      [b.mul(y, 2), b.mul(y, y)],
      [b.expand(b.scalar(10, 'float64'), b.ints([3])), y],
      [y],
    );
    // 2 * 10 + 2 y * y
    expect(numbers(await valueOf(g!, feeds))).toEqual([28, 38, 70]);
  });

  test('refuses cotangents that do not match the outputs', () => {
    expect(() => b.pullback([y, y], [y], [y])).toThrow('grad: 2 outputs have 1 cotangents; give one each');
    expect(() => b.pullback([y], [b.scalar(1, 'float64')], [y])).toThrow(
      'grad: the cotangent of an output float64[3] must be of its type, got float64[]',
    );
  });
});

describe('an open batch', () => {
  const classes = 4;

  /** A small classifier's loss, and its parameters, over a batch that is given or open. */
  function network(batch: number | string) {
    const image = f32('image', batch, 1, 8, 8);
    const label = b.input('label', 'int64', [batch]);
    const { result, parameters } = b.nn.declare('net', 'infer', (scope) => {
      const wide = b.nn.conv2d(scope.within('conv'), image, {
        channels: 3,
        kernel: 3,
        padding: 1,
        stride: 2,
      });
      const normal = b.nn.batchNorm(scope.within('norm'), wide);
      const back = b.nn.convTranspose2d(scope.within('deconv'), b.leakyRelu(normal, 0.2), {
        channels: 2,
        kernel: 3,
        stride: 2,
        padding: 1,
        outputPadding: 1,
      });
      const pooled = b.nn.maxPool2(b.sigmoid(back));
      const features = b.concat([b.flatten(pooled), b.flatten(b.globalAveragePool(back))], 1);
      return b.nn.linear(scope.within('linear'), features, classes);
    });
    const weights = parameters.trainable.map((p) => p.value);
    const loss = b.add(
      b.nn.crossEntropy(result, label),
      b.reduceMean(b.logSoftmax(result), { axes: [0, 1] }),
    );
    return {
      loss,
      wrt: [image, ...weights],
      inputs: [image, ...weights, ...parameters.buffers.map((p) => p.value)],
    };
  }

  test.for(['plain', 'cpu'] as const)('has the gradients of the batch it is fed, on %s', async (target) => {
    const random = stream(1, 'grad', 'open batch');
    const known = network(3);
    const fed: Record<string, b.Tensor> = Object.fromEntries(
      known.inputs.map((v) => [b.inputName(v), drawn('float32', sizes(v.shape), between(random, 0.1, 1))]),
    );
    fed.label = drawn('int64', [3], whole(random, 0, classes - 1));
    const values = async ({ loss, wrt }: ReturnType<typeof network>) => {
      const outputs = Object.fromEntries(
        b.grad(loss, wrt).map((g, i) => [`gradient/${b.inputName(wrt[i]!)}`, g]),
      );
      return evaluate(outputs, fed, target);
    };
    const [expected, actual] = [await values(known), await values(network('batch'))];
    expect(Object.keys(actual)).toEqual(Object.keys(expected));
    for (const [name, g] of Object.entries(actual)) {
      // the same kernels on the same numbers; only the counts of means are computed instead of constant
      expect(g).toBeAllClose(expected[name]!, { rtol: 1e-6, atol: 1e-7 });
    }
  });

  test('divides a mean by the batch it is fed', async () => {
    const open = f64('open', 'batch', 2);
    const [g] = b.grad(b.reduceMean(open, { axes: [0, 1] }), [open]);
    const values = await valueOf(g!, { open: b.tensorOf('float64', [3, 2], [1, 2, 3, 4, 5, 6]) });
    expect(values).toBeAllClose(b.tensorOf('float64', [3, 2], new Array<number>(6).fill(1 / 6)), {
      rtol: 1e-15,
    });
  });

  test('multiplies a vector of open length', async () => {
    const [vector, matrix] = [f64('vector', 'batch'), f64('matrix', 'batch', 2)];
    const wrt = [vector, matrix];
    const fed = {
      vector: b.tensorOf('float64', [3], [1, 2, 3]),
      matrix: b.tensorOf('float64', [3, 2], [1, 2, 3, 4, 5, 6]),
    };
    const [gv, gm] = await gradients(b.reduceSum(b.matmul(vector, matrix)), wrt, fed);
    expect(numbers(gv!)).toEqual([3, 7, 11]);
    expect(numbers(gm!)).toEqual([1, 1, 2, 2, 3, 3]);
  });
});

/** A scalar function of one input. */
interface Composite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly loss: (x: b.Value) => b.Value;
  readonly precision: Precision;
}

/** How the second derivative is compared with differences of the first. */
interface Precision {
  readonly dtype: 'float32' | 'float64';
  /** Distance between the points of a difference of fourth order. */
  readonly h: number;
  /** How near the two sides must be, as a part of the largest second derivative. */
  readonly tolerance: number;
}

const weight = (name: string, dtype: b.DType, shape: readonly number[], scale: number): b.Value =>
  b.constant(drawn(dtype, shape, between(stream(1, 'grad', name), -scale, scale)));

/**
 * The difference errs by h^4 / 30 = 2e-12 of a sixth derivative of the loss, a thousand times its second at most, and by
 * the gradient's rounding, 1e-15, over h = 3e-3: 1e-12.
 */
const float64: Precision = { dtype: 'float64', h: 2 ** -9, tolerance: 1e-8 };

/**
 * The gradient is wrong by some 2e-7 of its size (sums of up to 100 terms, rounded to 2^-24 each, up and down), which the
 * difference multiplies by 1.5 / h = 48: 1e-5. What it leaves out, h^4 / 30 = 3e-8 of a sixth derivative, is less.
 */
const float32: Precision = { dtype: 'float32', h: 2 ** -5, tolerance: 5e-5 };

const composites: readonly Composite[] = [
  {
    name: 'sum(tanh(x w)^3)',
    shape: [3, 4],
    loss: (v) => b.reduceSum(b.pow(b.tanh(b.matmul(v, weight('w', 'float64', [4, 2], 1))), 3)),
    precision: float64,
  },
  {
    name: 'softmax, logarithm and division',
    shape: [2, 5],
    loss: (v) => b.reduceSum(b.div(b.mul(b.log(b.softmax(v)), v), b.add(b.exp(v), 1))),
    precision: float64,
  },
  {
    name: 'log-softmax against a sigmoid',
    shape: [2, 5],
    loss: (v) => b.reduceSum(b.mul(b.logSoftmax(v, 0), b.sigmoid(v))),
    precision: float64,
  },
  {
    name: 'batch normalisation of a batch',
    shape: [3, 2, 2, 2],
    loss: (v) => {
      const mean = b.reduceMean(v, { axes: [0, 2, 3], keepdims: true });
      const centred = b.sub(v, mean);
      const variance = b.reduceMean(b.mul(centred, centred), { axes: [0, 2, 3], keepdims: true });
      return b.reduceSum(b.tanh(b.div(centred, b.sqrt(b.add(variance, 0.01)))));
    },
    precision: float64,
  },
  {
    name: 'ONNX BatchNormalization in all of its inputs',
    shape: [3],
    loss: (v) => {
      const image = b.reshape(b.concat([v, b.mul(v, v)], 0), [2, 3]);
      const variance = b.exp(v);
      return b.reduceSum(b.tanh(b.batchNormalization(image, v, v, b.mul(v, v), variance, 0.01)));
    },
    precision: float64,
  },
  {
    name: 'gemm, slices, pads and gathers',
    shape: [4, 3],
    loss: (v) => {
      const product = b.gemm(v, v, b.slice(v, [0], [1], [0]), { transA: 1, alpha: 0.5 });
      const padded = b.pad(b.slice(product, [1], [3], [1]), [0, 1, 1, 0]);
      return b.reduceSum(
        b.tanh(b.mul(b.gather(padded, b.ints([0, 0, 3, 1])), b.reduceSumSquare(v, { axes: [0] }))),
      );
    },
    precision: float64,
  },
  {
    name: 'max-pooling',
    shape: [1, 2, 4, 4],
    loss: (v) => {
      const { y: pooled } = b.maxPool(b.tanh(v), {
        kernel_shape: [3, 3],
        strides: [1, 1],
        pads: [1, 1, 1, 1],
      });
      return b.reduceSum(b.mul(b.mul(pooled, pooled), pooled));
    },
    precision: float64,
  },
  {
    name: 'conv, tanh, conv',
    shape: [2, 2, 5, 6],
    loss: (v) => {
      const first = b.conv(v, weight('first', 'float32', [3, 2, 3, 2], 0.5), null, {
        strides: [2, 2],
        pads: [1, 0, 1, 1],
      });
      const second = b.conv(b.tanh(first), weight('second', 'float32', [2, 3, 2, 2], 0.5), null, {
        pads: [1, 1, 0, 0],
      });
      return b.reduceSum(b.mul(second, second));
    },
    precision: float32,
  },
  {
    name: 'transposed conv, tanh, transposed conv',
    shape: [2, 2, 3, 2],
    loss: (v) => {
      const geometry = { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0] };
      const first = b.convTranspose(v, weight('third', 'float32', [2, 3, 3, 3], 0.5), null, geometry);
      const second = b.convTranspose(b.tanh(first), weight('fourth', 'float32', [3, 2, 3, 3], 0.5), null, {});
      return b.reduceSum(b.mul(second, second));
    },
    precision: float32,
  },
  {
    name: 'the kernel of conv, tanh, conv with itself',
    shape: [2, 2, 3, 3],
    loss: (v) => {
      const image = weight('image', 'float32', [2, 2, 6, 5], 0.25);
      const first = b.tanh(b.conv(image, v, null, { strides: [1, 1], pads: [1, 1, 1, 1] }));
      const second = b.conv(first, v, null, { strides: [2, 2], pads: [0, 1, 1, 0] });
      return b.reduceSum(b.mul(second, second));
    },
    precision: float32,
  },
];

describe('the gradient of a gradient', () => {
  test.for(composites)(
    'of $name equals differences of the gradient',
    async ({ name, shape, loss, precision }) => {
      const { dtype, h, tolerance } = precision;
      const random = stream(1, 'grad', 'second', name);
      const v = b.input('v', dtype, shape);
      const direction = drawn(dtype, shape, between(random, -1, 1));
      const at = drawn(dtype, shape, between(random, -1, 1));
      const [g] = b.grad(loss(v), [v]);
      // d/dv <g, direction>: the Hessian times the direction
      const [hessian] = b.grad(b.reduceSum(b.mul(g!, b.constant(direction))), [v]);
      const opened = await open({ g: g! });
      const gradientAt = async (by: number): Promise<number[]> => {
        const steps = numbers(direction);
        const moved = numbers(at).map((value, i) => value + by * steps[i]!);
        return numbers((await opened.run({ v: b.tensorOf(dtype, shape, moved) })).g);
      };
      const near = [await gradientAt(h), await gradientAt(-h)] as const;
      const far = [await gradientAt(2 * h), await gradientAt(-2 * h)] as const;
      await opened.close();
      const slopes = near[0].map(
        (value, i) => (8 * (value - near[1][i]!) - (far[0][i]! - far[1][i]!)) / (12 * h),
      );
      const size = Math.max(...slopes.map(Math.abs));
      expect(size).toBeGreaterThan(0.01);
      expect(numbers(await valueOf(hessian!, { v: at }))).toBeAllClose(slopes, { atol: tolerance * size });
    },
  );
});

test('differentiableInputs are the floating-point inputs that the loss depends on', () => {
  const loss = b.reduceSum(b.where(b.input('c', 'bool', [3]), b.gather(x, b.input('i', 'int64', [3]), 1), y));
  expect(b.differentiableInputs(loss)).toEqual([x, y]);
});

describe('whether there is a gradient', () => {
  const steps = b.cast(b.greater(x, 0), 'float64');

  test('a differentiable path gives one, whatever else there is', () => {
    expect(b.hasGradient(b.reduceSum(b.add(steps, b.mul(x, 0))), x)).toBe(true);
  });

  test('a path through a comparison gives none, and neither does a loss that does not read x', () => {
    expect(b.hasGradient(b.reduceSum(b.mul(steps, y)), x)).toBe(false);
    expect(b.hasGradient(b.reduceSum(y), x)).toBe(false);
  });

  test('the operators at which it ends are told, and what reads a shape alone is none', () => {
    const flat = b.reshapeTo(b.mul(x, 2), b.shapeOf(x));
    const ends = b.add(b.cast(b.greater(flat, 0), 'float64'), b.cast(b.cast(x, 'int64'), 'float64'));
    expect(b.gradientStops(b.reduceSum(ends), x).toSorted()).toEqual(['Cast', 'Greater']);
  });
});
