import { topologicalOrder, type AnyNode, type Graph, type Node, type Value } from '../ir.ts';
import { add, apply, div, mul, reshape, sqrt, sub, unsqueeze } from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { isTrained } from './frozen.ts';

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

/**
 * Batch norm in inference form that stays behind a convolution with a trained kernel, because others read its output too: a
 * product and a sum.
 */
export const scaleBatchNorm = (graph: Graph): Graph =>
  rewrite(graph, (node) => {
    const source = node.inputs[0]?.source;
    if (node.op !== 'BatchNormalization' || source?.kind !== 'node') return null;
    const isBehind = (source.op === 'Conv' || source.op === 'ConvTranspose') && isTrained(source.inputs[1]!);
    return isBehind ? [scaleAndShift(node as Node<'BatchNormalization'>)] : null;
  });

/**
 * The factors of batch norm in a gradient become part of the kernel that reads it next, when nobody else reads the product:
 * convT(dy k, W) = convT(dy, W k), with a number k a channel.
 */
export function foldFactors(graph: Graph): Graph {
  const readers = countReaders(graph);
  return rewrite(graph, (node, original) => {
    if (node.op !== 'ConvTranspose' || readers.get(original.inputs[0]!) !== 1) return null;
    const { inputs: [product, w, b], attrs } = node as Node<'ConvTranspose'>; // prettier-ignore
    if (product.source.kind !== 'node' || product.source.op !== 'Mul') return null;
    const [dy, k] = product.source.inputs as readonly [Value, Value];
    if (k.shape.join() !== `${product.shape[1]},1,1`) return null;
    return apply('ConvTranspose', [dy, mul(w, unsqueeze(k, [3])), b], attrs);
  });
}

function folded(conv: Node<'Conv' | 'ConvTranspose'>, norm: Node<'BatchNormalization'>): Value {
  const [x, w, b] = conv.inputs;
  const [, , bias, mean] = norm.inputs;
  const k = factorOf(norm);
  const outputAxis = conv.op === 'Conv' ? 0 : 1;
  const wide = reshape(
    k,
    w.shape.map((_, axis) => (axis === outputAxis ? -1 : 1)),
  );
  const shift = add(mul(b ? sub(b, mean) : sub(0, mean), k), bias);
  return apply(conv.op, [x, mul(w, wide), shift], conv.attrs)[0]!;
}

/** Batch norm in inference form as a product and a sum: y = x k + (bias - mean k), with k as above. */
export function scaleAndShift(norm: Node<'BatchNormalization'>): Value {
  const [x, , bias, mean] = norm.inputs;
  const k = factorOf(norm);
  const perChannel = x.shape.slice(2).map((_, i) => i + 1);
  return add(mul(x, unsqueeze(k, perChannel)), unsqueeze(sub(bias, mul(mean, k)), perChannel));
}

/** scale / sqrt(variance + epsilon), a number a channel. */
const factorOf = ({ inputs: [, scale, , , variance], attrs }: Node<'BatchNormalization'>): Value =>
  div(scale, sqrt(add(variance, attrs.epsilon ?? 1e-5)));

function countReaders(graph: Graph): ReadonlyMap<Value, number> {
  const counts = new Map<Value, number>();
  const read = (x: Value | null | undefined): void => void (x && counts.set(x, (counts.get(x) ?? 0) + 1));
  const nodes: readonly AnyNode[] = topologicalOrder(Object.values(graph.outputs));
  for (const node of nodes) node.inputs.forEach(read);
  Object.values(graph.outputs).forEach(read);
  return counts;
}
