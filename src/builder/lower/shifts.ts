import type { AnyNode, Graph, Node, Value } from '../ir.ts';
import { add, conv, maxPool, maxPoolGrad, unsqueeze } from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { formOf } from './forms.ts';

/**
 * A number a channel that is added before a max-pool is added after it, where there are fewer pixels: max(x + b) is max(x) + b,
 * bit by bit. The bias of a convolution is such a number, unless ONNX Runtime's own Conv adds it for nothing.
 */
export const shiftsAfterPools = (graph: Graph): Graph =>
  rewrite(graph, (node) => {
    if (node.op !== 'MaxPool' && node.op !== 'MaxPoolGrad') return null;
    const found = shiftOf(node.inputs[0]!);
    if (!found) return null;
    if (node.op === 'MaxPoolGrad') {
      return [maxPoolGrad(found.x, node.inputs[1]!, (node as Node<'MaxPoolGrad'>).attrs)];
    }
    return [add(maxPool(found.x, (node as Node<'MaxPool'>).attrs).y, found.shift), node.outputs[1]!];
  });

/** A value as a sum of another one and a number a channel, [C,1,1] or [1,C,1,1]. */
function shiftOf({ source, shape }: Value): { readonly x: Value; readonly shift: Value } | null {
  if (source.kind !== 'node') return null;
  if (source.op === 'Add') {
    const [x, shift] = source.inputs as readonly [Value, Value];
    const isShift = [`${shape[1]},1,1`, `1,${shape[1]},1,1`].includes(shift.shape.join());
    return isShift ? { x, shift } : null;
  }
  if (source.op !== 'Conv' || formOf(source as AnyNode, 'cpu') === 'as it is') return null;
  const { inputs: [x, w, b], attrs } = source as Node<'Conv'>; // prettier-ignore
  return b ? { x: conv(x, w, null, attrs), shift: unsqueeze(b, [1, 2]) } : null;
}
