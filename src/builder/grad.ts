import {
  freeInputs,
  isFloat,
  scalar,
  showType,
  topologicalOrder,
  type Node,
  type Value,
  type OpType,
} from './ir.ts';
import { add, expand, reduceSum, reshapeTo, shapeOf, zerosLike } from './ops.ts';
import { sameShape } from './shape.ts';
import { vjp } from './vjp.ts';

/**
 * Gradients of a scalar loss in `wrt`, one value each, of the same shape and dtype: reverse-mode differentiation
 * whose result is more graph, so a gradient can be differentiated again.
 *
 * A value that does not reach the loss gets zeros. Throws when the loss is not a floating-point scalar, when a
 * member of `wrt` is not floating point, and when the way leads through an operator without a rule.
 */
export function grad(loss: Value, wrt: readonly Value[]): readonly Value[] {
  if (!isFloat(loss) || loss.shape.length !== 0) {
    throw new Error(`grad: the loss must be a floating-point scalar, got ${showType(loss)}; reduce it first`);
  }
  return pullback([loss], [scalar(1, loss.dtype)], wrt);
}

/** Vector-Jacobian product: cotangents of `outputs` (same shapes) carried back to `wrt`. Throws as `grad` does. */
export function pullback(
  outputs: readonly Value[],
  cotangents: readonly Value[],
  wrt: readonly Value[],
): readonly Value[] {
  return reached(outputs, cotangents, wrt).map((dx, i) => dx ?? zerosLike(wrt[i]!));
}

/**
 * Whether a differentiable path leads from `x` to a floating-point scalar. Where none does, the gradient is zero by
 * construction, whatever the numbers are. Throws as {@link grad} does.
 */
export const hasGradient = (loss: Value, x: Value): boolean => reachedInputs(loss, [x]).has(x);

/** Those of the values from which a differentiable path leads to a floating-point scalar. Throws as {@link grad} does. */
export function reachedInputs(loss: Value, wrt: readonly Value[]): ReadonlySet<Value> {
  const found = reached([loss], [scalar(1, loss.dtype)], wrt);
  return new Set(wrt.filter((_, i) => found[i] !== null));
}

/**
 * The operators at which every path from `x` to `y` stops being differentiable, each once, in the order in which the
 * graph computes them: comparisons, rounding, casts to integers.
 */
export function gradientStops(y: Value, x: Value): readonly OpType[] {
  const smooth = new Set<Value>([x]);
  const stops = new Set<OpType>();
  for (const { op, inputs, outputs } of topologicalOrder([y])) {
    if (!inputs.some((value) => value && smooth.has(value))) continue;
    // what reads a shape alone carries no value of the image
    if (op === 'Shape' || op === 'Size') continue;
    if (vjp[op] === null || !isFloat(outputs[0]!)) stops.add(op);
    else smooth.add(outputs[0]!);
  }
  return [...stops];
}

/** {@link pullback}, with null for a member of `wrt` from which no differentiable path leads to an output. */
function reached(
  outputs: readonly Value[],
  cotangents: readonly Value[],
  wrt: readonly Value[],
): readonly (Value | null)[] {
  if (cotangents.length !== outputs.length) {
    throw new Error(`grad: ${outputs.length} outputs have ${cotangents.length} cotangents; give one each`);
  }
  outputs.forEach((y, i) => {
    const dy = cotangents[i]!;
    if (showType(dy) !== showType(y)) {
      throw new Error(
        `grad: the cotangent of an output ${showType(y)} must be of its type, got ${showType(dy)}`,
      );
    }
  });
  for (const x of wrt) {
    if (!isFloat(x))
      throw new Error(`grad: ${describe(x)} is ${x.dtype}; only floating-point values have gradients`);
  }
  const order = topologicalOrder(outputs);
  const wanted = new Set(wrt);
  const reaches = new Set<Value>(wrt);
  for (const node of order) {
    if (node.inputs.some((x) => x && reaches.has(x))) node.outputs.forEach((y) => reaches.add(y));
  }

  const cotangent = new Map<Value, Value>();
  const accumulate = (x: Value, dx: Value): void => {
    const before = cotangent.get(x);
    const own = unbroadcast(dx, x);
    cotangent.set(x, before ? add(before, own) : own);
  };
  outputs.forEach((y, i) => accumulate(y, cotangents[i]!));

  for (const node of order.toReversed()) {
    const [y, ...rest] = node.outputs;
    if (rest.some((r) => cotangent.has(r) && isFloat(r))) {
      throw new Error(`grad: ${node.op}: only its first output has a gradient`);
    }
    const dy = cotangent.get(y!);
    if (!dy || !reaches.has(y!)) continue;
    const rule = vjp[node.op] as ((dy: Value, node: Node, y: Value) => readonly (Value | null)[]) | null;
    if (rule === null) continue;
    rule(dy, node as Node<OpType>, y!).forEach((dx, i) => {
      const x = node.inputs[i];
      if (dx && x && reaches.has(x)) accumulate(x, dx);
    });
    if (!wanted.has(y!)) cotangent.delete(y!);
  }
  return wrt.map((x) => cotangent.get(x) ?? null);
}

/** Sums a cotangent of a broadcast shape to the shape of `x`: the one place where broadcasting is undone. */
function unbroadcast(dx: Value, x: Value): Value {
  if (sameShape(dx.shape, x.shape)) return dx;
  const lead = dx.shape.length - x.shape.length;
  const summed = dx.shape.flatMap((dim, i) =>
    i < lead || (x.shape[i - lead] === 1 && dim !== 1) ? [i] : [],
  );
  const sum = summed.length === 0 ? dx : reduceSum(dx, { axes: summed, keepdims: true });
  const out = lead <= 0 ? sum : reshapeTo(sum, shapeOf(x));
  if (sameShape(out.shape, x.shape)) return out;
  return expand(out, shapeOf(x));
}

const describe = (x: Value): string =>
  x.source.kind === 'input' ? `input ${x.source.name}` : `a value ${showType(x)}`;

/** The inputs of `loss` that a gradient may be asked for: floating point, in the order they are met. */
export const differentiableInputs = (loss: Value): readonly Value[] => freeInputs([loss]).filter(isFloat);
