import { topologicalOrder, type AnyNode, type Graph, type Node, type Value } from '../ir.ts';
import { add, apply, div, mul, reshape, sqrt, sub } from '../ops.ts';
import { rewrite } from '../rewrite.ts';

/**
 * Batch norm in inference form after a convolution becomes part of its kernel and bias, when nobody else reads the
 * convolution: k = scale / sqrt(variance + epsilon); W' = W k, b' = (b - mean) k + bias.
 */
export function foldBatchNorm(graph: Graph): Graph {
  const readers = countReaders(graph);
  return rewrite(graph, (node, original) => {
    if (node.op !== 'BatchNormalization' || readers.get(original.inputs[0]!) !== 1) return null;
    const source = node.inputs[0]!.source;
    if (source.kind !== 'node' || (source.op !== 'Conv' && source.op !== 'ConvTranspose')) return null;
    return [folded(source as Node<'Conv' | 'ConvTranspose'>, node as Node<'BatchNormalization'>)];
  });
}

function folded(conv: Node<'Conv' | 'ConvTranspose'>, norm: Node<'BatchNormalization'>): Value {
  const [x, w, b] = conv.inputs;
  const [, scale, bias, mean, variance] = norm.inputs;
  const k = div(scale, sqrt(add(variance, norm.attrs.epsilon ?? 1e-5)));
  const outputAxis = conv.op === 'Conv' ? 0 : 1;
  const wide = reshape(
    k,
    w.shape.map((_, axis) => (axis === outputAxis ? -1 : 1)),
  );
  const shift = add(mul(b ? sub(b, mean) : sub(0, mean), k), bias);
  return apply(conv.op, [x, mul(w, wide), shift], conv.attrs)[0]!;
}

function countReaders(graph: Graph): ReadonlyMap<Value, number> {
  const counts = new Map<Value, number>();
  const read = (x: Value | null | undefined): void => void (x && counts.set(x, (counts.get(x) ?? 0) + 1));
  const nodes: readonly AnyNode[] = topologicalOrder(Object.values(graph.outputs));
  for (const node of nodes) node.inputs.forEach(read);
  Object.values(graph.outputs).forEach(read);
  return counts;
}
