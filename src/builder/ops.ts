import { infer } from './infer.ts';
import {
  ints,
  isFloat,
  scalar,
  type AnyNode,
  type DType,
  type Node,
  type Ops,
  type OpType,
  type Value,
  type AveragePool,
  type Pool,
  type Window,
} from './ir.ts';

/** Applies an operator: infers and checks its output types, or throws a line that names operator and shapes. */
export function apply<K extends OpType>(
  op: K,
  inputs: Ops[K]['inputs'],
  attrs: Ops[K]['attrs'],
): readonly Value[] {
  const outputs: Value[] = [];
  const node: Node<K> = { kind: 'node', op, inputs, attrs, outputs };
  infer[op](node).forEach((type, index) => outputs.push({ ...type, source: node as AnyNode, index }));
  return outputs;
}

const one = <K extends OpType>(op: K, inputs: Ops[K]['inputs'], attrs: Ops[K]['attrs']): Value =>
  apply(op, inputs, attrs)[0]!;

/** An operand: a value, or a number that takes the dtype of the other operand. */
export type Operand = Value | number;

function pair(a: Operand, b: Operand): readonly [Value, Value] {
  if (typeof a === 'number') {
    return typeof b === 'number' ? [scalar(a), scalar(b)] : [scalar(a, b.dtype), b];
  }
  return [a, typeof b === 'number' ? scalar(b, a.dtype) : b];
}

/** -x. */
export const neg = (x: Value): Value => one('Neg', [x], {});
/** |x|. The gradient is 0 at 0. */
export const abs = (x: Value): Value => one('Abs', [x], {});
/** The square root. */
export const sqrt = (x: Value): Value => one('Sqrt', [x], {});
/** e^x. */
export const exp = (x: Value): Value => one('Exp', [x], {});
/** The natural logarithm. */
export const log = (x: Value): Value => one('Log', [x], {});
/** The hyperbolic tangent. */
export const tanh = (x: Value): Value => one('Tanh', [x], {});
/** 1 / (1 + e^-x). */
export const sigmoid = (x: Value): Value => one('Sigmoid', [x], {});
/** max(x, 0). The gradient is 0 at 0. */
export const relu = (x: Value): Value => one('Relu', [x], {});
/** -1, 0 or 1. It has no gradient. */
export const sign = (x: Value): Value => one('Sign', [x], {});
/** 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export const erf = (x: Value): Value => one('Erf', [x], {});
/** The sine. */
export const sin = (x: Value): Value => one('Sin', [x], {});
/** The cosine. */
export const cos = (x: Value): Value => one('Cos', [x], {});
/** The largest whole number that is not above x. It has no gradient. */
export const floor = (x: Value): Value => one('Floor', [x], {});
/** The smallest whole number that is not below x. It has no gradient. */
export const ceil = (x: Value): Value => one('Ceil', [x], {});
/** The nearest whole number, the even one of two. It has no gradient. */
export const round = (x: Value): Value => one('Round', [x], {});
/** The value itself, as a node of its own. */
export const identity = (x: Value): Value => one('Identity', [x], {});
/** The opposite of a bool. */
export const not = (x: Value): Value => one('Not', [x], {});
/** `x` where it is 0 or more, `alpha * x` below. */
export const leakyRelu = (x: Value, alpha: number): Value => one('LeakyRelu', [x], { alpha });
/** `alpha * x + beta` limited to [0, 1]. */
export const hardSigmoid = (x: Value, alpha: number, beta: number): Value =>
  one('HardSigmoid', [x], { alpha, beta });
/** e^x over the sum of e^x along `axis`. */
export const softmax = (x: Value, axis = -1): Value => one('Softmax', [x], { axis });
/** The logarithm of {@link softmax}, without its overflow. */
export const logSoftmax = (x: Value, axis = -1): Value => one('LogSoftmax', [x], { axis });
/** The value in another dtype; as it is where it has that one. */
export const cast = (x: Value, to: DType): Value => (x.dtype === to ? x : one('Cast', [x], { to }));

/** a + b, broadcast as in NumPy. */
export const add = (a: Operand, b: Operand): Value => one('Add', pair(a, b), {});
/** a - b, broadcast. */
export const sub = (a: Operand, b: Operand): Value => one('Sub', pair(a, b), {});
/** a * b, element by element, broadcast. */
export const mul = (a: Operand, b: Operand): Value => one('Mul', pair(a, b), {});
/** a / b, broadcast. */
export const div = (a: Operand, b: Operand): Value => one('Div', pair(a, b), {});
/** a^b, broadcast. */
export const pow = (a: Operand, b: Operand): Value => one('Pow', pair(a, b), {});
/** The larger of two, broadcast. */
export const max = (a: Operand, b: Operand): Value => one('Max', pair(a, b), {});
/** The smaller of two, broadcast. */
export const min = (a: Operand, b: Operand): Value => one('Min', pair(a, b), {});
/** Whether a is b, as bool, broadcast. */
export const equal = (a: Operand, b: Operand): Value => one('Equal', pair(a, b), {});
/** Whether a is above b, as bool, broadcast. */
export const greater = (a: Operand, b: Operand): Value => one('Greater', pair(a, b), {});
/** Whether a is below b, as bool, broadcast. */
export const less = (a: Operand, b: Operand): Value => one('Less', pair(a, b), {});
/** Whether both are true; bool, broadcast. */
export const and = (a: Value, b: Value): Value => one('And', [a, b], {});
/** `a` where `condition` holds, `b` elsewhere, broadcast. */
export const where = (condition: Value, a: Operand, b: Operand): Value =>
  one('Where', [condition, ...pair(a, b)], {});
/** `x` limited to [low, high]. The gradient is 1 inside and on the bounds, 0 outside, as in PyTorch's clamp. */
export const clip = (x: Value, low: number, high: number): Value =>
  one('Clip', [x, scalar(low, x.dtype), scalar(high, x.dtype)], {});

/** What a reduction runs over: `axes` (all when absent) and whether they stay as 1. */
export interface ReduceOptions {
  readonly axes?: readonly number[];
  readonly keepdims?: boolean;
}
const reduction = ({ axes, keepdims = false }: ReduceOptions) => ({
  ...(axes && { axes }),
  keepdims: keepdims ? 1 : 0,
});
/** The sum. */
export const reduceSum = (x: Value, { axes, keepdims = false }: ReduceOptions = {}): Value =>
  one('ReduceSum', axes ? [x, ints(axes)] : [x], { keepdims: keepdims ? 1 : 0 });
/** The mean. */
export const reduceMean = (x: Value, options: ReduceOptions = {}): Value =>
  one('ReduceMean', [x], reduction(options));
/** The maximum. */
export const reduceMax = (x: Value, options: ReduceOptions = {}): Value =>
  one('ReduceMax', [x], reduction(options));
/** The sum of the squares. */
export const reduceSumSquare = (x: Value, options: ReduceOptions = {}): Value =>
  one('ReduceSumSquare', [x], reduction(options));
/** The index of the first maximum along `axis`, int64. */
export const argMax = (x: Value, axis: number, keepdims = false): Value =>
  one('ArgMax', [x], { axis, keepdims: keepdims ? 1 : 0 });

/** The matrix product of the last two axes; those before them broadcast. */
export const matmul = (a: Value, b: Value): Value => one('MatMul', [a, b], {});
/** ONNX Gemm: alpha * a b + beta * c for matrices, with `transA` and `transB` to transpose a and b first. */
export const gemm = (a: Value, b: Value, c?: Value | null, attrs: Ops['Gemm']['attrs'] = {}): Value =>
  one('Gemm', c ? [a, b, c] : [a, b], attrs);
/** ONNX Conv: `x` [N,C,H,W], `w` [M,C/group,kH,kW], `b` [M] -> [N,M,OH,OW]. */
export const conv = (x: Value, w: Value, b: Value | null, attrs: Window): Value =>
  one('Conv', b ? [x, w, b] : [x, w], attrs);
/** ONNX ConvTranspose: `x` [N,C,H,W], `w` [C,M,kH,kW], `b` [M] -> [N,M,OH,OW]. */
export const convTranspose = (
  x: Value,
  w: Value,
  b: Value | null,
  attrs: Ops['ConvTranspose']['attrs'],
): Value => one('ConvTranspose', b ? [x, w, b] : [x, w], attrs);
/** ONNX MaxPool: the maxima, and where they were found in `x` flattened (the first on a tie). */
export function maxPool(x: Value, attrs: Pool): { readonly y: Value; readonly indices: Value } {
  const [y, indices] = apply('MaxPool', [x], attrs);
  return { y: y!, indices: indices! };
}
/** ONNX MaxUnpool: zeros with `x` where `indices` say, those that MaxPool of the same window gave. */
export const maxUnpool = (x: Value, indices: Value, attrs: Ops['MaxUnpool']['attrs']): Value =>
  one('MaxUnpool', [x, indices], attrs);
/** ONNX AveragePool: padding counts only with `count_include_pad`. */
export const averagePool = (x: Value, attrs: AveragePool): Value => one('AveragePool', [x], attrs);
/** The mean over all axes after the second: [N,C,...] -> [N,C,1,...]. */
export const globalAveragePool = (x: Value): Value => one('GlobalAveragePool', [x], {});
/** ONNX BatchNormalization in its inference form; all parameters [C]. */
export const batchNormalization = (
  x: Value,
  scale: Value,
  bias: Value,
  mean: Value,
  variance: Value,
  epsilon: number,
): Value => one('BatchNormalization', [x, scale, bias, mean, variance], { epsilon });

/** The elements in another shape; -1 stands for what is left, 0 for the axis as it was. */
export const reshape = (x: Value, shape: readonly number[]): Value => one('Reshape', [x, ints(shape)], {});
/** {@link reshape} to a shape that is computed, int64. */
export const reshapeTo = (x: Value, shape: Value): Value => one('Reshape', [x, shape], {});
/** Permutes the axes; reverses them when `perm` is absent. */
export const transpose = (x: Value, perm?: readonly number[]): Value =>
  one('Transpose', [x], { perm: perm ?? x.shape.map((_, i) => x.shape.length - 1 - i) });
/** Broadcast to a shape that is computed, int64. */
export const expand = (x: Value, shape: Value): Value => one('Expand', [x, shape], {});
/** Takes out axes of length 1. */
export const squeeze = (x: Value, axes: readonly number[]): Value =>
  axes.length === 0 ? x : one('Squeeze', [x, ints(axes)], {});
/** Puts in axes of length 1; `axes` are their places in the result. */
export const unsqueeze = (x: Value, axes: readonly number[]): Value =>
  axes.length === 0 ? x : one('Unsqueeze', [x, ints(axes)], {});
/** A matrix: the axes before `axis` become its rows, the others its columns. */
export const flatten = (x: Value, axis = 1): Value => one('Flatten', [x], { axis });
/** From `starts` to before `ends` along each of `axes`, in steps. */
export const slice = (
  x: Value,
  starts: readonly number[],
  ends: readonly number[],
  axes: readonly number[],
  steps: readonly number[] = axes.map(() => 1),
): Value => one('Slice', [x, ints(starts), ints(ends), ints(axes), ints(steps)], {});
/** Pads with zeros, or with `value`: `pads` are begins, then ends, one each an axis. */
export const pad = (x: Value, pads: readonly number[], value?: Value): Value =>
  one('Pad', value ? [x, ints(pads), value] : [x, ints(pads)], {});
/** The values one after the other along `axis`. */
export const concat = (values: readonly Value[], axis: number): Value => one('Concat', values, { axis });
/** The parts of `data` at `indices` along `axis`. */
export const gather = (data: Value, indices: Value, axis = 0): Value =>
  one('Gather', [data, indices], { axis });
/** The element of `data` at each of `indices` along `axis`, in the shape of `indices`. */
export const gatherElements = (data: Value, indices: Value, axis = 0): Value =>
  one('GatherElements', [data, indices], { axis });
/** `data` with `updates` added at `indices` along `axis`. */
export const scatterAdd = (data: Value, indices: Value, updates: Value, axis = 0): Value =>
  one('ScatterElements', [data, indices, updates], { axis, reduction: 'add' });
/** The shape as int64 values: a constant when it is known. */
export const shapeOf = (x: Value): Value =>
  x.shape.every((dim) => typeof dim === 'number') ? ints(x.shape) : one('Shape', [x], {});
/** Zeros of the shape and dtype of `x`. */
export const zerosLike = (x: Value): Value => expand(scalar(0, x.dtype), shapeOf(x));
/** The number of elements as a value of dtype `dtype`. */
export function elementCount(x: Value, dtype: DType): Value {
  const size = x.shape.reduce<number>((a, dim) => (typeof dim === 'number' ? a * dim : NaN), 1);
  return Number.isNaN(size) ? cast(one('Size', [x], {}), dtype) : scalar(size, dtype);
}

/** The gradient of {@link conv} in its weight: `x` [N,C,...], `dy` [N,M,...] -> [M,C/group,...kernel_shape]. Lowering replaces it. */
export const convWeightGrad = (x: Value, dy: Value, attrs: Ops['ConvWeightGrad']['attrs']): Value =>
  one('ConvWeightGrad', [x, dy], attrs);
/** The gradient of {@link maxPool}: each window's cotangent at its first maximum. Lowering replaces it. */
export const maxPoolGrad = (x: Value, dy: Value, attrs: Pool): Value => one('MaxPoolGrad', [x, dy], attrs);
/** The value itself; gradients treat it as a constant. */
export const stopGradient = (x: Value): Value => one('StopGradient', [x], {});

/** Throws unless `x` is of a floating-point dtype. */
export function requireFloat(what: string, x: Value): void {
  if (!isFloat(x)) throw new Error(`${what}: needs a floating-point value, got ${x.dtype}`);
}
