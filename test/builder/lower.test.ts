import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { dropExpands } from '../../src/builder/lower/expand.ts';
import { foldTransposes } from '../../src/builder/lower/fold.ts';
import { formOf, type Form } from '../../src/builder/lower/forms.ts';
import { convTransposeByConvs, hasPhases } from '../../src/builder/lower/frozen.ts';
import {
  convByGemm,
  convTransposeByColumns,
  convTransposeByFlip,
  convTransposeByPhases,
  convWeightGradByGemm,
} from '../../src/builder/lower/gemm.ts';
import {
  convByGroups,
  convTransposeByGroups,
  convWeightGradByGroups,
} from '../../src/builder/lower/groups.ts';
import { sinkTransposes } from '../../src/builder/lower/layout.ts';
import {
  convWeightGradByConv,
  maxPoolGradByScatter,
  maxPoolGradByUnpool,
} from '../../src/builder/lower/native.ts';
import { convByPairs, convTransposeByPairs, convWeightGradByPairs } from '../../src/builder/lower/pairs.ts';
import { maxPoolByRows, maxPoolGradByMasks, maxPoolGradByRows } from '../../src/builder/lower/pool.ts';
import { reduceByEdges } from '../../src/builder/lower/reduce.ts';
import { sumsByProduct } from '../../src/builder/lower/sums.ts';
import { share } from '../../src/builder/lower/share.ts';
import { attackerTrain, classifierTrain } from '../../src/models/programs.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import { doubleOf } from '../support/double.ts';
import { randomGraph } from '../support/graphs.ts';
import { drawOffKinks } from '../support/kinks.ts';
import {
  between,
  drawn,
  evaluate,
  evaluateGraph,
  feeder,
  graphOf,
  numbers,
  pick,
  whole,
} from '../support/run.ts';

/** Targets that write operators in forms of their own. */
const targets = ['cpu', 'webgpu', 'software', 'cuda'] as const satisfies readonly b.Target[];

const nodeOf = <K extends b.OpType>(op: K, y: b.Value): b.Node<K> => {
  expect(y.source).toMatchObject({ kind: 'node', op });
  return y.source as b.AnyNode as b.Node<K>;
};

interface Geometry {
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly output_padding: readonly number[];
}

const list = (random: Random, length: number, low: number, high: number): number[] =>
  Array.from({ length }, whole(random, low, high));

/** Sizes, kernels, strides and pads at random: odd and even, other in each direction, other at begin and end. */
function geometry(random: Random, { rank = 2, stride = 3 } = {}): Geometry {
  const kernel = list(random, rank, 1, 5);
  const strides = list(random, rank, 1, stride);
  return {
    size: kernel.map((k) => Math.max(k, whole(random, 2, 7)())),
    kernel,
    strides,
    pads: [...kernel, ...kernel].map((k) => whole(random, 0, k)()),
    output_padding: strides.map((s) => whole(random, 0, s - 1)()),
  };
}

/** Draws until the geometry fits. */
function fitting(random: Random, fits: (g: Geometry) => boolean, options = {}): Geometry {
  for (;;) {
    const g = geometry(random, options);
    if (fits(g)) return g;
  }
}

/** A transposed convolution leaves at least one row and column. */
const leavesSome = ({ size, kernel, strides, pads, output_padding }: Geometry): boolean =>
  size.every((n, i) => {
    const begin = pads[i]!;
    const end = pads[i + size.length]!;
    return strides[i]! * (n - 1) + kernel[i]! + output_padding[i]! - begin - end >= 1;
  });

const covers = ({ kernel, strides }: Geometry): boolean => kernel.every((k, i) => k >= strides[i]!);
const padsInside = ({ kernel, pads }: Geometry): boolean =>
  pads.every((p, i) => p < kernel[i % kernel.length]!);

const convOutput = ({ size, kernel, strides, pads }: Geometry): number[] =>
  size.map((n, i) => Math.floor((n + pads[i]! + pads[i + size.length]! - kernel[i]!) / strides[i]!) + 1);

/** Images and outputs that are pairs of pixels. */
const evenWidths = ({ size, strides }: Geometry, output: readonly number[]): boolean =>
  strides[1] === 1 && size[1]! % 2 === 0 && output[1]! % 2 === 0;

const convTransposeOutput = ({ size, kernel, strides, pads, output_padding }: Geometry): number[] =>
  size.map(
    (n, i) => strides[i]! * (n - 1) + kernel[i]! + output_padding[i]! - pads[i]! - pads[i + size.length]!,
  );

/** Each tap of the kernel lies on the image at some position of the window. */
const everyTapMeets = (
  { kernel, strides, pads }: Geometry,
  pixels: readonly number[],
  positions: readonly number[],
): boolean =>
  kernel.every((k, i) =>
    Array.from({ length: k }, (_, tap) => tap).every((tap) =>
      Array.from({ length: positions[i]! }, (_, o) => o * strides[i]! - pads[i]! + tap).some(
        (pixel) => pixel >= 0 && pixel < pixels[i]!,
      ),
    ),
  );

/** The same value in ONNX's own form and in another one. */
interface Pair {
  readonly native: b.Value;
  readonly form: b.Value;
}

type Draw = (shape: b.Shape) => b.Value;

/** Every form of the table, wherever it is valid. */
const forms: Readonly<Record<string, (random: Random, draw: Draw) => Pair>> = {
  'a convolution as one GEMM': (random, draw) => {
    const { size, kernel, ...rest } = geometry(random);
    const attrs = { strides: rest.strides, pads: rest.pads };
    const [c, m] = list(random, 2, 1, 3) as [number, number];
    const bias = random.below(2) === 0 ? null : draw([m]);
    const native = b.conv(draw(['batch', c, ...size]), draw([m, c, ...kernel]), bias, attrs);
    return { native, form: convByGemm(nodeOf('Conv', native)) };
  },
  'a dilated convolution as one GEMM': (random, draw) => {
    const { kernel, strides, pads } = geometry(random);
    const attrs = { strides, pads, dilations: list(random, 2, 1, 3) };
    const native = b.conv(draw([2, 2, 13, 13]), draw([2, 2, ...kernel]), null, attrs);
    return { native, form: convByGemm(nodeOf('Conv', native)) };
  },
  'a transposed convolution by phases': (random, draw) => {
    const { size, kernel, ...attrs } = fitting(random, (g) => leavesSome(g) && covers(g));
    const [c, m] = list(random, 2, 1, 3) as [number, number];
    const bias = random.below(2) === 0 ? null : draw([m]);
    const native = b.convTranspose(draw(['batch', c, ...size]), draw([c, m, ...kernel]), bias, attrs);
    return { native, form: convTransposeByPhases(nodeOf('ConvTranspose', native)) };
  },
  'a transposed convolution by columns': (random, draw) => {
    const { size, kernel, ...attrs } = fitting(random, leavesSome);
    const [c, m] = list(random, 2, 1, 3) as [number, number];
    const bias = random.below(2) === 0 ? null : draw([m]);
    const native = b.convTranspose(draw(['batch', c, ...size]), draw([c, m, ...kernel]), bias, attrs);
    return { native, form: convTransposeByColumns(nodeOf('ConvTranspose', native)) };
  },
  'a convolution by groups of taps': (random, draw) => {
    const { size, kernel, ...rest } = fitting(random, (g) => everyTapMeets(g, g.size, convOutput(g)));
    const attrs = { strides: rest.strides, pads: rest.pads };
    const [c, m] = list(random, 2, 1, 3) as [number, number];
    const bias = random.below(2) === 0 ? null : draw([m]);
    const native = b.conv(draw(['batch', c, ...size]), draw([m, c, ...kernel]), bias, attrs);
    return { native, form: convByGroups(nodeOf('Conv', native)) };
  },
  'a dilated convolution by groups of taps': (random, draw) => {
    const { kernel, strides, pads } = geometry(random);
    const attrs = { strides, pads, dilations: list(random, 2, 1, 3) };
    const native = b.conv(draw([2, 2, 13, 13]), draw([2, 2, ...kernel]), null, attrs);
    return { native, form: convByGroups(nodeOf('Conv', native)) };
  },
  'a transposed convolution by groups of taps': (random, draw) => {
    const fits = (g: Geometry): boolean => leavesSome(g) && everyTapMeets(g, convTransposeOutput(g), g.size);
    const { size, kernel, ...attrs } = fitting(random, fits);
    const [c, m] = list(random, 2, 1, 3) as [number, number];
    const bias = random.below(2) === 0 ? null : draw([m]);
    const native = b.convTranspose(draw(['batch', c, ...size]), draw([c, m, ...kernel]), bias, attrs);
    return { native, form: convTransposeByGroups(nodeOf('ConvTranspose', native)) };
  },
  'a transposed convolution of stride 1 as a flipped convolution': (random, draw) => {
    const { size, kernel, ...attrs } = fitting(random, (g) => leavesSome(g) && padsInside(g), { stride: 1 });
    const [c, m] = list(random, 2, 1, 3) as [number, number];
    const bias = random.below(2) === 0 ? null : draw([m]);
    const native = b.convTranspose(draw(['batch', c, ...size]), draw([c, m, ...kernel]), bias, attrs);
    return { native, form: convTransposeByFlip(nodeOf('ConvTranspose', native)) };
  },
  'a convolution by pairs of pixels': (random, draw) => {
    const { size, kernel, pads } = fitting(random, (g) => evenWidths(g, convOutput(g)), { stride: 1 });
    const [c, m] = list(random, 2, 1, 3) as [number, number];
    const bias = random.below(2) === 0 ? null : draw([m]);
    const native = b.conv(draw(['batch', c, ...size]), draw([m, c, ...kernel]), bias, { pads });
    return { native, form: convByPairs(nodeOf('Conv', native)) };
  },
  'a transposed convolution by pairs of pixels': (random, draw) => {
    const fits = (g: Geometry): boolean =>
      leavesSome(g) && padsInside(g) && evenWidths(g, convTransposeOutput(g));
    const { size, kernel, ...attrs } = fitting(random, fits, { stride: 1 });
    const [c, m] = list(random, 2, 1, 3) as [number, number];
    const bias = random.below(2) === 0 ? null : draw([m]);
    const native = b.convTranspose(draw(['batch', c, ...size]), draw([c, m, ...kernel]), bias, attrs);
    return { native, form: convTransposeByPairs(nodeOf('ConvTranspose', native)) };
  },
  'a max-pool over images with their channels last': (random, draw) => {
    const kernel = list(random, 2, 1, 3);
    const size = kernel.map((k) => k * whole(random, 1, 4)());
    const { y } = b.maxPool(draw(['batch', 2, ...size]), { kernel_shape: kernel, strides: kernel });
    return { native: y, form: maxPoolByRows(nodeOf('MaxPool', y)) };
  },
  'a transposed convolution as a convolution a phase': (random, draw) => {
    for (;;) {
      const { size, kernel, ...attrs } = fitting(random, leavesSome);
      const dilations = pick(random, [
        [1, 1],
        attrs.strides.map((s) => (s === 1 ? whole(random, 1, 3)() : 1)),
      ]);
      const group = whole(random, 1, 3)();
      const [c, m] = list(random, 2, 1, 2) as [number, number];
      const window = { ...attrs, dilations, group };
      if (!leavesSome({ size, kernel: kernel.map((k, i) => dilations[i]! * (k - 1) + 1), ...attrs }))
        continue;
      const bias = random.below(2) === 0 ? null : b.input('bias', 'float32', [m * group]);
      const probe = b.convTranspose(
        b.input('x', 'float32', ['batch', c * group, ...size]),
        b.input('w', 'float32', [c * group, m, ...kernel]),
        bias,
        window,
      );
      if (!hasPhases(nodeOf('ConvTranspose', probe))) continue;
      const native = b.convTranspose(
        draw(['batch', c * group, ...size]),
        draw([c * group, m, ...kernel]),
        bias && draw([m * group]),
        window,
      );
      return { native, form: convTransposeByConvs(nodeOf('ConvTranspose', native)) };
    }
  },
};

describe('in each form', () => {
  test.for(Object.entries(forms))('%s is exact on whole numbers, in 40 geometries', async ([title, make]) => {
    const random = stream(1, 'lower', title);
    const feed = feeder();
    const draw: Draw = (shape) => feed.input('float32', shape, whole(random, -3, 3));
    const pairs = Array.from({ length: 40 }, () => make(random, draw));
    const outputs = Object.fromEntries(
      pairs.flatMap(({ native, form }, i) => [
        [`native${i}`, native],
        [`form${i}`, form],
      ]),
    );
    expect(pairs.map(({ form }) => b.showType(form))).toEqual(pairs.map(({ native }) => b.showType(native)));
    const results = await evaluateGraph(graphOf(outputs), feed.feeds);
    pairs.forEach((_, i) => expect(results[`form${i}`]).toBeAllClose(results[`native${i}`]!));
  });

  test.for(Object.entries(forms))('%s rounds as a sum of its terms does', async ([title, make]) => {
    const random = stream(2, 'lower', title);
    const feed = feeder();
    const sizesOf: Record<string, b.Tensor> = {};
    const draw: Draw = (shape) => feed.input('float32', shape, between(random, -1, 1));
    const { native, form } = make(random, draw);
    // the same convolution of magnitudes bounds the sum of the magnitudes of the terms
    for (const [name, tensor] of Object.entries(feed.feeds)) {
      sizesOf[name] = { ...tensor, data: (tensor.data as Float32Array).map(Math.abs) };
    }
    const { native: bound } = await evaluate({ native }, sizesOf);
    const results = await evaluate({ native, form }, feed.feeds);
    // a sum of up to 3 * 25 + 1 products is off by as many half units of that, on either side
    expect(results.form).toBeAllClose(results.native, {
      atol: 2 * 76 * 2 ** -24 * Math.max(...numbers(bound)),
    });
  });
});

/** dW of a convolution by its definition: x [N,C,...size], dy [N,M,...]. */
function weightGradient(
  x: b.Tensor,
  dy: b.Tensor,
  kernel: readonly number[],
  strides: readonly number[],
  pads: readonly number[],
): b.Tensor {
  const [batch, inputs, height, width] = x.shape as readonly [number, number, number, number];
  const [, outputs, oh, ow] = dy.shape as readonly [number, number, number, number];
  const [kh, kw] = kernel as readonly [number, number];
  const out: number[] = [];
  for (let m = 0; m < outputs; m++)
    for (let c = 0; c < inputs; c++)
      for (let ki = 0; ki < kh; ki++)
        for (let kj = 0; kj < kw; kj++) {
          let sum = 0;
          for (let n = 0; n < batch; n++)
            for (let i = 0; i < oh; i++)
              for (let j = 0; j < ow; j++) {
                const [r, s] = [i * strides[0]! + ki - pads[0]!, j * strides[1]! + kj - pads[1]!];
                if (r < 0 || s < 0 || r >= height || s >= width) continue;
                const from = ((n * inputs + c) * height + r) * width + s;
                sum += Number(x.data[from]) * Number(dy.data[((n * outputs + m) * oh + i) * ow + j]);
              }
          out.push(sum);
        }
  return b.tensorOf('float32', [outputs, inputs, kh, kw], out);
}

describe.for([
  ['one GEMM', convWeightGradByGemm, () => true],
  [
    'one product over pairs of pixels',
    convWeightGradByPairs,
    (g: Geometry) => g.strides[0] === 1 && evenWidths(g, convOutput(g)),
  ],
  ['a convolution with batch and channels swapped', convWeightGradByConv, () => true],
  [
    'products of groups of taps',
    convWeightGradByGroups,
    (g: Geometry) => everyTapMeets(g, g.size, convOutput(g)),
  ],
] as const)('the weight gradient as %s', ([title, form, fits]) => {
  test('equals its definition in loops, in 40 geometries', async () => {
    const random = stream(1, 'lower', 'weight gradient', title);
    const feed = feeder();
    const draw: Draw = (shape) => feed.input('float32', shape, whole(random, -3, 3));
    const cases = Array.from({ length: 40 }, () => {
      const { size, kernel, strides, pads } = fitting(random, fits);
      const [c, m] = list(random, 2, 1, 3) as [number, number];
      const x = draw(['batch', c, ...size]);
      const like = b.conv(x, b.input('w', 'float32', [m, c, ...kernel]), null, { strides, pads });
      const dy = draw(like.shape);
      const dw = form(
        nodeOf('ConvWeightGrad', b.convWeightGrad(x, dy, { kernel_shape: kernel, strides, pads })),
      );
      const tensorOf = (v: b.Value): b.Tensor => feed.feeds[b.inputName(v)]!;
      return { dw, expected: weightGradient(tensorOf(x), tensorOf(dy), kernel, strides, pads) };
    });
    const results = await evaluateGraph(
      graphOf(Object.fromEntries(cases.map(({ dw }, i) => [`dw${i}`, dw]))),
      feed.feeds,
    );
    cases.forEach(({ expected }, i) => expect(results[`dw${i}`]).toBeAllClose(expected));
  });
});

/** Each window's cotangent goes to its first maximum, by loops over windows. */
function poolGradient(
  x: b.Tensor,
  dy: b.Tensor,
  kernel: readonly number[],
  strides: readonly number[],
  pads: readonly number[],
): b.Tensor {
  const [batch, channels, height, width] = x.shape as readonly [number, number, number, number];
  const [, , oh, ow] = dy.shape as readonly [number, number, number, number];
  const out = new Array<number>(x.data.length).fill(0);
  for (let image = 0; image < batch * channels; image++)
    for (let i = 0; i < oh; i++)
      for (let j = 0; j < ow; j++) {
        let best = -1;
        for (let ki = 0; ki < kernel[0]!; ki++)
          for (let kj = 0; kj < kernel[1]!; kj++) {
            const [r, s] = [i * strides[0]! + ki - pads[0]!, j * strides[1]! + kj - pads[1]!];
            if (r < 0 || s < 0 || r >= height || s >= width) continue;
            const at = (image * height + r) * width + s;
            if (best < 0 || Number(x.data[at]) > Number(x.data[best])) best = at;
          }
        out[best]! += Number(dy.data[(image * oh + i) * ow + j]);
      }
  return b.tensorOf('float32', x.shape, out);
}

describe.for([
  ['additions where the maxima were', maxPoolGradByScatter, false],
  ['masks', maxPoolGradByMasks, true],
  ['masks of images with their channels last', maxPoolGradByRows, true],
  ['MaxUnpool', maxPoolGradByUnpool, true],
] as const)('the gradient of max-pooling by %s', ([title, form, tiling]) => {
  test('gives all to the first maximum, with many ties, in 40 geometries', async () => {
    const random = stream(1, 'lower', 'pool', title);
    const feed = feeder();
    const draw: Draw = (shape) => feed.input('float32', shape, whole(random, -1, 1));
    const cases = Array.from({ length: 40 }, () => {
      const kernel = list(random, 2, 1, 3);
      const strides = tiling ? kernel : list(random, 2, 1, 3);
      const pads = tiling ? [0, 0, 0, 0] : [...kernel, ...kernel].map((k) => whole(random, 0, k - 1)());
      const size = kernel.map((k) => (tiling ? k * whole(random, 1, 4)() : whole(random, k, 7)()));
      const attrs = { kernel_shape: kernel, strides, pads };
      const x = draw(['batch', 2, ...size]);
      const dy = draw(b.maxPool(x, attrs).y.shape);
      const dx = form(nodeOf('MaxPoolGrad', b.maxPoolGrad(x, dy, attrs)));
      const tensorOf = (v: b.Value): b.Tensor => feed.feeds[b.inputName(v)]!;
      return { dx, expected: poolGradient(tensorOf(x), tensorOf(dy), kernel, strides, pads) };
    });
    const results = await evaluateGraph(
      graphOf(Object.fromEntries(cases.map(({ dx }, i) => [`dx${i}`, dx]))),
      feed.feeds,
    );
    cases.forEach(({ expected }, i) => expect(results[`dx${i}`]).toBeAllClose(expected));
  });
});

describe('the table of forms', () => {
  const x = (c: number): b.Value => b.input('x', 'float32', ['batch', c, 14, 14]);
  const w = (...shape: number[]): b.Value => b.input('w', 'float32', shape);
  const conv = (attrs: b.Window = {}): b.Value =>
    b.conv(x(4), w(2, 4 / (attrs.group ?? 1), 5, 5), null, attrs);
  const convTranspose = (c: number, m: number, k: number, attrs: b.Window): b.Value =>
    b.convTranspose(x(c), w(c, m, k, k), null, attrs);
  const weightGrad = (c: number): b.Value => {
    const window = { strides: [1, 1], pads: [2, 2, 2, 2] };
    const dy = b.conv(x(c), w(2, c, 5, 5), null, window);
    return b.convWeightGrad(x(c), dy, { kernel_shape: [5, 5], ...window });
  };
  const poolGrad = (attrs: b.Window): b.Value => b.maxPoolGrad(x(4), b.maxPool(x(4), attrs).y, attrs);
  const stride2 = { strides: [2, 2] };
  const same = { pads: [2, 2, 2, 2] };
  const tile = { kernel_shape: [2, 2], ...stride2 };
  const channelsLast = b.transpose(b.input('x', 'float32', ['batch', 14, 14, 4]), [0, 3, 1, 2]);
  /** A 5x5 convolution of stride 2 and its gradients on images of one size and so many channels. */
  const small = (size: number, c: number): Record<'y' | 'dx' | 'dw', b.Value> => {
    const window = { ...stride2, pads: [2, 2, 2, 2] };
    const pixels = b.input('x', 'float32', ['batch', c, size, size]);
    const y = b.conv(pixels, w(c, c, 5, 5), null, window);
    return {
      y,
      dx: b.convTranspose(y, w(c, c, 5, 5), null, { ...window, output_padding: [1, 1] }),
      dw: b.convWeightGrad(pixels, y, { kernel_shape: [5, 5], ...window }),
    };
  };

  test.for<readonly [what: string, y: b.Value, plain: Form, cpu: Form, webgpu: Form, cuda: Form]>([
    ['Conv of stride 1', conv(), 'as it is', 'as it is', 'as it is', 'gemm'],
    ['Conv of stride 2', conv(stride2), 'as it is', 'gemm', 'gemm', 'gemm'],
    ['Conv with groups', conv({ ...stride2, group: 2 }), 'as it is', 'as it is', 'as it is', 'as it is'],
    [
      'Conv with dilations',
      conv({ ...stride2, dilations: [2, 2] }),
      'as it is',
      'as it is',
      'as it is',
      'as it is',
    ],
    ['ConvTranspose of stride 1', convTranspose(4, 8, 5, same), 'as it is', 'flip', 'flip', 'phases'],
    [
      'ConvTranspose of stride 1 from 64 channels',
      convTranspose(64, 16, 5, same),
      'as it is',
      'flip',
      'flip',
      'phases',
    ],
    [
      'ConvTranspose of stride 1 in pairs',
      convTranspose(32, 16, 5, same),
      'as it is',
      'pairs',
      'flip',
      'phases',
    ],
    [
      'Conv of stride 1 in pairs',
      b.conv(x(16), w(32, 16, 5, 5), null, same),
      'as it is',
      'pairs',
      'as it is',
      'gemm',
    ],
    [
      'Conv of stride 1 with a small kernel',
      b.conv(x(16), w(32, 16, 3, 3), null, {}),
      'as it is',
      'as it is',
      'as it is',
      'gemm',
    ],
    [
      'Conv of stride 1 with a constant kernel',
      b.conv(
        x(16),
        b.constant(b.tensorOf('float32', [16, 16, 5, 5], new Array<number>(6400).fill(1))),
        null,
        same,
      ),
      'as it is',
      'as it is',
      'as it is',
      'gemm',
    ],
    [
      'Conv of stride 1 of one channel',
      b.conv(x(1), w(32, 1, 5, 5), null, same),
      'as it is',
      'as it is',
      'as it is',
      'gemm',
    ],
    [
      'ConvTranspose of stride 1 to one channel',
      convTranspose(32, 1, 5, same),
      'as it is',
      'as it is',
      'flip',
      'phases',
    ],
    ['MaxPool', b.maxPool(x(4), tile).y, 'as it is', 'as it is', 'as it is', 'taps'],
    ['MaxPool of channels last', b.maxPool(channelsLast, tile).y, 'as it is', 'rows', 'as it is', 'taps'],
    [
      'MaxPoolGrad of channels last',
      b.maxPoolGrad(channelsLast, b.maxPool(channelsLast, tile).y, tile),
      'scatter',
      'rows',
      'masks',
      'masks',
    ],
    [
      'ConvTranspose of stride 1 with pads as large as the kernel',
      convTranspose(4, 8, 1, { pads: [1, 1, 1, 1] }),
      'as it is',
      'phases',
      'phases',
      'phases',
    ],
    [
      'ConvTranspose to fewer channels',
      convTranspose(8, 4, 5, stride2),
      'as it is',
      'columns',
      'columns',
      'phases',
    ],
    [
      'ConvTranspose to more channels',
      convTranspose(4, 8, 5, stride2),
      'as it is',
      'phases',
      'phases',
      'phases',
    ],
    [
      'ConvTranspose to more channels with a kernel below its stride',
      convTranspose(4, 8, 1, stride2),
      'as it is',
      'columns',
      'columns',
      'columns',
    ],
    ['ConvWeightGrad', weightGrad(4), 'swapped convolution', 'gemm', 'gemm', 'gemm'],
    ['Conv of stride 2 at 4x4', small(4, 64).y, 'as it is', 'groups', 'gemm', 'gemm'],
    ['ConvTranspose to 4x4', small(4, 64).dx, 'as it is', 'groups', 'columns', 'phases'],
    ['ConvWeightGrad at 4x4', small(4, 64).dw, 'swapped convolution', 'groups', 'gemm', 'gemm'],
    ['Conv of stride 2 at 4x4, few channels', small(4, 63).y, 'as it is', 'gemm', 'gemm', 'gemm'],
    ['Conv of stride 2 at 14x14, many channels', small(14, 64).y, 'as it is', 'gemm', 'gemm', 'gemm'],
    [
      'Conv with a kernel of many bands',
      b.conv(b.input('x', 'float32', [2, 64, 8, 8]), w(64, 64, 9, 9), null, {
        ...stride2,
        pads: [4, 4, 4, 4],
      }),
      'as it is',
      'gemm',
      'gemm',
      'gemm',
    ],
    [
      'Conv with a tap that never meets the image',
      b.conv(b.input('x', 'float32', [2, 64, 2, 2]), w(64, 64, 5, 5), null, {
        strides: [2, 2],
        pads: [1, 1, 2, 2],
      }),
      'as it is',
      'gemm',
      'gemm',
      'gemm',
    ],
    [
      'MaxPoolGrad of tiles',
      poolGrad({ kernel_shape: [2, 2], ...stride2 }),
      'scatter',
      'unpool',
      'masks',
      'masks',
    ],
    [
      'MaxPoolGrad of windows that overlap',
      poolGrad({ kernel_shape: [3, 3], ...stride2 }),
      'scatter',
      'scatter',
      'scatter',
      'scatter',
    ],
    ['StopGradient', b.stopGradient(x(4)), 'input', 'input', 'input', 'input'],
  ])('has a form of %s that is valid', ([, y, ...expected]) => {
    const node = y.source as b.AnyNode;
    expect((['plain', 'cpu', 'webgpu', 'cuda'] as const).map((target) => formOf(node, target))).toEqual(
      expected,
    );
  });
});

describe.for(targets)('lowered for %s', (target) => {
  /** Convolutions of every rank, group and dilation, and pools, with all of their gradients. */
  function everything(random: Random, draw: Draw): b.Value[] {
    const rank = pick(random, [1, 2, 2, 2, 2, 3]);
    const { size, kernel, strides, pads, output_padding } = fitting(random, leavesSome, { rank });
    const [c, m] = list(random, 2, 1, 3) as [number, number];
    const batch = pick<b.Dim>(random, ['batch', 2]);
    const x = draw([batch, c, ...size]);
    const forward =
      random.below(2) === 0
        ? b.conv(x, draw([m, c, ...kernel]), draw([m]), { strides, pads })
        : b.convTranspose(x, draw([c, m, ...kernel]), draw([m]), { strides, pads, output_padding });
    const pool = { kernel_shape: kernel.map(() => 1), strides: strides.map(() => 1) };
    const y = b.maxPool(forward, pool).y;
    const loss = b.reduceSum(b.mul(y, draw(y.shape)));
    return [y, ...b.grad(loss, b.freeInputs([forward]))];
  }

  test('convolutions and their gradients are exact on whole numbers, in 60 geometries', async () => {
    const random = stream(1, 'lower', 'targets');
    const feed = feeder();
    const draw: Draw = (shape) => feed.input('float32', shape, whole(random, -3, 3));
    const values = Array.from({ length: 60 }, () => everything(random, draw)).flat();
    const outputs = Object.fromEntries(values.map((y, i) => [`y${i}`, y]));
    const [expected, actual] = [
      await evaluate(outputs, feed.feeds),
      await evaluate(outputs, feed.feeds, target),
    ];
    for (const name of Object.keys(outputs)) expect(actual[name]).toBeAllClose(expected[name]!);
  });

  test('convolutions with groups and dilations, and their gradients, stay as they are', async () => {
    const random = stream(1, 'lower', 'groups');
    const feed = feeder();
    const draw: Draw = (shape) => feed.input('float32', shape, whole(random, -3, 3));
    const outputs = {
      grouped: b.conv(draw([2, 4, 6, 6]), draw([6, 2, 3, 3]), null, { group: 2, strides: [2, 2] }),
      depthwise: b.conv(draw([2, 8, 4, 4]), draw([8, 1, 3, 3]), null, { group: 8, pads: [1, 1, 1, 1] }),
      dilated: b.conv(draw([2, 4, 8, 8]), draw([2, 4, 3, 3]), null, { dilations: [2, 3], strides: [2, 1] }),
      spread: b.convTranspose(draw([2, 4, 4, 4]), draw([4, 2, 3, 3]), null, {
        dilations: [2, 1],
        strides: [2, 2],
      }),
    };
    const gradients = Object.entries(outputs).flatMap(([name, y]) =>
      b
        .grad(b.reduceSum(b.mul(y, draw(y.shape))), b.freeInputs([y]))
        .map((dx, k) => [`${name}/${k}`, dx] as const),
    );
    Object.assign(outputs, Object.fromEntries(gradients));
    const [expected, actual] = [
      await evaluate(outputs, feed.feeds),
      await evaluate(outputs, feed.feeds, target),
    ];
    for (const [name, value] of Object.entries(expected))
      expect(actual[name as 'grouped']).toBeAllClose(value);
  });

  test('the second derivative of a convolution and a pool is exact on whole numbers', async () => {
    const random = stream(1, 'lower', 'second');
    const feed = feeder();
    const draw: Draw = (shape) => feed.input('float32', shape, whole(random, -2, 2));
    const [x, w] = [draw(['batch', 2, 6, 6]), draw([2, 2, 3, 3])];
    const { y } = b.maxPool(b.conv(x, w, null, { pads: [1, 1, 1, 1] }), {
      kernel_shape: [2, 2],
      strides: [2, 2],
    });
    const first = b.grad(b.reduceSum(b.mul(y, y)), [x, w]);
    const second = b.grad(b.reduceSum(b.mul(first[0]!, draw(['batch', 2, 6, 6]))), [x, w]);
    const outputs = Object.fromEntries([...first, ...second].map((g, i) => [`g${i}`, g]));
    const [expected, actual] = [
      await evaluate(outputs, feed.feeds),
      await evaluate(outputs, feed.feeds, target),
    ];
    for (const name of Object.keys(outputs)) expect(actual[name]).toBeAllClose(expected[name]!);
  });
});

const passes: Readonly<Record<string, (graph: b.Graph) => b.Graph>> = {
  share,
  dropExpands,
  foldTransposes,
  sinkTransposes,
  reduceByEdges,
  sumsByProduct,
  'all of them': (graph) => b.lower(graph, 'cpu'),
  'all of them and those of CUDA': (graph) => b.lower(graph, 'cuda'),
};

describe.for(Object.entries(passes))('the pass %s', ([, pass]) => {
  const seeds = Array.from({ length: 25 }, (_, i) => i + 1);
  test.for(seeds)('changes no bit of random graph %i', async (seed) => {
    const { graph, feeds } = randomGraph(stream(seed, 'lower', 'passes'));
    const changed = pass(graph);
    const types = ({ outputs }: b.Graph): string[] => Object.values(outputs).map(b.showType);
    expect(types(changed)).toEqual(types(graph));
    const [expected, actual] = [await evaluateGraph(graph, feeds), await evaluateGraph(changed, feeds)];
    for (const name of Object.keys(graph.outputs)) expect(actual[name]).toBeAllClose(expected[name]!);
  });
});

test.for([
  ['share', share],
  ['dropExpands', dropExpands],
  ['foldTransposes', foldTransposes],
] as const)('%s has nothing left to do in a graph that it has been through', ([, pass]) => {
  const once = pass(randomGraph(stream(99, 'lower', 'passes')).graph);
  expect(b.print(pass(once))).toBe(b.print(once));
});

const count = (graph: b.Graph, op: b.OpType): number =>
  b.topologicalOrder(Object.values(graph.outputs)).filter((node) => node.op === op).length;

describe('sinkTransposes', () => {
  const x = b.input('x', 'float32', ['batch', 3, 4, 5]);
  const last = (y: b.Value): b.Value => b.transpose(y, [0, 2, 3, 1]);
  const first = (y: b.Value): b.Value => b.transpose(y, [0, 3, 1, 2]);
  const remaining = (y: b.Value): number => count(sinkTransposes(graphOf({ y })), 'Transpose');

  test.for<readonly [what: string, y: b.Value, transposes: number]>([
    ['its inverse', first(last(x)), 0],
    ['its inverse behind an activation', last(b.relu(first(last(x)))), 1],
    [
      'its inverse behind a value a channel',
      last(b.mul(first(x), b.input('scale', 'float32', [5, 1, 1]))),
      0,
    ],
    ['its inverse behind a sum of two', last(b.add(first(x), first(b.tanh(x)))), 0],
    [
      'its inverse behind a sum of two that were transposed in different ways',
      last(b.add(first(x), b.transpose(b.input('y', 'float32', [5, 3, 4, 'batch']), [3, 0, 1, 2]))),
      1,
    ],
    ['a reduction to channels', b.reduceMean(last(x), { axes: [0, 1, 2] }), 0],
    ['a reduction of everything', b.reduceSum(last(x)), 0],
    ['an axis of length 1', b.transpose(b.input('y', 'float32', ['batch', 1, 4, 5]), [0, 2, 3, 1]), 0],
    ['a value that is not transposed', b.add(first(x), b.input('y', 'float32', ['batch', 5, 3, 4])), 1],
  ])('meets %s', ([, y, transposes]) => {
    expect(remaining(y)).toBe(transposes);
  });
});

describe('dropExpands', () => {
  const x = b.input('x', 'float32', [2, 3]);
  const row = b.input('row', 'float32', [3]);
  const to = (y: b.Value, ...shape: number[]): b.Value => b.expand(y, b.ints(shape));
  const remaining = (y: b.Value): number => count(dropExpands(graphOf({ y })), 'Expand');

  test.for<readonly [what: string, y: b.Value, expands: number]>([
    ['a product that broadcasts by itself', b.mul(to(row, 2, 3), x), 0],
    [
      'both branches of Where, whose condition has the shape',
      b.where(b.greater(x, 0), to(row, 2, 3), to(row, 2, 3)),
      0,
    ],
    [
      'a product of two, one of which gives the shape',
      b.mul(to(row, 2, 3), to(b.unsqueeze(row, [0]), 2, 3)),
      1,
    ],
    ['a product that would be smaller', b.mul(to(row, 2, 3), 2), 1],
    ['an operator that does not broadcast', b.softmax(to(row, 2, 3)), 1],
  ])('in front of %s', ([, y, expands]) => {
    expect(remaining(y)).toBe(expands);
  });
});

describe('foldTransposes', () => {
  const x = b.input('x', 'float32', [2, 3]);
  const feeds = { x: b.tensorOf('float32', [2, 3], [1, 2, 3, 4, 5, 6]) };
  const weight = b.constant(b.tensorOf('float32', [2, 3], [1, 2, 3, 4, 5, 6]), 'weight');

  test('turns a weight round and keeps its name', async () => {
    const graph = foldTransposes(graphOf({ y: b.matmul(x, b.transpose(weight)) }));
    expect(count(graph, 'Transpose')).toBe(0);
    expect(b.print(graph)).toContain('MatMul(x, weight)');
    expect((await evaluateGraph(graph, feeds)).y).toEqual(b.tensorOf('float32', [2, 2], [14, 32, 32, 77]));
  });

  test('turns a weight that is read twice round once', async () => {
    const y = b.add(b.matmul(x, b.transpose(weight)), b.matmul(b.neg(x), b.transpose(weight)));
    const graph = foldTransposes(graphOf({ y }));
    expect(count(graph, 'Transpose')).toBe(0);
    expect((await evaluateGraph(graph, feeds)).y).toEqual(b.tensorOf('float32', [2, 2], [0, 0, 0, 0]));
  });

  test('leaves tied weights as they are', async () => {
    const y = b.matmul(b.matmul(x, b.transpose(weight)), weight);
    const graph = foldTransposes(graphOf({ y }));
    expect(count(graph, 'Transpose')).toBe(1);
    expect(numbers((await evaluateGraph(graph, feeds)).y!)).toEqual([142, 188, 234, 340, 449, 558]);
  });

  test.for([[[0, 2, 1]], [[1, 0, 2]], [[1, 2, 0]], [[2, 0, 1]], [[2, 1, 0]]])(
    'permutes as ONNX Runtime does: %j',
    async ([perm]) => {
      const value = b.constant(drawn('int64', [2, 3, 4], whole(stream(1, 'lower', 'fold'), -100, 100)));
      const graph = graphOf({ y: b.identity(b.transpose(value, perm!)) });
      expect(count(foldTransposes(graph), 'Transpose')).toBe(0);
      expect(await evaluateGraph(foldTransposes(graph))).toEqual(await evaluateGraph(graph));
    },
  );
});

describe('share', () => {
  const x = b.input('x', 'float32', [2, 3]);
  const size = (y: b.Value): number =>
    b.topologicalOrder(Object.values(share(graphOf({ y })).outputs)).length;

  test.for<readonly [what: string, y: b.Value, nodes: number]>([
    ['joins one computation written twice', b.add(b.exp(x), b.exp(x)), 2],
    ['joins whole chains and their constants', b.add(b.tanh(b.mul(x, 2)), b.tanh(b.mul(x, 2))), 3],
    ['keeps other attributes apart', b.add(b.softmax(x, 0), b.softmax(x, 1)), 3],
    ['keeps other constants apart', b.add(b.mul(x, 2), b.mul(x, 3)), 3],
    ['keeps 0 and -0 apart', b.add(b.div(x, 0), b.div(x, -0)), 3],
    ['keeps the order of operands', b.add(b.sub(x, b.exp(x)), b.sub(b.exp(x), x)), 4],
    [
      'keeps constants of another dtype apart',
      b.add(
        b.cast(b.add(b.scalar(2, 'int64'), b.scalar(2, 'int64')), 'float32'),
        b.add(b.scalar(2), b.scalar(2)),
      ),
      4,
    ],
    [
      'keeps constants of another shape apart',
      b.add(b.mul(x, 2), b.mul(x, b.constant(b.tensorOf('float32', [1, 1], [2])))),
      3,
    ],
  ])('%s', ([, y, nodes]) => {
    expect(size(y)).toBe(nodes);
  });

  test('leaves weights apart that have equal values and other names', () => {
    const weight = (name: string): b.Value => b.constant(b.tensorOf('float32', [1], [1]), name);
    const graph = share(graphOf({ y: b.add(b.mul(x, weight('first')), b.mul(x, weight('second'))) }));
    expect(b.print(graph)).toContain('Mul(x, first)');
    expect(b.print(graph)).toContain('Mul(x, second)');
  });
});

const batch = 4;
const programs = {
  'classifier-train': classifierTrain({ batchSize: batch, learningRate: 1e-3 }),
  'attacker-train': attackerTrain({
    batchSize: batch,
    learningRate: 1e-3,
    eps: 0.2,
    bound: 'tanh',
    clip: true,
  }),
};

const nodesOf = ({ graph }: b.Program, target: b.Target): readonly b.AnyNode[] =>
  b.topologicalOrder(Object.values(b.lower(graph, target).outputs));

describe.for(Object.entries(programs))('%s', ([, program]) => {
  test.for(targets)('on %s has no two equal nodes', (target) => {
    const ids = new Map<object, number>();
    const idOf = (x: b.Value | null | undefined): number => {
      const key = x ? (x.source.kind === 'node' ? x : x.source) : ids;
      if (!ids.has(key)) ids.set(key, ids.size);
      return ids.get(key)!;
    };
    const texts = nodesOf(program, target).map(
      (node) => `${node.op} ${node.inputs.map(idOf).join()} ${JSON.stringify(node.attrs)}`,
    );
    expect(texts.length).toBe(new Set(texts).size);
  });

  test.for(targets)('on %s has no Expand in front of an operator that broadcasts', (target) => {
    const isExpand = (x: b.Value | null | undefined): boolean =>
      x?.source.kind === 'node' && x.source.op === 'Expand';
    const broadcasting = nodesOf(program, target).filter(({ op }) =>
      ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Equal', 'Greater', 'Less', 'And', 'Where'].includes(
        op,
      ),
    );
    expect(broadcasting.filter(({ inputs }) => inputs.some(isExpand))).toEqual([]);
  });

  test('on software has no convolution of one group, and no products in the place of convolutions', () => {
    const nodes = nodesOf(program, 'software');
    const groups = nodes.flatMap(({ op, attrs }) => (op === 'Conv' ? [(attrs as b.Window).group ?? 1] : []));
    expect(groups).not.toContain(1);
    const products = (own: readonly b.AnyNode[]): number =>
      own.filter(({ op }) => op === 'MatMul' || op === 'Gemm').length;
    expect(products(nodes)).toBe(products(nodesOf(program, 'plain')));
  });

  test.for(['plain', ...targets] as const)('on %s has operators of ONNX alone', (target) => {
    const ops = new Set<string>(nodesOf(program, target).map((node) => node.op));
    for (const op of ['ConvWeightGrad', 'MaxPoolGrad', 'StopGradient']) expect(ops).not.toContain(op);
  });
});

test('between the convolutions of the attacker no image is transposed', () => {
  const nodes = nodesOf(programs['attacker-train'], 'cpu');
  const users = (node: b.AnyNode): string[] =>
    nodes.filter((other) => other.inputs.some((x) => x && node.outputs.includes(x))).map(({ op }) => op);
  // only those of the classifier have 16 or 32 channels, and its second convolution takes them with channels last
  const isOfClassifier = (x: b.Value): boolean => x.shape.includes(16) || x.shape.includes(32);
  const images = nodes.filter(
    ({ op, inputs: [x] }) =>
      op === 'Transpose' && x!.shape.length === 4 && x!.shape[0] === batch && !isOfClassifier(x!),
  );
  // the first convolution and the last transposed one have one channel and native weight gradients
  expect(images.map(users)).toEqual([['Conv'], ['Conv']]);
});

/** Inputs of a step in the middle of training: Adam's second moments are not zero, so its steps are smooth. */
async function stepFeeds({ metadata, graph }: b.Program, random: Random): Promise<Record<string, b.Tensor>> {
  const feeds: Record<string, b.Tensor> = { label: drawn('int32', [batch], whole(random, 0, 9)) };
  for (const { name, shape, init } of metadata.state) {
    const next =
      init.kind === 'uniform'
        ? between(random, init.low, init.high)
        : between(random, init.value, init.value);
    feeds[name] = drawn('float32', shape.map(Number), name.startsWith('adam/v/') ? () => 1e-4 : next);
    if (name.startsWith('adam/step/')) feeds[name] = b.tensorOf('float32', [], [10]);
  }
  for (const { name, shape } of metadata.frozen) {
    const next = /(running_var|norm\d\/weight)$/.test(name)
      ? between(random, 0.5, 1.5)
      : between(random, -0.2, 0.2);
    feeds[name] = drawn('float32', shape.map(Number), next);
  }
  const wide = Object.fromEntries(
    b
      .freeInputs([graph.outputs.loss!])
      .map(b.inputName)
      .filter((name) => feeds[name]?.dtype === 'float32')
      .map((name) => [name, doubleOf(feeds[name]!)]),
  );
  feeds.image = await drawOffKinks(
    graph.outputs.loss!,
    () => drawn('float32', [batch, 1, 28, 28], between(random, 0, 1)),
    (image) => ({ ...wide, image: doubleOf(image) }),
  );
  return feeds;
}

const largest = (values: Iterable<number>): number => {
  let size = 0;
  for (const value of values) size = Math.max(size, Math.abs(value));
  return size;
};

describe.for(Object.entries(programs))('one step of %s', ([title, program]) => {
  test('is the same on every target', async () => {
    const feeds = await stepFeeds(program, stream(2, 'lower', 'step', title));
    const expected = await evaluate(program.graph.outputs, feeds);
    /** The size of what a layer's tensors hold: a bias in front of batch norm has a gradient of rounding errors only. */
    const layerSize = (prefix: string, name: string): number => {
      const layer = name.slice(0, name.lastIndexOf('/') + 1);
      const names = Object.keys(expected).filter((other) => other.startsWith(`next/${prefix}${layer}`));
      return Math.max(...names.map((other) => largest(expected[other]!.data as Float32Array)));
    };
    for (const target of targets) {
      const actual = await evaluate(program.graph.outputs, feeds, target);
      expect(actual.loss).toBeAllClose(expected.loss!, { rtol: 1e-6 });
      expect(actual.accuracy).toBeAllClose(expected.accuracy!);
      for (const { name, output, trainable } of program.metadata.state) {
        const [, moment = '', own = name] = /^(adam\/[mv]\/)(.*)$/.exec(name) ?? [];
        const before = feeds[name]!.data as Float32Array;
        const after = expected[output]!.data as Float32Array;
        // A gradient comes from some twenty sums after one another, each off by 1e-7 of its terms' size: a few 1e-6 of a
        // layer's largest is what is seen. A parameter moves in proportion, and rounds.
        const atol = trainable
          ? 5e-5 * largest(after.map((value, i) => value - before[i]!)) + 2 ** -23 * largest(before)
          : 5e-5 * layerSize(moment, own);
        expect(actual[output]).toBeAllClose(expected[output]!, { atol });
      }
    }
  });
});
