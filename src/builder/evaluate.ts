import { dimsOf } from './dims.ts';
import {
  tensorOf,
  toInt64,
  type AnyNode,
  type DType,
  type Node,
  type OpType,
  type Tensor,
  type TensorData,
  type Value,
} from './ir.ts';
import { isStatic, normalizeAxes, normalizeAxis, sizeOf } from './shape.ts';

/**
 * What a value is that depends on constants alone, computed here: folding the shapes, masks and weights of a file. Null
 * when it is not known, when it is larger than `largest` and than all it is computed from, or when its operator is one
 * whose constants are not worth folding.
 */
export function evaluate(value: Value, memo: Memo = new Map()): Tensor | null {
  const { source } = value;
  if (source.kind === 'constant') return source.tensor;
  if (source.kind === 'input') return null;
  const before = memo.get(value);
  if (before !== undefined) return before;
  memo.set(value, null);
  const found = fromSizes(value) ?? compute(value, source, memo);
  memo.set(value, found);
  return found;
}

/** The numbers of a value that depends on constants alone; null for another. */
export const knownNumbers = (value: Value): readonly number[] | null => {
  const tensor = evaluate(value);
  return tensor && Array.from<number | bigint, number>(tensor.data, Number);
};

type Memo = Map<Value, Tensor | null>;

/** Elements of a folded value that may be larger than what it is computed from. */
const largest = 2 ** 20;

function fromSizes(value: Value): Tensor | null {
  const dims = dimsOf(value);
  if (!dims || !isStatic(dims) || !isStatic(value.shape)) return null;
  return tensorOf(value.dtype, value.shape, dims);
}

function compute(value: Value, node: AnyNode, memo: Memo): Tensor | null {
  const kernel = kernels[node.op] as Kernel<OpType> | null;
  if (!kernel || value.index > 0 || !isStatic(value.shape)) return null;
  const tensors: (Tensor | null)[] = [];
  for (const x of node.inputs) {
    const tensor = x ? evaluate(x, memo) : null;
    if (x && !tensor) return null;
    tensors.push(tensor);
  }
  const given = tensors.reduce((sum, tensor) => sum + (tensor?.data.length ?? 0), 0);
  if (Number(sizeOf(value.shape)) > Math.max(largest, given)) return null;
  return kernel(tensors as Tensor[], node as Node<OpType>, { dtype: value.dtype, shape: value.shape });
}

interface Result {
  readonly dtype: DType;
  readonly shape: readonly number[];
}
/** The first output of an operator from its inputs. */
type Kernel<K extends OpType> = (inputs: readonly Tensor[], node: Node<K>, result: Result) => Tensor | null;

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** A tensor whose elements are computed. */
function filled({ dtype, shape }: Result, at: (i: number) => number): Tensor {
  const size = count(shape);
  if (dtype === 'int64') {
    return {
      dtype,
      shape,
      data: BigInt64Array.from({ length: size }, (_, i) => toInt64(Math.trunc(at(i)) || 0)),
    };
  }
  const data = new arrays[dtype](size);
  for (let i = 0; i < size; i++) data[i] = at(i);
  return { dtype, shape, data };
}

/** A tensor whose elements are elements of another, unchanged to the last bit. */
function picked({ dtype, data }: Tensor, shape: readonly number[], at: (i: number) => number): Tensor {
  const out = new arrays[dtype](count(shape));
  for (let i = 0; i < out.length; i++) out[i] = data[at(i)]!;
  return { dtype, shape, data: out as TensorData };
}

const stridesOf = (shape: readonly number[]): number[] =>
  shape.map((_, axis) => count(shape.slice(axis + 1)));

/** For each element of `shape` in row-major order, `offset` plus its index times `strides`. */
export function* offsets(
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Generator<number> {
  const size = count(shape);
  const at = new Array<number>(shape.length).fill(0);
  let from = offset;
  for (let to = 0; to < size; to++) {
    yield from;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++at[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      at[axis] = 0;
    }
  }
}

/** A view of a tensor as NumPy has it, written out: transposed, sliced or repeated. */
export function strided(x: Tensor, shape: readonly number[], strides: readonly number[], offset = 0): Tensor {
  const from = offsets(shape, strides, offset);
  return picked(x, shape, () => from.next().value as number);
}

/** Repeated to a shape that it broadcasts to. */
function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  if (x.shape.length === shape.length && x.shape.every((dim, i) => dim === shape[i])) return x;
  const lead = shape.length - x.shape.length;
  const own = stridesOf(x.shape);
  return strided(
    x,
    shape,
    shape.map((_, i) => (i < lead || x.shape[i - lead] === 1 ? 0 : own[i - lead]!)),
  );
}

const elementwise =
  (f: (...x: number[]) => number): Kernel<OpType> =>
  (inputs, _, result) => {
    const operands = inputs.map((x) => (x ? broadcastTo(x, result.shape).data : null));
    const [a, b, c] = operands as [TensorData, TensorData?, TensorData?];
    if (!b) return filled(result, (i) => f(Number(a[i])));
    if (!c) return filled(result, (i) => f(Number(a[i]), Number(b[i])));
    return filled(result, (i) => f(Number(a[i]), Number(b[i]), Number(c[i])));
  };

/** Whole numbers divide towards zero; by zero they have no quotient. */
const division: Kernel<'Div'> = (inputs, node, result) => {
  if (result.dtype.startsWith('float')) return elementwise((a, b) => a / b!)(inputs, node as never, result);
  if (inputs[1]!.data.some((x) => Number(x) === 0)) return null;
  return elementwise((a, b) => Math.trunc(a / b!))(inputs, node as never, result);
};

const halfEven = (x: number): number => {
  const near = Math.round(x);
  return Math.abs(x % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near;
};

const sameElements: Kernel<OpType> = ([x], _, { shape }) => ({ ...x!, shape });

/** Sums, maxima and the like: `f` takes the result so far and an element, and begins with `initial`. */
const reduction =
  (
    f: (so: number, x: number) => number,
    initial: number,
    end: (total: number, size: number) => number = (total) => total,
  ) =>
  (inputs: readonly Tensor[], node: AnyNode, result: Result): Tensor => {
    const [x, given] = inputs as [Tensor, Tensor?];
    const { axes: own, noop_with_empty_axes: noop } = node.attrs as {
      axes?: readonly number[];
      noop_with_empty_axes?: number;
    };
    const list = given ? Array.from(given.data, Number) : own;
    if (!list?.length && noop) return x;
    const rank = x.shape.length;
    const axes = list?.length ? normalizeAxes(node.op, list, rank) : x.shape.map((_, i) => i);
    const kept = stridesOf(x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)));
    const into = offsets(
      x.shape,
      kept.map((stride, i) => (axes.includes(i) ? 0 : stride)),
    );
    const totals = new Float64Array(count(result.shape)).fill(initial);
    for (let i = 0; i < x.data.length; i++) {
      const to = into.next().value as number;
      totals[to] = f(totals[to]!, Number(x.data[i]));
    }
    const size = x.data.length / Math.max(1, totals.length);
    return filled(result, (i) => end(totals[i]!, size));
  };

/** Where along an axis each element of the indices points; null when it points outside. */
function resolved(indices: Tensor, size: number): Float64Array | null {
  const at = Float64Array.from(indices.data, Number).map((i) => (i < 0 ? i + size : i));
  return at.every((i) => i >= 0 && i < size) ? at : null;
}

const gather: Kernel<'Gather'> = ([data, indices], { op, attrs: { axis = 0 } }, { shape }) => {
  const along = normalizeAxis(op, axis, data!.shape.length);
  const at = resolved(indices!, data!.shape[along]!);
  const inner = count(data!.shape.slice(along + 1));
  const many = at?.length ?? 0;
  if (!at) return null;
  return picked(data!, shape, (i) => {
    const outer = Math.floor(i / (inner * many));
    const index = at[Math.floor(i / inner) % many]!;
    return (outer * data!.shape[along]! + index) * inner + (i % inner);
  });
};

/** The flat index in `data` of each element of `indices`, which replaces its place along the axis; null outside of it. */
export function flatAlong(
  op: string,
  data: { readonly shape: readonly number[] },
  indices: Tensor,
  axis: number,
): Float64Array | null {
  const along = normalizeAxis(op, axis, data.shape.length);
  const at = resolved(indices, data.shape[along]!);
  if (!at) return null;
  const strides = stridesOf(data.shape);
  const bases = offsets(indices.shape, strides.with(along, 0));
  return at.map((index) => (bases.next().value as number) + index * strides[along]!);
}

const gatherElements: Kernel<'GatherElements'> = (
  [data, indices],
  { op, attrs: { axis = 0 } },
  { shape },
) => {
  const at = flatAlong(op, data!, indices!, axis);
  return at && picked(data!, shape, (i) => at[i]!);
};

const scatterElements: Kernel<'ScatterElements'> = (
  [data, indices, updates],
  { op, attrs: { axis = 0, reduction: how = 'none' } },
) => {
  const at = flatAlong(op, data!, indices!, axis);
  if (!at) return null;
  const out = data!.data.slice() as Float32Array;
  const added = updates!.data as Float32Array;
  at.forEach((to, i) => (out[to] = how === 'add' ? ((out[to]! + added[i]!) as number) : added[i]!));
  return { ...data!, data: out };
};

const concat: Kernel<'Concat'> = (inputs, { op, attrs: { axis } }, { dtype, shape }) => {
  const along = normalizeAxis(op, axis, shape.length);
  const out = new arrays[dtype](count(shape)) as Float32Array;
  const row = count(shape.slice(along));
  let start = 0;
  for (const { shape: own, data } of inputs) {
    const length = count(own.slice(along));
    for (let at = 0; at * length < data.length; at++) {
      out.set(data.subarray(at * length, (at + 1) * length) as Float32Array, at * row + start);
    }
    start += length;
  }
  return { dtype, shape, data: out };
};

const slice: Kernel<'Slice'> = ([x, starts, , axes, steps], { op }, { shape }) => {
  const strides = stridesOf(x!.shape);
  let offset = 0;
  Array.from(starts!.data, Number).forEach((start, i) => {
    const axis = normalizeAxis(op, axes ? Number(axes.data[i]) : i, x!.shape.length);
    const step = steps ? Number(steps.data[i]) : 1;
    const size = x!.shape[axis]!;
    offset +=
      strides[axis]! * Math.min(Math.max(start < 0 ? start + size : start, 0), step < 0 ? size - 1 : size);
    strides[axis]! *= step;
  });
  return strided(x!, shape, strides, offset);
};

const pad: Kernel<'Pad'> = ([x, pads, value], _, result) => {
  const begins = Array.from(pads!.data, Number);
  const strides = stridesOf(result.shape);
  if (begins.some((n) => n < 0)) return null;
  const base = begins.slice(0, x!.shape.length).reduce((sum, n, axis) => sum + n * strides[axis]!, 0);
  const out = filled(result, () => Number(value?.data[0] ?? 0));
  const into = offsets(x!.shape, strides, base);
  x!.data.forEach((element) => (out.data[into.next().value as number] = element));
  return out;
};

/** Products with more multiplications than this stay in the graph. */
const mostProducts = 2 ** 22;

const matmul: Kernel<'MatMul'> = ([a, b], _, result) => {
  if (a!.shape.length < 2 || b!.shape.length < 2) return null;
  const [k, n] = b!.shape.slice(-2) as [number, number];
  const m = a!.shape.at(-2)!;
  const batch = result.shape.slice(0, -2);
  if (count(result.shape) * k > mostProducts) return null;
  const left = broadcastTo(a!, [...batch, m, k]).data;
  const right = broadcastTo(b!, [...batch, k, n]).data;
  return filled(result, (i) => {
    const column = i % n;
    const row = Math.floor(i / n);
    const base = Math.floor(row / m) * k * n + column;
    let sum = 0;
    for (let j = 0; j < k; j++) sum += Number(left[row * k + j]) * Number(right[base + j * n]);
    return sum;
  });
};

const isTrue = (holds: boolean): number => (holds ? 1 : 0);

/** Null for an operator that files do not apply to constants, or whose result the graph may as well compute. */
const kernels: { readonly [K in OpType]: Kernel<K> | null } = {
  Neg: elementwise((x) => -x),
  Abs: elementwise(Math.abs),
  Sqrt: elementwise(Math.sqrt),
  Exp: elementwise(Math.exp),
  Log: elementwise(Math.log),
  Tanh: elementwise(Math.tanh),
  Sigmoid: elementwise((x) => 1 / (1 + Math.exp(-x))),
  Relu: elementwise((x) => Math.max(x, 0)),
  Sign: elementwise(Math.sign),
  Erf: null,
  Sin: elementwise(Math.sin),
  Cos: elementwise(Math.cos),
  Floor: elementwise(Math.floor),
  Ceil: elementwise(Math.ceil),
  Round: elementwise(halfEven),
  Identity: ([x]) => x!,
  Not: elementwise((x) => isTrue(x === 0)),
  LeakyRelu: null,
  HardSigmoid: null,
  Softmax: null,
  LogSoftmax: null,
  Cast: ([x], _, result) =>
    result.dtype === x!.dtype
      ? x!
      : result.dtype === 'bool'
        ? filled(result, (i) => isTrue(Number(x!.data[i]) !== 0))
        : filled(result, (i) => Number(x!.data[i])),
  Add: elementwise((a, b) => a + b!),
  Sub: elementwise((a, b) => a - b!),
  Mul: elementwise((a, b) => a * b!),
  Div: division,
  Pow: elementwise((a, b) => a ** b!),
  Max: elementwise((a, b) => Math.max(a, b!)),
  Min: elementwise((a, b) => Math.min(a, b!)),
  Equal: elementwise((a, b) => isTrue(a === b)),
  Greater: elementwise((a, b) => isTrue(a > b!)),
  Less: elementwise((a, b) => isTrue(a < b!)),
  And: elementwise((a, b) => isTrue(a !== 0 && b !== 0)),
  Where: ([condition, a, b], _, { shape }) => {
    const [c, yes, no] = [condition!, a!, b!].map((x) => broadcastTo(x, shape)) as [Tensor, Tensor, Tensor];
    const out = no.data.slice() as Float32Array;
    (c.data as Uint8Array).forEach((chosen, i) => chosen && (out[i] = yes.data[i] as number));
    return { ...no, shape, data: out };
  },
  Clip: ([x, low, high], _, result) => {
    const [min, max] = [Number(low?.data[0] ?? -Infinity), Number(high?.data[0] ?? Infinity)];
    return filled(result, (i) => Math.min(Math.max(Number(x!.data[i]), min), max));
  },
  ReduceSum: reduction((sum, x) => sum + x, 0),
  ReduceMean: reduction(
    (sum, x) => sum + x,
    0,
    (sum, size) => sum / size,
  ),
  ReduceMax: reduction(Math.max, -Infinity),
  ReduceSumSquare: reduction((sum, x) => sum + x * x, 0),
  ArgMax: null,
  MatMul: matmul,
  Gemm: null,
  Conv: null,
  ConvTranspose: null,
  MaxPool: null,
  MaxUnpool: null,
  AveragePool: null,
  GlobalAveragePool: null,
  BatchNormalization: null,
  Reshape: sameElements,
  Transpose: ([x], { attrs: { perm } }, { shape }) => {
    const strides = stridesOf(x!.shape);
    return strided(x!, shape, perm ? perm.map((axis) => strides[axis]!) : strides.toReversed());
  },
  Expand: ([x], _, { shape }) => broadcastTo(x!, shape),
  Squeeze: sameElements,
  Unsqueeze: sameElements,
  Flatten: sameElements,
  Slice: slice,
  Pad: pad,
  Concat: concat,
  Gather: gather,
  GatherElements: gatherElements,
  ScatterElements: scatterElements,
  Shape: null, // known from the type: dims.ts
  Size: null,
  Loop: null,
  ConvWeightGrad: null,
  MaxPoolGrad: null,
  StopGradient: ([x]) => x!,
};
