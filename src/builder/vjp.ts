import type { Node, Ops, OpType, Value, Window } from './ir.ts';
import { constant, constantNumbers, ints, isFloat, scalar, tensorOf } from './ir.ts';
import {
  add,
  and,
  cast,
  conv,
  convTranspose,
  convWeightGrad,
  cos,
  div,
  elementCount,
  equal,
  exp,
  expand,
  gather,
  gatherElements,
  greater,
  less,
  log,
  matmul,
  max,
  maxPool,
  maxPoolGrad,
  mul,
  neg,
  pad,
  pow,
  reduceSum,
  reshape,
  reshapeTo,
  scatterAdd,
  shapeOf,
  sign,
  sin,
  slice,
  squeeze,
  sub,
  transpose,
  unsqueeze,
  where,
  zerosLike,
} from './ops.ts';
import { normalizeAxes, normalizeAxis, reshapeTarget, showShape, type Shape } from './shape.ts';
import { geometry, spatial } from './window.ts';

/**
 * Pulls the cotangent of a node's first output back to its inputs. A cotangent may have the broadcast shape of the
 * output: `grad` sums it to the input's shape. Null for an input that has no gradient.
 */
type Vjp<K extends OpType> = (dy: Value, node: Node<K>, y: Value) => readonly (Value | null)[];

/** The gradient rule of every operator; `null` says that its derivative is zero wherever it exists. */
export const vjp: { readonly [K in OpType]: Vjp<K> | null } = {
  Neg: (dy) => [neg(dy)],
  Abs: (dy, { inputs: [x] }) => [mul(dy, sign(x))],
  Sqrt: (dy, _, y) => [div(mul(dy, 0.5), y)],
  Exp: (dy, _, y) => [mul(dy, y)],
  Log: (dy, { inputs: [x] }) => [div(dy, x)],
  Tanh: (dy, _, y) => [mul(dy, sub(1, mul(y, y)))],
  Sigmoid: (dy, _, y) => [mul(dy, mul(y, sub(1, y)))],
  Relu: (dy, _, y) => [mul(dy, cast(greater(y, 0), dy.dtype))],
  Sign: null,
  // 2 / sqrt(pi) * exp(-x^2)
  Erf: (dy, { inputs: [x] }) => [mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))],
  Sin: (dy, { inputs: [x] }) => [mul(dy, cos(x))],
  Cos: (dy, { inputs: [x] }) => [neg(mul(dy, sin(x)))],
  Floor: null,
  Ceil: null,
  Round: null,
  Identity: (dy) => [dy],
  Not: null,
  LeakyRelu: (dy, { inputs: [x], attrs: { alpha = 0.01 } }) => [mul(dy, slopes(x, alpha))],
  // alpha where the line is not cut off
  HardSigmoid: (dy, { attrs: { alpha = 0.2 } }, y) => [
    mul(dy, mul(cast(and(greater(y, 0), less(y, 1)), y.dtype), alpha)),
  ],
  // y * (dy - sum(dy * y))
  Softmax: (dy, { attrs: { axis = -1 } }, y) => [
    mul(y, sub(dy, reduceSum(mul(dy, y), { axes: [axis], keepdims: true }))),
  ],
  // dy - softmax(x) * sum(dy)
  LogSoftmax: (dy, { attrs: { axis = -1 } }, y) => [
    sub(dy, mul(exp(y), reduceSum(dy, { axes: [axis], keepdims: true }))),
  ],
  Cast: (dy, { inputs: [x] }) => [isFloat(x) && isFloat(dy) ? cast(dy, x.dtype) : null],
  Add: (dy) => [dy, dy],
  Sub: (dy) => [dy, neg(dy)],
  Mul: (dy, { inputs: [a, b] }) => [mul(dy, b), mul(dy, a)],
  Div: (dy, { inputs: [, b] }, y) => [div(dy, b), neg(div(mul(dy, y), b))],
  // d(a^b) = b a^(b-1) da + a^b log(a) db; log a counts as 0 at a = 0, a^(b-1) as 1 at b = 0
  Pow: (dy, { inputs: [a, b] }, y) => [
    mul(dy, mul(b, pow(a, sub(where(equal(b, 0), 1, b), 1)))),
    mul(dy, where(equal(a, 0), 0, mul(y, log(where(equal(a, 0), 1, a))))),
  ],
  // the cotangent goes to the larger, half to each on a tie
  Max: (dy, { inputs: [a, b] }) => shared(dy, greater(a, b), less(a, b)),
  Min: (dy, { inputs: [a, b] }) => shared(dy, less(a, b), greater(a, b)),
  Equal: null,
  Greater: null,
  Less: null,
  And: null,
  Where: (dy, { inputs: [condition] }) => [null, where(condition, dy, 0), where(condition, 0, dy)],
  // 1 where the value was left as it is, the bounds included; a product, because WebGPU cannot turn a bool mask round
  Clip: (dy, { inputs: [x, ...bounds] }, y) => {
    if (bounds.some((bound) => bound && constantNumbers(bound) === null)) {
      throw new Error('grad: Clip with computed bounds has no rule');
    }
    return [mul(dy, cast(equal(x, y), x.dtype)), null, null];
  },
  ReduceSum: (dy, { inputs: [x, axes], attrs: { keepdims = 1, noop_with_empty_axes = 0 } }) => {
    const list = axes ? constantNumbers(axes)! : [];
    if (list.length === 0 && noop_with_empty_axes) return [dy, null];
    return [spread(dy, x, list, keepdims), null];
  },
  ReduceMean: (dy, { inputs: [x], attrs: { axes, keepdims = 1 } }, y) => {
    const count = div(elementCount(x, x.dtype), elementCount(y, x.dtype));
    return [spread(div(dy, count), x, axes, keepdims)];
  },
  // in equal parts to all maxima of a reduction
  ReduceMax: (dy, { inputs: [x], attrs: { axes, keepdims = 1 } }, y) => {
    const hits = cast(equal(x, spread(y, x, axes, keepdims)), x.dtype);
    const count = reduceSum(hits, { ...(axes && { axes }), keepdims: true });
    return [mul(div(hits, count), spread(dy, x, axes, keepdims))];
  },
  ReduceSumSquare: (dy, { inputs: [x], attrs: { axes, keepdims = 1 } }) => [
    mul(x, keptDims(mul(dy, 2), x.shape, axes, keepdims)),
  ],
  ArgMax: null,
  MatMul: (dy, { inputs: [a, b] }) => {
    const rows = a.shape.length === 1;
    const columns = b.shape.length === 1;
    const a2 = rows ? unsqueeze(a, [0]) : a;
    const b2 = columns ? unsqueeze(b, [1]) : b;
    const withRows = rows ? unsqueeze(dy, [columns ? dy.shape.length : dy.shape.length - 1]) : dy;
    const dy2 = columns ? unsqueeze(withRows, [withRows.shape.length]) : withRows;
    const da = matmul(dy2, swapLast(b2));
    const db = matmul(swapLast(a2), dy2);
    return [rows ? squeeze(sumLeading(da, 2), [0]) : da, columns ? squeeze(sumLeading(db, 2), [1]) : db];
  },
  // y = alpha op(A) op(B) + beta C
  Gemm: (dy, { inputs: [a, b], attrs: { alpha = 1, beta = 1, transA = 0, transB = 0 } }) => {
    const left = transA ? transpose(a) : a;
    const right = transB ? transpose(b) : b;
    const scaled = times(dy, alpha);
    const da = matmul(scaled, transpose(right));
    const db = matmul(transpose(left), scaled);
    return [transA ? transpose(da) : da, transB ? transpose(db) : db, times(dy, beta)];
  },
  Conv: (dy, { inputs: [x, w], attrs }) => {
    const window = fullWindow('Conv', w, attrs);
    return [
      convInputGrad(x, w, dy, window),
      convWeightGrad(x, dy, { ...window, kernel_shape: spatial('Conv', w) }),
      perChannel(dy),
    ];
  },
  ConvTranspose: (dy, { inputs: [x, w], attrs }) => {
    const window = fullWindow('ConvTranspose', w, attrs);
    return [
      conv(dy, w, null, window),
      convWeightGrad(dy, x, { ...window, kernel_shape: spatial('ConvTranspose', w) }),
      perChannel(dy),
    ];
  },
  MaxPool: (dy, { inputs: [x], attrs }) => [maxPoolGrad(x, dy, attrs)],
  // the cotangent where each value went
  MaxUnpool: (dy, { inputs: [x, indices] }) => [
    reshapeTo(gather(reshape(dy, [-1]), reshape(indices, [-1]), 0), shapeOf(x)),
    null,
  ],
  // each window's cotangent, over the elements it counts, in equal parts to all of them: every image by itself through a
  // transposed convolution with ones
  AveragePool: (dy, { inputs: [x], attrs }) => {
    const { kernel, strides, begins, ends } = geometry('AveragePool', attrs.kernel_shape ?? [], attrs);
    const ones = constant(tensorOf(x.dtype, [1, 1, ...kernel], new Array<number>(product(kernel)).fill(1)));
    const share = reshape(div(dy, windowCounts(x, dy, attrs)), [-1, 1, ...spatial('AveragePool', dy)]);
    return [reshapeLike(convInputGrad(x, ones, share, { strides, pads: [...begins, ...ends] }), x)];
  },
  GlobalAveragePool: (dy, { inputs: [x] }) => {
    const sizes = spatial('GlobalAveragePool', x);
    return [div(expand(dy, ints([1, 1, ...sizes])), product(sizes))];
  },
  // y = (x - mean) * k + bias, k = scale / sqrt(variance + epsilon)
  BatchNormalization: (dy, { inputs: [x, scale, , mean, variance], attrs: { epsilon = 1e-5 } }) => {
    const wide = (p: Value): Value =>
      unsqueeze(
        p,
        x.shape.slice(2).map((_, i) => i + 1),
      );
    const inverse = pow(add(variance, epsilon), -0.5);
    const k = mul(scale, inverse);
    const dBias = perChannel(dy);
    const dK = perChannel(mul(dy, sub(x, wide(mean))));
    const dVariance = mul(mul(dK, mul(scale, -0.5)), pow(inverse, 3));
    return [mul(dy, wide(k)), mul(dK, inverse), dBias, neg(mul(dBias, k)), dVariance];
  },
  Reshape: (dy, { inputs: [x] }) => [reshapeLike(dy, x), null],
  Transpose: (dy, { inputs: [x], attrs: { perm } }) => [
    perm
      ? transpose(
          dy,
          x.shape.map((_, axis) => perm.indexOf(axis)),
        )
      : transpose(dy),
  ],
  Expand: (dy) => [dy, null],
  Squeeze: (dy, { inputs: [x] }) => [reshapeLike(dy, x), null],
  Unsqueeze: (dy, { inputs: [x] }) => [reshapeLike(dy, x), null],
  Flatten: (dy, { inputs: [x] }) => [reshapeLike(dy, x)],
  // the cotangent lies in zeros where it was cut from: spread by the step, then padded
  Slice: (dy, { inputs: [x, starts, , axes, steps] }) => {
    const from = constantNumbers(starts)!;
    const on = axes ? constantNumbers(axes)! : from.map((_, i) => i);
    const by = steps ? constantNumbers(steps)! : from.map(() => 1);
    const rank = x.shape.length;
    const pads = new Array<number>(2 * rank).fill(0);
    let spread = dy;
    on.forEach((axis, i) => {
      const at = normalizeAxis('Slice', axis, rank);
      const size = x.shape[at]!;
      const length = dy.shape[at]!;
      if (typeof size !== 'number' || typeof length !== 'number' || length === 0) return;
      const step = by[i]!;
      const last = step < 0 ? size - 1 : size;
      const first = Math.min(Math.max(from[i]! < 0 ? from[i]! + size : from[i]!, 0), last);
      if (step < 0) spread = slice(spread, [-1], [-(2 ** 31)], [at], [-1]);
      spread = spreadBy(spread, at, Math.abs(step));
      pads[at] = step < 0 ? first + (length - 1) * step : first;
      pads[at + rank] = size - pads[at] - ((length - 1) * Math.abs(step) + 1);
    });
    if (dy.shape.includes(0)) return [zerosLike(x), null, null, null, null];
    return [pads.every((p) => p === 0) ? spread : pad(spread, pads), null, null, null, null];
  },
  Pad: (dy, { inputs: [x, pads, value] }) => {
    if (value && value.source.kind !== 'constant')
      throw new Error('grad: Pad with a computed value has no rule');
    const list = constantNumbers(pads)!;
    const axes = x.shape.flatMap((_, i) => (list[i] === 0 && list[i + x.shape.length] === 0 ? [] : [i]));
    if (list.some((p) => p < 0)) throw new Error(`grad: Pad with negative pads [${list}] has no rule`);
    const starts = axes.map((axis) => list[axis]!);
    const ends = axes.map((axis, i) => starts[i]! + (x.shape[axis] as number));
    return [axes.length === 0 ? dy : slice(dy, starts, ends, axes), null, null];
  },
  Concat: (dy, { inputs, attrs: { axis } }) => {
    let start = 0;
    return inputs.map((x) => {
      const length = x.shape.at(axis) as number;
      start += length;
      return slice(dy, [start - length], [start], [axis]);
    });
  },
  Gather: (dy, { inputs: [data, indices], attrs: { axis = 0 } }) => {
    const at = normalizeAxis('Gather', axis, data.shape.length);
    const count = indices.shape.reduce<number>((a, dim) => (typeof dim === 'number' ? a * dim : NaN), 1);
    if (Number.isNaN(count)) throw new Error('grad: Gather with an open number of indices has no rule');
    const dims = data.shape.with(at, count);
    const target = reshapeTarget(dims);
    if (!target)
      throw new Error(`grad: Gather from ${showShape(data.shape)} has no rule: bind its open sizes`);
    const rows = reshape(dy, target);
    const column = reshape(
      indices,
      dims.map((_, i) => (i === at ? count : 1)),
    );
    return [scatterAdd(zerosLike(data), expand(column, shapeOf(rows)), rows, at), null];
  },
  GatherElements: (dy, { inputs: [data, indices], attrs: { axis = 0 } }) => [
    scatterAdd(zerosLike(data), indices, dy, axis),
    null,
  ],
  ScatterElements: (dy, { inputs: [, indices], attrs: { axis = 0, reduction = 'none' } }) => {
    if (reduction !== 'add')
      throw new Error(`grad: ScatterElements with reduction ${reduction} has no rule, only add`);
    return [dy, null, gatherElements(dy, indices, axis)];
  },
  Shape: null,
  Size: null,
  Range: null,
  Loop: () => {
    throw new Error('grad: Loop has no rule; differentiate the step, then repeat it');
  },
  // linear in both: <G, dW(x, dy)> = <conv(x, G), dy> = <x, convT(dy, G)>
  ConvWeightGrad: (g, { inputs: [x, dy], attrs }) => [
    convInputGrad(x, g, dy, attrs),
    conv(x, g, null, attrs),
  ],
  // linear in the cotangent: what comes back is picked where the maxima were
  MaxPoolGrad: (g, { inputs: [x, dy], attrs }) => {
    const { indices } = maxPool(x, attrs);
    return [null, reshapeLike(gather(reshape(g, [-1]), indices), dy)];
  },
  StopGradient: null,
};

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** How many elements each window of an AveragePool counts: a scalar, or [1,1,...] where windows reach into the padding. */
function windowCounts(x: Value, y: Value, attrs: Ops['AveragePool']['attrs']): Value {
  const { kernel, strides, begins, ends } = geometry('AveragePool', attrs.kernel_shape ?? [], attrs);
  if (attrs.count_include_pad || [...begins, ...ends].every((size) => size === 0)) {
    return scalar(product(kernel), x.dtype);
  }
  const outputs = spatial('AveragePool', y);
  const along = spatial('AveragePool', x).map((size, axis) =>
    Array.from({ length: outputs[axis]! }, (_, i) => {
      const start = i * strides[axis]! - begins[axis]!;
      return Math.min(start + kernel[axis]!, size) - Math.max(start, 0);
    }),
  );
  const counts = along.reduce((all, own) => all.flatMap((a) => own.map((b) => a * b)), [1]);
  return constant(tensorOf(x.dtype, [1, 1, ...outputs], counts));
}

/** The elements along an axis with `step - 1` zeros after each but the last. */
function spreadBy(x: Value, axis: number, step: number): Value {
  if (step === 1) return x;
  const rank = x.shape.length + 1;
  const pads = new Array<number>(2 * rank).fill(0).with(rank + axis + 1, step - 1);
  const length = (x.shape[axis] as number) * step;
  const wide = reshapeAxes(pad(unsqueeze(x, [axis + 1]), pads), x.shape.with(axis, length));
  return slice(wide, [0], [length - step + 1], [axis]);
}

/** In a shape of which one dimension at most is open. */
function reshapeAxes(x: Value, shape: Shape): Value {
  const target = reshapeTarget(shape);
  if (!target)
    throw new Error(`grad: Slice with steps of ${showShape(shape)} has no rule: bind its open sizes`);
  return reshape(x, target);
}

const times = (x: Value, factor: number): Value => (factor === 1 ? x : mul(x, factor));

/** The slope of LeakyRelu: 1 above zero, alpha elsewhere. A maximum is quicker than a choice, and as exact. */
function slopes(x: Value, alpha: number): Value {
  const positive = greater(x, 0);
  return alpha >= 0 && alpha <= 1
    ? max(cast(positive, x.dtype), alpha)
    : where(positive, scalar(1, x.dtype), alpha);
}

function shared(dy: Value, first: Value, second: Value): readonly Value[] {
  const half = mul(dy, 0.5);
  return [where(first, dy, where(second, 0, half)), where(second, dy, where(first, 0, half))];
}

/** A reduced value with its axes back as 1. */
function keptDims(y: Value, shape: Shape, axes: readonly number[] | undefined, keepdims: number): Value {
  if (keepdims) return y;
  return unsqueeze(y, axes?.length ? normalizeAxes('Reduce', axes, shape.length) : shape.map((_, i) => i));
}

/** A reduced value repeated over the axes that the reduction removed. */
const spread = (y: Value, x: Value, axes: readonly number[] | undefined, keepdims: number): Value =>
  expand(keptDims(y, x.shape, axes, keepdims), shapeOf(x));

/** In the shape of `x`, written out where it can be: a computed shape lies outside of what WebGPU computes. */
function reshapeLike(dy: Value, x: Value): Value {
  const target = reshapeTarget(x.shape);
  return target ? reshape(dy, target) : reshapeTo(dy, shapeOf(x));
}

/** Sum over every axis but the channel: [N,C,...] -> [C]. */
const perChannel = (dy: Value): Value =>
  reduceSum(dy, { axes: dy.shape.flatMap((_, i) => (i === 1 ? [] : [i])) });

function swapLast(x: Value): Value {
  const perm = x.shape.map((_, i) => i);
  return transpose(x, [...perm.slice(0, -2), perm.length - 1, perm.length - 2]);
}

const sumLeading = (x: Value, keep: number): Value =>
  x.shape.length <= keep ? x : reduceSum(x, { axes: x.shape.slice(0, -keep).map((_, i) => i) });

/** Gradient of Conv in its input: a transposed convolution; what the strides left over is output padding. */
function convInputGrad(x: Value, w: Value, dy: Value, attrs: Window): Value {
  const { kernel, strides, dilations, begins, ends } = geometry('Conv', spatial('Conv', w), attrs);
  const outputs = spatial('Conv', dy);
  const output_padding = spatial('Conv', x).map((size, i) => {
    const reached = strides[i]! * (outputs[i]! - 1) + dilations[i]! * (kernel[i]! - 1) + 1;
    return size - (reached - begins[i]! - ends[i]!);
  });
  return convTranspose(dy, w, null, { ...attrs, output_padding });
}

/** What the gradients of a convolution share with it. Fields that have ONNX's default are left out. */
function fullWindow(
  op: string,
  w: Value,
  attrs: Window,
): Required<Pick<Window, 'strides' | 'pads'>> & Window {
  const { strides, dilations, begins, ends } = geometry(op, spatial(op, w), attrs);
  const group = attrs.group ?? 1;
  return {
    strides,
    pads: [...begins, ...ends],
    ...(dilations.some((d) => d !== 1) && { dilations }),
    ...(group !== 1 && { group }),
  };
}
