import { isStatic, showShape, type Shape } from './shape.ts';
import type { OpType, Ops } from './ops.ts';

/** Element types, named as ONNX names them. */
export type DType = 'float32' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool';

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

export interface Input {
  readonly kind: 'input';
  readonly name: string;
}

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

/** A tensor of the given dtype from plain numbers. */
export function tensorOf(dtype: DType, shape: readonly number[], data: readonly number[]): Tensor {
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(data, BigInt) };
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
