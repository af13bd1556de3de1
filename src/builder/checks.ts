import { dimsOf } from './dims.ts';
import { constantNumbers, type DType, type Type, type Value, type OpType } from './ir.ts';
import { broadcastShapes, normalizeAxes, showShape, type Dim, type Shape } from './shape.ts';

/** What the shape rules have in common: demands that throw `Operator: what is wrong`, and shapes of reductions. */

export const type = (dtype: DType, shape: Shape): Type => ({ dtype, shape });

export const shapes = (a: Value, b: Value): string => `${showShape(a.shape)} and ${showShape(b.shape)}`;

export function demand(holds: boolean, op: OpType, otherwise: string): asserts holds {
  if (!holds) throw new Error(`${op}: ${otherwise}`);
}

/** All of the first value's dtype; an optional input that is absent does not count. */
export function sameDtype(op: OpType, first: Value, ...rest: readonly (Value | null | undefined)[]): void {
  for (const x of rest) {
    if (x) demand(x.dtype === first.dtype, op, `dtypes ${first.dtype} and ${x.dtype} differ`);
  }
}

export const numeric = (op: OpType, x: Value): void =>
  demand(x.dtype !== 'bool', op, 'needs numbers, got bool');

export const integer = (op: OpType, x: Value): void =>
  demand(x.dtype === 'int64' || x.dtype === 'int32', op, `indices must be int64 or int32, got ${x.dtype}`);

export function broadcast(op: OpType, a: { shape: Shape }, b: { shape: Shape }): Shape {
  const shape = broadcastShapes(a.shape, b.shape);
  demand(shape !== null, op, `${showShape(a.shape)} and ${showShape(b.shape)} do not broadcast`);
  return shape;
}

export function known(op: OpType, what: string, value: Value): readonly number[] {
  const numbers = constantNumbers(value);
  demand(numbers !== null, op, `${what} must be a constant`);
  return numbers;
}

/** The dimensions that a value of sizes holds, open ones among them. */
export function knownSizes(op: OpType, what: string, value: Value): Shape {
  const dims = dimsOf(value);
  demand(dims !== null, op, `${what} must be a constant`);
  return dims;
}

/** The value whose shape a Shape operator reads; null for any other value. */
export const shapeOperand = (shape: Value): Value | null =>
  shape.source.kind === 'node' && shape.source.op === 'Shape' ? shape.source.inputs[0]! : null;

/** A shape after a reduction; no axes, or an empty list of them, means all, as ONNX Runtime has it. */
export function reducedShape(
  op: OpType,
  shape: Shape,
  axes: readonly number[] | undefined,
  keepdims: number,
): Shape {
  const gone = axes?.length ? normalizeAxes(op, axes, shape.length) : shape.map((_, i) => i);
  return keepdims
    ? shape.map((dim, i) => (gone.includes(i) ? 1 : dim))
    : shape.filter((_, i) => !gone.includes(i));
}

export function sliceLength(op: OpType, dim: Dim, start: number, end: number, step: number): Dim {
  demand(step !== 0, op, 'step 0');
  if (typeof dim === 'string') {
    demand(
      start === 0 && end > 2 ** 30 && step === 1,
      op,
      `axis of size ${dim} is open and cannot be sliced`,
    );
    return dim;
  }
  const clamp = (i: number, low: number, high: number): number =>
    Math.min(Math.max(i < 0 ? i + dim : i, low), high);
  return step > 0
    ? Math.max(0, Math.ceil((clamp(end, 0, dim) - clamp(start, 0, dim)) / step))
    : Math.max(0, Math.ceil((clamp(start, 0, dim - 1) - clamp(end, -1, dim - 1)) / -step));
}
