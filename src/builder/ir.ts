import { isStatic, showShape, type Shape } from './shape.ts';

/** Element types, named as ONNX names them. */
export type DType = 'float32' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool';

/** The elements of a tensor, in the array type of its dtype; a bool is a byte. */
export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;

/** A dense tensor in row-major order. `bool` is stored as bytes 0 and 1. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** What is known of a value before it is computed. */
export interface Type {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** One edge of a graph: a typed tensor to be. Where it comes from is its `source`. */
export interface Value extends Type {
  readonly source: Input | Constant | AnyNode;
  /** Which output of its source this is; 0 for inputs and constants. */
  readonly index: number;
}

/** A value that is fed from outside. */
export interface Input {
  readonly kind: 'input';
  readonly name: string;
}

/** A value that is part of the graph. */
export interface Constant {
  readonly kind: 'constant';
  readonly tensor: Tensor;
  /** Kept when the graph is written: the name of a weight. */
  readonly name?: string;
}

/** One application of an operator. */
export interface Node<K extends OpType = OpType> {
  readonly kind: 'node';
  readonly op: K;
  readonly inputs: Ops[K]['inputs'];
  readonly attrs: Ops[K]['attrs'];
  readonly outputs: readonly Value[];
}

/** A node of any operator, for code that walks graphs and does not care which. */
export interface AnyNode {
  readonly kind: 'node';
  readonly op: OpType;
  readonly inputs: readonly (Value | null | undefined)[];
  readonly attrs: object;
  readonly outputs: readonly Value[];
}

/** A graph is its named inputs and outputs; everything between is reached from the outputs. */
export interface Graph {
  readonly name: string;
  /** Inputs in order. One that no output needs is still an input. */
  readonly inputs: readonly Value[];
  readonly outputs: Readonly<Record<string, Value>>;
}

/** An optional operator input: ONNX writes it as an empty name. */
type Optional = Value | null | undefined;
type Unary = { inputs: readonly [x: Value]; attrs: object };
type Binary = { inputs: readonly [a: Value, b: Value]; attrs: object };
type Reduce = { inputs: readonly [x: Value]; attrs: { axes?: readonly number[]; keepdims?: number } };
/** Geometry of a sliding window, with ONNX's names and order: pads are begins, then ends. */
export interface Window {
  kernel_shape?: readonly number[];
  strides?: readonly number[];
  pads?: readonly number[];
  dilations?: readonly number[];
  group?: number;
  auto_pad?: string;
}
/** The window of MaxPool, with the names of ONNX. */
export type Pool = { ceil_mode?: number; storage_order?: number } & Window;
/** The window of AveragePool, with the names of ONNX. */
export type AveragePool = { ceil_mode?: number; count_include_pad?: number } & Omit<
  Window,
  'dilations' | 'group'
>;

/**
 * Every operator the builder knows: its inputs and attributes as ONNX names them (opset 17), so that graphs made by
 * other tools fit. The last group is not ONNX: it exists between differentiation and lowering only.
 */
export interface Ops {
  Neg: Unary;
  Abs: Unary;
  Sqrt: Unary;
  Exp: Unary;
  Log: Unary;
  Tanh: Unary;
  Sigmoid: Unary;
  Relu: Unary;
  Sign: Unary;
  Erf: Unary;
  Sin: Unary;
  Cos: Unary;
  Floor: Unary;
  Ceil: Unary;
  Round: Unary;
  Identity: Unary;
  Not: Unary;
  LeakyRelu: { inputs: readonly [x: Value]; attrs: { alpha?: number } };
  HardSigmoid: { inputs: readonly [x: Value]; attrs: { alpha?: number; beta?: number } };
  Softmax: { inputs: readonly [x: Value]; attrs: { axis?: number } };
  LogSoftmax: { inputs: readonly [x: Value]; attrs: { axis?: number } };
  Cast: { inputs: readonly [x: Value]; attrs: { to: DType } };
  Add: Binary;
  Sub: Binary;
  Mul: Binary;
  Div: Binary;
  Pow: Binary;
  Max: Binary;
  Min: Binary;
  Equal: Binary;
  Greater: Binary;
  Less: Binary;
  And: Binary;
  Where: { inputs: readonly [condition: Value, a: Value, b: Value]; attrs: object };
  Clip: { inputs: readonly [x: Value, min?: Optional, max?: Optional]; attrs: object };
  ReduceSum: {
    inputs: readonly [x: Value, axes?: Optional];
    attrs: { keepdims?: number; noop_with_empty_axes?: number };
  };
  ReduceMean: Reduce;
  ReduceMax: Reduce;
  ReduceSumSquare: Reduce;
  ArgMax: {
    inputs: readonly [x: Value];
    attrs: { axis?: number; keepdims?: number; select_last_index?: number };
  };
  MatMul: Binary;
  Gemm: {
    inputs: readonly [a: Value, b: Value, c?: Optional];
    attrs: { alpha?: number; beta?: number; transA?: number; transB?: number };
  };
  Conv: { inputs: readonly [x: Value, w: Value, b?: Optional]; attrs: Window };
  ConvTranspose: {
    inputs: readonly [x: Value, w: Value, b?: Optional];
    attrs: Window & { output_padding?: readonly number[]; output_shape?: readonly number[] };
  };
  MaxPool: { inputs: readonly [x: Value]; attrs: Pool };
  MaxUnpool: {
    inputs: readonly [x: Value, indices: Value];
    attrs: Pick<Window, 'strides' | 'pads'> & { kernel_shape: readonly number[] };
  };
  AveragePool: { inputs: readonly [x: Value]; attrs: AveragePool };
  GlobalAveragePool: Unary;
  BatchNormalization: {
    inputs: readonly [x: Value, scale: Value, bias: Value, mean: Value, variance: Value];
    attrs: { epsilon?: number; momentum?: number; training_mode?: number };
  };
  Reshape: { inputs: readonly [x: Value, shape: Value]; attrs: { allowzero?: number } };
  Transpose: { inputs: readonly [x: Value]; attrs: { perm?: readonly number[] } };
  Expand: { inputs: readonly [x: Value, shape: Value]; attrs: object };
  Squeeze: { inputs: readonly [x: Value, axes?: Optional]; attrs: object };
  Unsqueeze: { inputs: readonly [x: Value, axes: Value]; attrs: object };
  Flatten: { inputs: readonly [x: Value]; attrs: { axis?: number } };
  Slice: {
    inputs: readonly [x: Value, starts: Value, ends: Value, axes?: Optional, steps?: Optional];
    attrs: object;
  };
  Pad: { inputs: readonly [x: Value, pads: Value, value?: Optional]; attrs: { mode?: string } };
  Concat: { inputs: readonly Value[]; attrs: { axis: number } };
  Gather: { inputs: readonly [data: Value, indices: Value]; attrs: { axis?: number } };
  GatherElements: { inputs: readonly [data: Value, indices: Value]; attrs: { axis?: number } };
  ScatterElements: {
    inputs: readonly [data: Value, indices: Value, updates: Value];
    attrs: { axis?: number; reduction?: string };
  };
  Shape: Unary;
  Size: Unary;
  /** 0, 1, ... below a size, which may be open as a batch is; other numbers are constants. */
  Range: { inputs: readonly [start: Value, limit: Value, delta: Value]; attrs: {} };
  /**
   * `trip` times the body: its inputs are iteration, condition and what is carried; its outputs, in order, are the next
   * condition, what is carried on, and what is collected of every iteration. It may read inputs of the graph around it.
   */
  Loop: {
    inputs: readonly [trip: Value, condition: Optional, ...carried: Value[]];
    attrs: { body: Graph };
  };

  /** Gradient of Conv in its weight: `x` [N,C,...], `dy` [N,M,...] -> [M,C/group,...kernel_shape]. */
  ConvWeightGrad: {
    inputs: readonly [x: Value, dy: Value];
    attrs: Required<Pick<Window, 'kernel_shape' | 'strides' | 'pads'>> & Pick<Window, 'dilations' | 'group'>;
  };
  /** Gradient of MaxPool: each window's cotangent goes to its first maximum. */
  MaxPoolGrad: { inputs: readonly [x: Value, dy: Value]; attrs: Pool };
  /** The value itself, with no gradient. */
  StopGradient: Unary;
}

/** The name of an operator. */
export type OpType = keyof Ops;

/** The name of an input. Throws when the value is computed. */
export function inputName(value: Value): string {
  if (value.source.kind !== 'input') throw new Error(`a value ${showType(value)} is computed, not an input`);
  return value.source.name;
}

/** A value fed from outside under `name`. A dimension may be a number or a symbol such as `'batch'`. */
export function input(name: string, dtype: DType, shape: Shape): Value {
  if (name === '') throw new Error('input: the name is empty');
  for (const dim of shape) {
    if (typeof dim === 'number' && (!Number.isInteger(dim) || dim < 0)) {
      throw new Error(`input ${name}: dimension ${dim} of ${showShape(shape)} is not a whole number >= 0`);
    }
  }
  return { dtype, shape, source: { kind: 'input', name }, index: 0 };
}

/** A value that is known now. Throws when the data does not fill the shape. */
export function constant(tensor: Tensor, name?: string): Value {
  const size = tensor.shape.reduce((a, b) => a * b, 1);
  if (tensor.data.length !== size) {
    throw new Error(`constant: ${tensor.data.length} elements do not fill ${showShape(tensor.shape)}`);
  }
  const source: Constant = { kind: 'constant', tensor, ...(name !== undefined && { name }) };
  return { dtype: tensor.dtype, shape: tensor.shape, source, index: 0 };
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

const beyondInt64 = 2 ** 63;
/** A number as an int64; one beyond its range, such as `to the end` has become, is the largest or the least. */
export const toInt64 = (x: number): bigint =>
  x >= beyondInt64 ? 2n ** 63n - 1n : x <= -beyondInt64 ? -(2n ** 63n) : BigInt(x);

/** A tensor of the given dtype from plain numbers. */
export function tensorOf(dtype: DType, shape: readonly number[], data: readonly number[]): Tensor {
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(data, toInt64) };
  return { dtype, shape, data: arrays[dtype].from(data) };
}

/** A constant of rank 0. */
export const scalar = (value: number, dtype: DType = 'float32'): Value =>
  constant(tensorOf(dtype, [], [value]));

/** A one-dimensional int64 constant: shapes, axes, pads. */
export const ints = (values: readonly number[]): Value =>
  constant(tensorOf('int64', [values.length], values));

/** The numbers of a constant, or null when the value is computed or fed. */
export function constantNumbers(value: Value): readonly number[] | null {
  return value.source.kind === 'constant' ? Array.from(value.source.tensor.data, Number) : null;
}

/** `float32[batch,10]` */
export const showType = ({ dtype, shape }: Type): string => `${dtype}${showShape(shape)}`;

/** Whether the dtype is a floating-point one. */
export const isFloat = ({ dtype }: Type): boolean => dtype === 'float32' || dtype === 'float64';

/** The shape as numbers. Throws, naming `what`, when a dimension is symbolic. */
export function staticShape(what: string, { shape }: Type): readonly number[] {
  if (!isStatic(shape)) throw new Error(`${what}: needs a known shape, got ${showShape(shape)}`);
  return shape;
}

/** Every node that the outputs depend on, each after the nodes it reads from. Stable and iterative. */
export function topologicalOrder(outputs: readonly Value[]): readonly AnyNode[] {
  const order: AnyNode[] = [];
  const done = new Set<AnyNode>();
  const open = new Set<AnyNode>();
  for (const output of outputs) {
    const stack: AnyNode[] = output.source.kind === 'node' ? [output.source] : [];
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!;
      if (done.has(node)) {
        stack.pop();
      } else if (open.has(node)) {
        stack.pop();
        done.add(node);
        order.push(node);
      } else {
        open.add(node);
        for (const value of node.inputs.toReversed()) {
          if (value?.source.kind === 'node' && !done.has(value.source)) stack.push(value.source);
        }
      }
    }
  }
  return order;
}

/** The inputs that the outputs depend on, in the order they are met. */
export function freeInputs(outputs: readonly Value[]): readonly Value[] {
  const found = new Map<Input, Value>();
  const visit = (value: Value | null | undefined): void => {
    if (value?.source.kind === 'input' && !found.has(value.source)) found.set(value.source, value);
  };
  for (const node of topologicalOrder(outputs)) node.inputs.forEach(visit);
  outputs.forEach(visit);
  return [...found.values()];
}
