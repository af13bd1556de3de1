import { topologicalOrder, type AnyNode, type Graph, type Node, type Ops, type Value } from '../ir.ts';
import { add, apply, mul, neg, reduceSum, reshape, sub } from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { isStatic } from '../shape.ts';
import { tiles } from './pool.ts';
import { reductionOf } from './reduce.ts';

/**
 * The sum of a sum from the sums of its parts, where the graph has those anyway: a pass over memory less. A part may be scaled by
 * a number a channel, or be one; a max-pool's gradient, with
 * windows that tile the image, has the sum of the cotangent that it puts back. What batch norm gives back to its input in training is made so, and its sums, for the mean and
 * for the bias of the convolution before it, follow from those of its cotangent and of its input.
 */
export function sumsOfParts(graph: Graph): Graph {
  /** Sums and means that the graph has, by what they are taken of and over which axes. */
  const known = new Map<Value, Map<string, AnyNode>>();
  for (const node of topologicalOrder(Object.values(graph.outputs))) {
    const [x] = node.inputs;
    const axes = node.op === 'ReduceSum' || node.op === 'ReduceMean' ? reductionOf(node)?.axes.join() : null;
    if (x && axes) known.set(x, (known.get(x) ?? new Map<string, AnyNode>()).set(axes, node));
  }
  const rewritten = new Map<Value, Value>();
  const now = (x: Value): Value => rewritten.get(x) ?? x;

  /** The sum of `x` over axes, which stay with length 1; null where it is not known from others. */
  const sumOf = (x: Value, axes: readonly number[], count: number, isRoot = false): Value | null => {
    const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) as readonly number[];
    if (
      x.source.kind === 'node' &&
      x.source.op === 'MaxPoolGrad' &&
      spansImages(x.source as Node<'MaxPoolGrad'>, axes)
    ) {
      return reduceSum(now(x.source.inputs[1]!), { axes, keepdims: true });
    }
    const reduction = isRoot ? undefined : known.get(x)?.get(axes.join());
    if (reduction) {
      const [of, ...rest] = reduction.inputs;
      const inputs = [now(of!), ...rest] as unknown as Ops['ReduceSum']['inputs'];
      const y = apply(reduction.op as 'ReduceSum', inputs, reduction.attrs as Ops['ReduceSum']['attrs'])[0]!;
      const sum = reshape(y, kept);
      return reduction.op === 'ReduceMean' ? mul(sum, count) : sum;
    }
    if (x.source.kind !== 'node') return null;
    const { op, inputs } = x.source;
    const [a, b] = inputs as readonly [Value, Value | undefined];
    const isNumber = (p: Value): boolean => {
      const lead = x.shape.length - p.shape.length;
      return axes.every((axis) => axis < lead || p.shape[axis - lead] === 1);
    };
    const part = (p: Value): Value | null => (isNumber(p) ? mul(now(p), count) : sumOf(p, axes, count));
    if (op === 'Neg') {
      const sum = sumOf(a, axes, count);
      return sum && neg(sum);
    }
    if (op === 'Mul') {
      const [scaled, number] = isNumber(b!) ? [a, b!] : [b!, a];
      const sum = isNumber(number) && !isNumber(scaled) ? sumOf(scaled, axes, count) : null;
      return sum && mul(sum, now(number));
    }
    if (op !== 'Add' && op !== 'Sub') return null;
    const [left, right] = [part(a), part(b!)];
    return left && right && (op === 'Add' ? add(left, right) : sub(left, right));
  };

  return rewrite(graph, (node, original) => {
    const [x] = original.inputs;
    const reduced = node.op === 'ReduceSum' ? reductionOf(original) : null;
    const counts = reduced?.axes.map((axis) => x!.shape[axis]!);
    const sum =
      counts && isStatic(x!.shape)
        ? sumOf(
            x!,
            reduced!.axes,
            counts.reduce<number>((n, dim) => n * Number(dim), 1),
            true,
          )
        : null;
    const outputs = sum ? [reshape(sum, original.outputs[0]!.shape as readonly number[])] : node.outputs;
    original.outputs.forEach((y, i) => rewritten.set(y, outputs[i]!));
    return sum && outputs;
  });
}

/** Whether axes take in whole images, and each pixel of a pool's output has a pixel of the image of its own. */
const spansImages = (node: Node<'MaxPoolGrad'>, axes: readonly number[]): boolean =>
  axes.includes(2) && axes.includes(3) && tiles(node);
