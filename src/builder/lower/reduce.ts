import { constantNumbers, type AnyNode, type Graph, type Value } from '../ir.ts';
import { div, elementCount, max, mul, reduceSum, slice, squeeze, transpose, unsqueeze } from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { divideDims, isStatic, normalizeAxes, sizeOf } from '../shape.ts';

/**
 * Reductions as ONNX Runtime's CUDA provider computes them without cuDNN: sums over the first axes or over the last
 * ones. A mean is a sum divided, a sum of squares the sum of a product, and a maximum is taken of halves.
 */
export const reduceByEdges = (graph: Graph): Graph =>
  rewrite(graph, (node) => {
    const reduced = reductionOf(node);
    if (!reduced) return null;
    const [x] = node.inputs as readonly [Value];
    switch (node.op) {
      case 'ReduceSum':
        return runsOf(x, reduced.axes).length === 1 ? null : [sum(x, reduced)];
      case 'ReduceMean':
        return [mean(sum(x, reduced), x)];
      case 'ReduceSumSquare':
        return [sum(mul(x, x), reduced)];
      case 'ReduceMax':
        return isStatic(reduced.axes.map((axis) => x.shape[axis]!)) ? [maximum(x, reduced)] : null;
      default:
        return null;
    }
  });

export interface Reduction {
  /** Counted from the front, in order; all when the node names none. */
  readonly axes: readonly number[];
  readonly keepdims: boolean;
}

/** What a node reduces; null when it is no reduction, or its axes are computed. */
export function reductionOf(node: AnyNode): Reduction | null {
  if (!node.op.startsWith('Reduce')) return null;
  const [x, input] = node.inputs;
  const attrs = node.attrs as { axes?: readonly number[]; keepdims?: number; noop_with_empty_axes?: number };
  const listed = input ? constantNumbers(input) : (attrs.axes ?? []);
  if (!listed || (listed.length === 0 && attrs.noop_with_empty_axes)) return null;
  const axes = listed.length ? normalizeAxes(node.op, listed, x!.shape.length) : x!.shape.map((_, i) => i);
  return { axes, keepdims: (attrs.keepdims ?? 1) !== 0 };
}

/** The mean from a sum: divided by the number of terms that each result has. */
function mean(total: Value, x: Value): Value {
  const terms = divideDims(sizeOf(x.shape), sizeOf(total.shape));
  if (typeof terms === 'number') return div(total, terms);
  return div(total, div(elementCount(x, x.dtype), elementCount(total, x.dtype)));
}

/**
 * The axes in groups that a sum can take one after the other, the last axes and then the first; none when one stands
 * between axes that stay. Axes of length 1 may count to either.
 */
function runsOf(x: Value, axes: readonly number[]): readonly (readonly number[])[] {
  const kept = x.shape.flatMap((dim, axis) => (axes.includes(axis) || dim === 1 ? [] : [axis]));
  if (kept.length === 0) return [axes];
  const [first, last] = [kept[0]!, kept.at(-1)!];
  const between = axes.filter((axis) => axis > first && axis < last);
  if (between.some((axis) => x.shape[axis] !== 1)) return [];
  const trailing = axes.filter((axis) => axis > first);
  const leading = axes.filter((axis) => axis < first);
  return [trailing, leading].filter((run) => run.length > 0);
}

function sum(x: Value, { axes, keepdims }: Reduction): Value {
  const runs = runsOf(x, axes);
  if (runs.length === 1) return reduceSum(x, { axes, keepdims });
  if (runs.length === 0) {
    const kept = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
    const last = axes.map((_, i) => kept.length + i);
    const y = reduceSum(transpose(x, [...kept, ...axes]), { axes: last });
    return keepdims ? unsqueeze(y, axes) : y;
  }
  const y = runs.reduce((part, run) => reduceSum(part, { axes: run, keepdims: true }), x);
  return keepdims ? y : squeeze(y, axes);
}

function maximum(x: Value, { axes, keepdims }: Reduction): Value {
  const y = axes.reduce(ofHalves, x);
  return keepdims ? y : squeeze(y, axes);
}

/** The maximum along an axis, which stays as 1: of its two halves, which share the middle when it is odd. */
function ofHalves(x: Value, axis: number): Value {
  const length = x.shape[axis] as number;
  if (length === 1) return x;
  const half = Math.ceil(length / 2);
  return ofHalves(max(slice(x, [0], [half], [axis]), slice(x, [length - half], [length], [axis])), axis);
}
