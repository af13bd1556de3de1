import { constant, tensorOf, type Value } from '../../builder/ir.ts';
import {
  abs,
  add,
  and,
  argMax,
  cast,
  apply,
  div,
  elementCount,
  equal,
  exp,
  gatherElements,
  greater,
  log,
  max,
  mul,
  neg,
  not,
  reduceMax,
  reduceSum,
  reduceSumSquare,
  sign,
  slice,
  sqrt,
  squeeze,
  stopGradient,
  sub,
  unsqueeze,
  type ReduceOptions,
} from '../../builder/ops.ts';
import { normalizeAxes, normalizeAxis } from '../../builder/shape.ts';
import type { Family, Foreign, Importer, Versions } from '../foreign.ts';
import { primitive } from './primitive.ts';

type Reduce = (x: Value, options: Required<ReduceOptions>) => Value;

/** What a reduction runs over: axes as an attribute or, in later opsets, as an input. */
function over({ x, ints, numbers, int }: Foreign): Required<ReduceOptions> | null {
  const given = ints('axes') ?? numbers(1);
  const keepdims = int('keepdims', 1) === 1;
  const isNoop = int('noop_with_empty_axes', 0) === 1;
  if (!given?.length && isNoop) return null;
  const axes = given?.length ? normalizeAxes('Reduce', given, x.shape.length) : x.shape.map((_, i) => i);
  return { axes, keepdims };
}

/** A reduction of a function of the elements; without axes to run over, the function alone. */
const reduction = (f: Reduce, alone: (x: Value) => Value = (x) => x): Versions => {
  const importer: Importer = (node) => {
    const options = over(node);
    // a reduction over no axis at all is that of each element by itself
    return options && options.axes.length > 0 ? f(node.x, options) : alone(node.x);
  };
  return { 1: importer };
};

const mean: Reduce = (x, options) => {
  const total = reduceSum(x, options);
  const known = options.axes.reduce<number>((n, axis) => n * Number(x.shape[axis]), 1);
  if (!Number.isNaN(known))
    return apply('ReduceMean', [x], { axes: options.axes, keepdims: Number(options.keepdims) })[0]!;
  return div(total, div(elementCount(x, x.dtype), elementCount(total, x.dtype)));
};

/** The smallest normal float32: a root of it is far below any length that matters, and its slope is finite. */
const tiny = 1.2e-38;

/** sqrt(sum of squares), with the gradient 0 where all are 0, as PyTorch has it. */
const norm: Reduce = (x, options) => {
  const squares = reduceSumSquare(x, options);
  return mul(sqrt(max(squares, tiny)), sign(squares));
};

/** m + log(sum(exp(x - m))), m the maximum. */
const logSumExp: Reduce = (x, { axes, keepdims }) => {
  const m = stopGradient(reduceMax(x, { axes, keepdims: true }));
  const sum = add(log(reduceSum(exp(sub(x, m)), { axes, keepdims: true })), m);
  return keepdims ? sum : squeeze(sum, axes);
};

const mostFactors = 64;

/** A product of a few known elements along each axis. */
const product: Reduce = (x, { axes, keepdims }) => {
  const y = axes.reduce((value, axis) => {
    const size = value.shape[axis];
    if (typeof size !== 'number' || size > mostFactors) {
      throw new Error(
        `a product over an axis of ${size} elements is not supported, only up to ${mostFactors}`,
      );
    }
    const parts = Array.from({ length: size }, (_, i) => slice(value, [i], [i + 1], [axis]));
    // without factors it is 1
    return parts.length > 0
      ? parts.reduce((a, b) => mul(a, b))
      : add(reduceSum(value, { axes: [axis], keepdims: true }), 1);
  }, x);
  return keepdims ? y : squeeze(y, axes);
};

/** Whether any is true: the largest of the numbers 0 and 1. */
const any: Reduce = (x, options) => cast(reduceMax(cast(x, 'uint8'), options), 'bool');

const largest: Reduce = (x, options) => (x.dtype === 'bool' ? any : reduceMax)(x, options);

const smallest: Reduce = (x, options) =>
  x.dtype === 'bool' ? not(any(not(x), options)) : neg(reduceMax(neg(x), options));

const arg =
  (f: (x: Value) => Value): Importer =>
  ({ x, int }) => {
    const axis = normalizeAxis('ArgMax', int('axis', 0), x.shape.length);
    const attrs = { axis, keepdims: int('keepdims', 1), select_last_index: int('select_last_index', 0) };
    return apply('ArgMax', [f(x)], attrs)[0]!;
  };

/** Along a longer axis, the comparison of each element with each takes too much memory. */
const mostRanked = 2048;

/**
 * The k largest along an axis, in order, and where they are; of equal ones the first. The rank of an element is the number
 * of those that come before it: the larger ones, and the equal ones at a lower index.
 */
function top({ x, known, int }: Foreign): readonly Value[] {
  const k = known(1)[0]!;
  const axis = normalizeAxis('TopK', int('axis', -1), x.shape.length);
  int('sorted', 1); // where the order is free, this one will do
  const y = int('largest', 1) === 1 ? x : neg(x);
  const picked = (index: Value) => [gatherElements(x, index, axis), index];
  if (k === 1) return picked(argMax(y, axis, true));
  const size = x.shape[axis];
  if (typeof size !== 'number' || size > mostRanked) {
    throw new Error(
      `k = ${k} along an axis of ${size} elements is not supported, only of up to ${mostRanked}`,
    );
  }
  if (!(k >= 0 && k <= size)) throw new Error(`k = ${k} along an axis of ${size} elements`);
  const behind = x.shape.slice(axis + 1).map(() => 1);
  const numbered = (count: number) => Array.from({ length: count }, (_, i) => i);
  const isLower = numbered(size).flatMap((i) => numbered(size).map((j) => (j < i ? 1 : 0)));
  const [own, other] = [unsqueeze(y, [axis + 1]), unsqueeze(y, [axis])];
  const ties = and(equal(other, own), constant(tensorOf('bool', [size, size, ...behind], isLower)));
  const before = add(cast(greater(other, own), 'float32'), cast(ties, 'float32'));
  const rank = reduceSum(before, { axes: [axis + 1] });
  const wanted = constant(tensorOf('float32', [k, 1, ...behind], numbered(k)));
  return picked(argMax(cast(equal(unsqueeze(rank, [axis]), wanted), 'float32'), axis + 1));
}

export const reductions: Family = {
  ReduceSum: reduction(reduceSum),
  ReduceMean: reduction(mean),
  ReduceMax: reduction(largest),
  ReduceMin: reduction(smallest),
  ReduceProd: reduction(product),
  ReduceL1: reduction((x, options) => reduceSum(abs(x), options), abs),
  ReduceL2: reduction(norm, abs),
  ReduceSumSquare: reduction(reduceSumSquare, (x) => mul(x, x)),
  ReduceLogSum: reduction((x, options) => log(reduceSum(x, options)), log),
  ReduceLogSumExp: reduction(logSumExp),
  ArgMax: { 1: arg((x) => x) },
  ArgMin: { 1: arg(neg) },
  TopK: { 10: top },
  GlobalAveragePool: { 1: primitive('GlobalAveragePool') },
  GlobalMaxPool: {
    1: ({ x }) => reduceMax(x, { axes: x.shape.slice(2).map((_, i) => i + 2), keepdims: true }),
  },
  GlobalLpPool: {
    2: ({ x, int }) => {
      const p = int('p', 2);
      if (p !== 2) throw new Error(`p = ${p} is not supported, only 2`);
      return norm(x, { axes: x.shape.slice(2).map((_, i) => i + 2), keepdims: true });
    },
  },
  LpNormalization: {
    1: ({ x, int }) => {
      const axis = normalizeAxis('LpNormalization', int('axis', -1), x.shape.length);
      const options = { axes: [axis], keepdims: true };
      return div(x, max(int('p', 2) === 1 ? reduceSum(abs(x), options) : norm(x, options), tiny));
    },
  },
};
