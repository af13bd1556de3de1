import { traits } from '../attributes.ts';
import type { AnyNode, Graph, Value, OpType, Ops } from '../ir.ts';
import { apply } from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { sameShape } from '../shape.ts';

/** An Expand in front of an operator that broadcasts by itself is left out when the result keeps its shape. */
export const dropExpands = (graph: Graph): Graph =>
  rewrite(graph, (node) => {
    if (traits[node.op].elementwise !== 'broadcast') return null;
    let current = node;
    node.inputs.forEach((x, i) => {
      if (x?.source.kind !== 'node' || x.source.op !== 'Expand') return;
      const inputs = current.inputs.with(i, x.source.inputs[0]!);
      const outputs = apply(node.op, inputs as Ops[OpType]['inputs'], node.attrs as Ops[OpType]['attrs']);
      if (sameShape(outputs[0]!.shape, node.outputs[0]!.shape)) current = outputs[0]!.source as AnyNode;
    });
    return current === node ? null : (current.outputs as readonly Value[]);
  });
