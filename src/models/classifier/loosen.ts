import { traits } from '../../builder/attributes.ts';
import {
  apply,
  input,
  inputName,
  normalizeAxis,
  reshape,
  topologicalOrder,
  type AnyNode,
  type Dim,
  type Graph,
  type Ops,
  type OpType,
  type Value,
} from '../../builder/index.ts';

/**
 * A graph whose batch is a number, for any batch. The images stay one behind the other in memory: what a Reshape makes of
 * the axis that they lie on grows with them. Whether that is the same function does not follow from the graph alone;
 * whoever uses it compares.
 *
 * @throws Error when another operator needs the number.
 */
export function loosened(graph: Graph, batch: number, symbol: Dim): Graph {
  const open = new Map<object, Value>();
  const inputs = graph.inputs.map((x) => {
    const own = input(inputName(x), x.dtype, [symbol, ...x.shape.slice(1)]);
    open.set(x.source, own);
    return own;
  });
  const current = (value: Value): Value =>
    open.get(value.source.kind === 'node' ? value : value.source) ?? value;
  for (const node of topologicalOrder(Object.values(graph.outputs))) {
    const operands = node.inputs.map((x) => x && current(x));
    const changed = operands.some((x, i) => x !== node.inputs[i]);
    if (!changed) continue;
    outputsOf(node, operands, batch, symbol).forEach((y, i) => open.set(node.outputs[i]!, y));
  }
  const outputs = Object.fromEntries(Object.entries(graph.outputs).map(([name, y]) => [name, current(y)]));
  return { ...graph, inputs, outputs };
}

function outputsOf(
  node: AnyNode,
  operands: readonly (Value | null | undefined)[],
  batch: number,
  symbol: Dim,
): readonly Value[] {
  const rows = operands.find((x) => isMerged(x, symbol));
  if (rows && !keepsMerged(node)) {
    throw new Error(`${node.op} may mix images, which lie with ${rows.shape[0]} other rows on one axis`);
  }
  const [x] = operands;
  if (node.op === 'Reshape' && typeof x!.shape[0] === 'string') {
    const [first, ...rest] = node.outputs[0]!.shape as readonly number[];
    return [reshape(x!, [x!.shape[0] === symbol && first === batch ? 0 : -1, ...rest])];
  }
  return apply(node.op, operands as Ops[OpType]['inputs'], node.attrs as Ops[OpType]['attrs']);
}

/** Whether a value's first axis holds something of each image beside the images. */
const isMerged = (x: Value | null | undefined, symbol: Dim): boolean =>
  typeof x?.shape[0] === 'string' && x.shape[0] !== symbol;

/** Whether a node treats each row of its first axis alike and by itself. */
function keepsMerged({ op, attrs, inputs, outputs: [y] }: AnyNode): boolean {
  const rank = y!.shape.length;
  if (op === 'Reshape' || traits[op].elementwise) return inputs.every((x) => !x || x.shape.length <= rank);
  if (op === 'MatMul') return rank > 2;
  if (op === 'Transpose') return (attrs as Ops['Transpose']['attrs']).perm?.[0] === 0;
  if (op === 'Softmax') return normalizeAxis(op, (attrs as Ops['Softmax']['attrs']).axis ?? -1, rank) !== 0;
  return false;
}
