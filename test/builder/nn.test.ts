import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { stream } from '../../src/runtime/random.ts';
import {
  evaluateGraph,
  awayFromZero,
  between,
  drawn,
  evaluate,
  numbers,
  valueOf,
  whole,
} from '../support/run.ts';

const { nn } = b;

/** Half a unit in the last place of a float32 near 1. */
const ulp = 2 ** -24;

/** The names, shapes and beginnings of variables, as text. */
const listed = (variables: readonly b.nn.Variable[]): string[] =>
  variables.map(({ name, value, init }) => {
    const begins = init.kind === 'constant' ? `${init.value}` : `${init.low}..${init.high}`;
    return `${name} ${b.showType(value)} from ${begins}`;
  });

describe('declare', () => {
  const image = b.input('image', 'float32', [2, 3, 8, 8]);

  test('names parameters by the path of scopes, in the order of their declaration', () => {
    const { parameters } = nn.declare('net', 'train', (scope) => {
      const y = nn.conv2d(scope.within('block').within('conv'), image, { channels: 4, kernel: 2 });
      return nn.batchNorm(scope.within('norm'), y);
    });
    const bound = 1 / Math.sqrt(12);
    expect(listed(parameters.trainable)).toEqual([
      `net/block/conv/weight float32[2,2,3,4] from ${-bound}..${bound}`,
      `net/block/conv/bias float32[4] from ${-bound}..${bound}`,
      'net/norm/weight float32[4] from 1',
      'net/norm/bias float32[4] from 0',
    ]);
    expect(listed(parameters.buffers)).toEqual([
      'net/norm/running_mean float32[4] from 0',
      'net/norm/running_var float32[4] from 1',
    ]);
    expect([...parameters.updates.keys()]).toEqual(['net/norm/running_mean', 'net/norm/running_var']);
  });

  test('moves no buffer in phase infer', () => {
    const { parameters } = nn.declare('net', 'infer', (scope) => nn.batchNorm(scope, image));
    expect(parameters.buffers).toHaveLength(2);
    expect(parameters.updates.size).toBe(0);
  });
});

describe('fanInUniform', () => {
  test.for([
    [1, 1],
    [25, 0.2],
    [1568, 1 / Math.sqrt(1568)],
  ])('of %i is between plus and minus %f', ([fanIn, bound]) => {
    expect(nn.fanInUniform(fanIn!)).toEqual({ kind: 'uniform', low: -bound!, high: bound! });
  });

  test.for<readonly [layer: string, fanIn: number, build: (scope: b.nn.Scope) => unknown]>([
    // PyTorch counts the fan-in of a transposed convolution over its output channels
    [
      'conv2d',
      3 * 25,
      (s) => nn.conv2d(s, b.input('x', 'float32', [1, 3, 9, 9]), { channels: 7, kernel: 5 }),
    ],
    [
      'convTranspose2d',
      7 * 25,
      (s) => nn.convTranspose2d(s, b.input('x', 'float32', [1, 3, 9, 9]), { channels: 7, kernel: 5 }),
    ],
    ['linear', 6, (s) => nn.linear(s, b.input('x', 'float32', ['batch', 6]), 4)],
  ])('gives %s, weight and bias, the fan-in %i', ([, fanIn, build]) => {
    const { parameters } = nn.declare('layer', 'train', build);
    expect(parameters.trainable.map(({ init }) => init)).toEqual([
      nn.fanInUniform(fanIn),
      nn.fanInUniform(fanIn),
    ]);
  });
});

interface Layer {
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly outputPadding: number;
}

/** Reads [N,C,H,W] of a tensor; 0 outside of the image. */
function reader({ data, shape }: b.Tensor): (n: number, c: number, i: number, j: number) => number {
  const [, channels, height, width] = shape as readonly [number, number, number, number];
  return (n, c, i, j) =>
    i < 0 || j < 0 || i >= height || j >= width
      ? 0
      : Number(data[((n * channels + c) * height + i) * width + j]);
}

/** A kernel as nn stores it, [kH,kW,in,out]. */
function kernelReader({ data, shape }: b.Tensor): (ki: number, kj: number, c: number, m: number) => number {
  const [, width, inputs, outputs] = shape as readonly [number, number, number, number];
  return (ki, kj, c, m) => Number(data[((ki * width + kj) * inputs + c) * outputs + m]);
}

/** The definition of a convolution: every output is a sum over taps and channels. */
function convolved(x: b.Tensor, weight: b.Tensor, bias: b.Tensor, { stride, padding }: Layer): b.Tensor {
  const [batch, , height, width] = x.shape as readonly [number, number, number, number];
  const [kernel, , inputs, outputs] = weight.shape as readonly [number, number, number, number];
  const [oh, ow] = [height, width].map((size) => Math.floor((size + 2 * padding - kernel) / stride) + 1) as [
    number,
    number,
  ];
  const [at, w] = [reader(x), kernelReader(weight)];
  const out: number[] = [];
  for (let n = 0; n < batch; n++)
    for (let m = 0; m < outputs; m++)
      for (let i = 0; i < oh; i++)
        for (let j = 0; j < ow; j++) {
          let sum = Number(bias.data[m]);
          for (let c = 0; c < inputs; c++)
            for (let ki = 0; ki < kernel; ki++)
              for (let kj = 0; kj < kernel; kj++)
                sum += at(n, c, i * stride + ki - padding, j * stride + kj - padding) * w(ki, kj, c, m);
          out.push(sum);
        }
  return b.tensorOf('float32', [batch, outputs, oh, ow], out);
}

/** The definition of a transposed convolution: every input adds its multiple of the kernel to the output. */
function transposed(
  x: b.Tensor,
  weight: b.Tensor,
  bias: b.Tensor,
  { stride, padding, outputPadding }: Layer,
): b.Tensor {
  const [batch, inputs, height, width] = x.shape as readonly [number, number, number, number];
  const [kernel, , outputs] = weight.shape as readonly [number, number, number];
  const [oh, ow] = [height, width].map(
    (size) => stride * (size - 1) + kernel - 2 * padding + outputPadding,
  ) as [number, number];
  const [at, w] = [reader(x), kernelReader(weight)];
  const out = Array.from({ length: batch * outputs * oh * ow }, (_, i) =>
    Number(bias.data[Math.floor(i / (oh * ow)) % outputs]),
  );
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < inputs; c++)
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++)
          for (let m = 0; m < outputs; m++)
            for (let ki = 0; ki < kernel; ki++)
              for (let kj = 0; kj < kernel; kj++) {
                const [r, s] = [i * stride + ki - padding, j * stride + kj - padding];
                if (r < 0 || s < 0 || r >= oh || s >= ow) continue;
                out[((n * outputs + m) * oh + r) * ow + s]! += at(n, c, i, j) * w(ki, kj, m, c);
              }
  return b.tensorOf('float32', [batch, outputs, oh, ow], out);
}

describe.for([
  ['conv2d', nn.conv2d, convolved],
  ['convTranspose2d', nn.convTranspose2d, transposed],
] as const)('%s equals its definition in loops', ([title, layer, definition]) => {
  const layers: readonly Layer[] = [
    { channels: 3, kernel: 3, stride: 1, padding: 0, outputPadding: 0 },
    { channels: 2, kernel: 5, stride: 1, padding: 2, outputPadding: 0 },
    { channels: 3, kernel: 5, stride: 2, padding: 2, outputPadding: 1 },
    { channels: 1, kernel: 4, stride: 3, padding: 1, outputPadding: 2 },
    { channels: 4, kernel: 1, stride: 1, padding: 0, outputPadding: 0 },
  ];
  test.for(layers)('%o', async (options) => {
    const random = stream(1, 'nn', title, JSON.stringify(options));
    const image = b.input('image', 'float32', [2, 2, 6, 5]);
    const { result, parameters } = nn.declare('layer', 'train', (scope) => layer(scope, image, options));
    const [weight, bias] = parameters.trainable.map(({ value }) =>
      // whole numbers: every sum is exact in float32
      drawn('float32', value.shape as readonly number[], whole(random, -5, 5)),
    );
    const x = drawn('float32', [2, 2, 6, 5], whole(random, -5, 5));
    const actual = await valueOf(result, { image: x, 'layer/weight': weight!, 'layer/bias': bias! });
    expect(actual).toBeAllClose(definition(x, weight!, bias!, options));
  });
});

test('linear is x W^T + bias, with the weight stored as [features, inputs]', async () => {
  const x = b.input('x', 'float32', [2, 3]);
  const { result } = nn.declare('linear', 'train', (scope) => nn.linear(scope, x, 2));
  const actual = await valueOf(result, {
    x: b.tensorOf('float32', [2, 3], [1, 2, 3, 4, 5, 6]),
    'linear/weight': b.tensorOf('float32', [2, 3], [1, 0, -1, 2, 1, 0]),
    'linear/bias': b.tensorOf('float32', [2], [10, 20]),
  });
  expect(actual).toEqual(b.tensorOf('float32', [2, 2], [8, 24, 8, 33]));
});

test('maxPool2 takes the largest of each square and leaves an odd row out', async () => {
  const x = b.tensorOf('float32', [1, 1, 3, 4], [1, 5, 2, 0, 3, 4, -1, -2, 9, 9, 9, 9]);
  const actual = await valueOf(nn.maxPool2(b.input('x', 'float32', x.shape)), { x });
  expect(actual).toEqual(b.tensorOf('float32', [1, 1, 1, 2], [5, 2]));
});

describe('batchNorm', () => {
  const shape = [3, 2, 4, 5];
  const perChannel = 3 * 4 * 5;
  const random = stream(1, 'nn', 'batchNorm');
  // channels of different mean and width
  const image = drawn('float32', shape, between(random, -1, 1));
  image.data.forEach((value, i) => {
    image.data[i] = Math.floor(i / 20) % 2 ? 3 + Number(value) : 0.5 * Number(value);
  });
  const feeds = {
    image,
    'norm/weight': b.tensorOf('float32', [2], [0.5, -2]),
    'norm/bias': b.tensorOf('float32', [2], [0.25, 1]),
    'norm/running_mean': b.tensorOf('float32', [2], [1, -4]),
    'norm/running_var': b.tensorOf('float32', [2], [0.5, 9]),
  };
  const channelOf = (i: number): number => Math.floor(i / 20) % 2;
  const channels = [0, 1].map((c) => {
    const values = numbers(image).filter((_, i) => channelOf(i) === c);
    const mean = values.reduce((sum, v) => sum + v, 0) / perChannel;
    const squares = values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
    return { mean, biased: squares / perChannel, unbiased: squares / (perChannel - 1) };
  });
  const build = (phase: b.nn.Phase, options?: b.nn.BatchNorm) =>
    nn.declare('norm', phase, (scope) => nn.batchNorm(scope, b.input('image', 'float32', shape), options));
  /** scale * (x - mean) / sqrt(variance + epsilon) + bias */
  const normalised = (
    statistics: (c: number) => { mean: number; variance: number },
    epsilon: number,
  ): number[] =>
    numbers(image).map((x, i) => {
      const c = channelOf(i);
      const { mean, variance } = statistics(c);
      const scale = Number(feeds['norm/weight'].data[c]);
      return (scale * (x - mean)) / Math.sqrt(variance + epsilon) + Number(feeds['norm/bias'].data[c]);
    });

  // every result is below 8 and comes from some 10 roundings of numbers below 8, the mean and the variance among them;
  // the sums of 60 that these need round by less, because the terms are smaller than the sum
  const tolerance = { atol: 16 * 8 * ulp };

  test.for([1e-5, 0.1])(
    'in phase train normalises by the biased variance of the batch, epsilon %f',
    async (epsilon) => {
      const { result } = build('train', { epsilon });
      const expected = normalised(
        (c) => ({ mean: channels[c]!.mean, variance: channels[c]!.biased }),
        epsilon,
      );
      expect(numbers(await valueOf(result, feeds))).toBeAllClose(expected, tolerance);
    },
  );

  test.for([undefined, 0.5])('in phase train moves the running statistics, momentum %s', async (momentum) => {
    const { parameters } = build('train', momentum === undefined ? {} : { momentum });
    const m = momentum ?? 0.1;
    const next = await evaluate(
      Object.fromEntries([...parameters.updates].map(([name, value]) => [`next/${name}`, value])),
      feeds,
    );
    const means = channels.map(({ mean }, c) => (1 - m) * [1, -4][c]! + m * mean);
    const variances = channels.map(({ unbiased }, c) => (1 - m) * [0.5, 9][c]! + m * unbiased);
    expect(numbers(next['next/norm/running_mean']!)).toBeAllClose(means, tolerance);
    expect(numbers(next['next/norm/running_var']!)).toBeAllClose(variances, tolerance);
  });

  test('tells the unbiased variance from the biased one', () => {
    // what the tolerance above must be able to see: 0.1 of the difference
    for (const { biased, unbiased } of channels)
      expect(0.1 * (unbiased - biased)).toBeGreaterThan(10 * tolerance.atol);
  });

  test.for([1e-5, 0.1])(
    'in phase infer normalises by the running statistics, epsilon %f',
    async (epsilon) => {
      const { result } = build('infer', { epsilon });
      const expected = normalised((c) => ({ mean: [1, -4][c]!, variance: [0.5, 9][c]! }), epsilon);
      expect(numbers(await valueOf(result, feeds))).toBeAllClose(expected, tolerance);
    },
  );

  test('keeps its precision where the mean is far from 0', async () => {
    // with E[x^2] - E[x]^2 nothing would be left of a variance of 1 beside a mean of 4096
    const far = drawn('float32', [4, 1, 4, 4], whole(stream(2, 'nn', 'batchNorm'), 4095, 4097));
    const values = numbers(far);
    const mean = values.reduce((sum, v) => sum + v, 0) / 64;
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 64;
    const expected = values.map((v) => (v - mean) / Math.sqrt(variance + 1e-5));
    const { result } = nn.declare('norm', 'train', (scope) =>
      nn.batchNorm(scope, b.input('image', 'float32', [4, 1, 4, 4])),
    );
    const one = b.tensorOf('float32', [1], [1]);
    const zero = b.tensorOf('float32', [1], [0]);
    const actual = await valueOf(result, { image: far, 'norm/weight': one, 'norm/bias': zero });
    // the mean itself is rounded to half a unit of 4096 = 2.4e-4
    expect(numbers(actual)).toBeAllClose(expected, { atol: (4096 * ulp * 2) / Math.sqrt(variance) });
  });

  test('needs two values a channel in phase train', () => {
    const one = b.input('x', 'float32', [1, 3, 1, 1]);
    expect(() => nn.declare('norm', 'train', (scope) => nn.batchNorm(scope, one))).toThrow(
      'nn.batchNorm: training needs a known shape with two values a channel or more, got [1,3,1,1]',
    );
    expect(() => nn.declare('norm', 'infer', (scope) => nn.batchNorm(scope, one))).not.toThrow();
  });
});

describe('oneHot', () => {
  test.for(['int64', 'int32', 'uint8'] as const)('of %s labels has a 1 in each row', async (dtype) => {
    const labels = b.tensorOf(dtype, [3], [2, 0, 3]);
    const actual = await valueOf(nn.oneHot(b.input('labels', dtype, ['batch']), 4), { labels });
    expect(actual).toEqual(b.tensorOf('float32', [3, 4], [0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1]));
  });
});

describe('crossEntropy', () => {
  const logits = b.input('logits', 'float32', ['batch', 4]);
  const label = b.input('label', 'int64', ['batch']);
  const labels = [2, 0, 3];
  const loss = nn.crossEntropy(logits, label);
  const softmax = (row: readonly number[]): number[] => {
    const highest = Math.max(...row);
    const powers = row.map((z) => Math.exp(z - highest));
    const sum = powers.reduce((a, p) => a + p, 0);
    return powers.map((p) => p / sum);
  };
  const rowsOf = (values: readonly number[]): number[][] =>
    labels.map((_, n) => values.slice(4 * n, 4 * n + 4));
  const lossOf = (values: readonly number[]): number =>
    rowsOf(values).reduce((sum, row, n) => {
      const highest = Math.max(...row);
      const logSum = highest + Math.log(row.reduce((a, z) => a + Math.exp(z - highest), 0));
      return sum + (logSum - row[labels[n]!]!) / labels.length;
    }, 0);
  /** (softmax - one-hot) / batch */
  const gradientOf = (values: readonly number[]): number[] =>
    rowsOf(values).flatMap((row, n) =>
      softmax(row).map((p, k) => (p - Number(k === labels[n])) / labels.length),
    );

  const random = stream(1, 'nn', 'crossEntropy');
  test.for<readonly [name: string, values: readonly number[]]>([
    ['small logits', numbers(drawn('float32', [12], between(random, -2, 2)))],
    ['equal logits', new Array<number>(12).fill(0.5)],
    ['logits of 10,000 of either sign', numbers(drawn('float32', [12], awayFromZero(random, 9_000, 10_000)))],
    ['one logit of 10,000 at the label', [0, 0, 1e4, 0, 1e4, 0, 0, 0, 0, 0, 0, 1e4]],
    ['one logit of 10,000 elsewhere', [1e4, 0, 0, 0, 0, 0, 0, 1e4, 0, 1e4, 0, 0]],
    [
      'large logits close to each other',
      [1e4, 1e4 + 1, 1e4 - 1, 1e4, -1e4, -1e4 + 2, -1e4, -1e4, 0, 1, 2, 3],
    ],
  ])('of %s equals a derivation in double precision', async ([, values]) => {
    const fed = {
      logits: b.tensorOf('float32', [3, 4], values),
      label: b.tensorOf('int64', [3], labels),
    };
    const [g] = b.grad(loss, [logits]);
    const { value, gradient } = await evaluate({ value: loss, gradient: g! }, fed);
    // differences of logits round by half a unit of the largest; the rest of the loss is below 10
    const largest = Math.max(...values.map(Math.abs), 10);
    expect(numbers(value)).toBeAllClose([lossOf(values)], { atol: 4 * largest * ulp });
    // probabilities are below 1, and as far off as their logits' differences, which are exact where they matter
    expect(numbers(gradient)).toBeAllClose(gradientOf(values), { atol: 16 * ulp });
  });

  test('refuses an open number of classes', () => {
    expect(() => nn.crossEntropy(b.input('logits', 'float32', [3, 'classes']), label)).toThrow(
      'crossEntropy: the number of classes must be known',
    );
  });
});

describe('an optimizer', () => {
  const start = [0.5, -1.5, 2, -0.001];
  const parameter: b.nn.Variable = {
    name: 'net/weight',
    value: b.input('net/weight', 'float32', [4]),
    init: { kind: 'constant', value: 0 },
  };
  const gradient = b.input('gradient', 'float32', [4]);
  const random = stream(1, 'nn', 'optimizer');
  /** Gradients of ten steps: of very different sizes, and zero at times. */
  const gradients = Array.from({ length: 10 }, (_, t) =>
    numbers(drawn('float32', [4], between(random, -1, 1))).map((g, i) =>
      Math.fround(i === 3 && t < 2 ? 0 : g * 10 ** (2 - 2 * i)),
    ),
  );

  /** The parameter after each step, computed by a graph. */
  async function steps(optimizer: b.Optimizer): Promise<number[][]> {
    const slots = optimizer.init([parameter]);
    const next = optimizer.update([gradient], [parameter], slots);
    const outputs = Object.fromEntries(
      [next.parameters[0]!, ...next.state].map((value, i) => [`next${i}`, value]),
    );
    let state = [
      b.tensorOf('float32', [4], start),
      ...slots.map(({ value, init }) => {
        expect(init).toEqual({ kind: 'constant', value: 0 });
        return drawn('float32', value.shape as readonly number[], () => 0);
      }),
    ];
    const names = [parameter, ...slots].map(({ name }) => name);
    const trace: number[][] = [];
    for (const g of gradients) {
      const fed = Object.fromEntries(names.map((name, i) => [name, state[i]!]));
      const results = await evaluate(outputs, { ...fed, gradient: b.tensorOf('float32', [4], g) });
      state = state.map((_, i) => results[`next${i}`]!);
      trace.push(numbers(state[0]!));
    }
    return trace;
  }

  test('sgd goes down the gradient', async () => {
    let p = start;
    const expected = gradients.map((g) => (p = p.map((value, i) => value - 0.05 * g[i]!)));
    // two roundings a step of numbers up to 50
    expect((await steps(b.sgd({ learningRate: 0.05 }))).flat()).toBeAllClose(expected.flat(), {
      atol: 10 * 2 * 50 * ulp,
    });
  });

  type Settings = b.AdamOptions & { readonly learningRate?: number };

  /** torch.optim.Adam, one tensor, in double precision. */
  function adam({ learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: Settings): number[][] {
    let p = start;
    let m = start.map(() => 0);
    let v = start.map(() => 0);
    return gradients.map((g, at) => {
      const t = at + 1;
      m = m.map((old, i) => beta1 * old + (1 - beta1) * g[i]!);
      v = v.map((old, i) => beta2 * old + (1 - beta2) * g[i]! ** 2);
      const stepSize = learningRate / (1 - beta1 ** t);
      const correction = Math.sqrt(1 - beta2 ** t);
      p = p.map((value, i) => value - (stepSize * m[i]!) / (Math.sqrt(v[i]!) / correction + epsilon));
      return p;
    });
  }

  test.for<readonly [name: string, options: Settings]>([
    ['its defaults', {}],
    ['other betas', { learningRate: 0.1, beta1: 0.5, beta2: 0.9 }],
    ['an epsilon that is larger than some gradients', { learningRate: 0.01, epsilon: 1e-3 }],
  ])("adam with %s takes PyTorch's ten steps", async ([, options]) => {
    const { learningRate = 1e-3 } = options;
    // 1 - beta2^t is a difference of float32 numbers near 1: at t = 1 and beta2 = 0.999 it is off by half a unit of 1 in
    // 0.001, 6e-5, twice (beta2 itself and the power), and its root by half of that. A step is at most some learning
    // rates long. On top comes the rounding of the parameter, up to 2 in size.
    const perStep = 6e-5 * 2 * learningRate + 2 * 2 * ulp;
    expect((await steps(b.adam(options))).flat()).toBeAllClose(adam(options).flat(), { atol: 10 * perStep });
  });

  test('averaged moves a mean of the parameters by a part of the way to the new ones', async () => {
    const p = b.input('p', 'float32', [2]);
    const variable: b.nn.Variable = { name: 'p', value: p, init: { kind: 'constant', value: 0 } };
    const optimizer = b.averaged(b.sgd({ learningRate: 0.5 }), 0.75);
    const [average] = optimizer.init([variable]);
    const gradient = b.constant(b.tensorOf('float32', [2], [2, -4]));
    const next = optimizer.update([gradient], [variable], [average!]);
    const outputs = { next: next.parameters[0]!, mean: next.state[0]! };
    const found = await evaluateGraph(
      { name: 'averaged', inputs: [p, average!.value], outputs },
      { p: b.tensorOf('float32', [2], [1, 1]), 'average/p': b.tensorOf('float32', [2], [8, 4]) },
    );
    expect([...(found['next']!.data as Float32Array)]).toEqual([0, 3]);
    expect([...(found['mean']!.data as Float32Array)]).toEqual([6, 3.75]);
  });

  test('adam names its state after the parameters', () => {
    expect(listed(b.adam().init([parameter]))).toEqual([
      'adam/step float32[] from 0',
      'adam/m/net/weight float32[4] from 0',
      'adam/v/net/weight float32[4] from 0',
    ]);
  });
});

describe('trainStep', () => {
  const x = b.input('x', 'float32', [2, 3]);
  const build = () =>
    nn.declare('net', 'train', (scope) => {
      const w = scope.parameter('weight', [3], { kind: 'constant', value: 1 });
      scope.buffer('seen', [], { kind: 'constant', value: 0 }, (now) => b.add(now, 1));
      return b.reduceSum(b.mul(x, w));
    });

  test('gives state, metrics and data their ports', () => {
    const { result: loss, parameters } = build();
    const program = b.trainStep({
      name: 'net-train',
      loss,
      parameters,
      optimizer: b.adam(),
      data: [x],
      metrics: { loss },
      options: { learningRate: 1e-3 },
    });
    const names = ['net/weight', 'net/seen', 'adam/step', 'adam/m/net/weight', 'adam/v/net/weight'];
    expect(program.metadata).toMatchObject({
      schema: 1,
      name: 'net-train',
      kind: 'train',
      data: [{ name: 'x', dtype: 'float32', shape: [2, 3] }],
      frozen: [],
      metrics: ['loss'],
      outputs: [],
      options: { learningRate: 1e-3 },
    });
    expect(program.metadata.state.map(({ name }) => name)).toEqual(names);
    expect(program.metadata.state.map(({ output }) => output)).toEqual(names.map((name) => `next/${name}`));
    expect(program.metadata.state.map(({ trainable }) => trainable)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(program.graph.inputs.map(b.inputName)).toEqual(['x', ...names]);
    expect(Object.keys(program.graph.outputs)).toEqual(['loss', ...names.map((name) => `next/${name}`)]);
  });

  test('moves the parameters along the gradient and the buffers as they say', async () => {
    const { result: loss, parameters } = build();
    const { graph } = b.trainStep({
      name: 'net-train',
      loss,
      parameters,
      optimizer: b.sgd({ learningRate: 0.5 }),
      data: [x],
      metrics: { loss },
    });
    const results = await evaluate(graph.outputs, {
      x: b.tensorOf('float32', [2, 3], [1, 2, 3, 4, 5, 6]),
      'net/weight': b.tensorOf('float32', [3], [1, 1, 1]),
      'net/seen': b.tensorOf('float32', [], [7]),
    });
    expect(results).toEqual({
      loss: b.tensorOf('float32', [], [21]),
      'next/net/weight': b.tensorOf('float32', [3], [1 - 2.5, 1 - 3.5, 1 - 4.5]),
      'next/net/seen': b.tensorOf('float32', [], [8]),
    });
  });

  test('refuses a state that would change its type', () => {
    const { result: loss, parameters } = build();
    const broken: b.Optimizer = {
      init: () => [],
      update: () => ({ parameters: [b.scalar(0)], state: [] }),
    };
    const spec = { name: 'net-train', loss, parameters, optimizer: broken, data: [x], metrics: {} };
    expect(() => b.trainStep(spec)).toThrow('trainStep: net/weight is float32[3] and becomes float32[]');
  });
});

test('inference has its weights as frozen inputs', () => {
  const image = b.input('image', 'float32', ['batch', 2, 3, 3]);
  const { result, parameters } = nn.declare('net', 'infer', (scope) => nn.batchNorm(scope, image));
  const { graph, metadata } = b.inference({
    name: 'net',
    data: [image],
    parameters: [parameters],
    outputs: { normal: result },
  });
  const names = ['net/weight', 'net/bias', 'net/running_mean', 'net/running_var'];
  expect(graph.inputs.map(b.inputName)).toEqual(['image', ...names]);
  expect(metadata).toMatchObject({ kind: 'infer', state: [], metrics: [], outputs: ['normal'] });
  expect(metadata.frozen.map(({ name }) => name)).toEqual(names);
});
