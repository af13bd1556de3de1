import {
  inputName,
  showType,
  topologicalOrder,
  type AnyNode,
  type Graph,
  type Value,
  type OpType,
  type Ops,
} from './ir.ts';
import { apply } from './ops.ts';

/**
 * Replaces a node whose inputs are already rewritten: its new outputs, or null to keep it. `original` is the node as it
 * stands in the graph that is rewritten.
 */
export type Rule = (node: AnyNode, original: AnyNode) => readonly Value[] | null;

/**
 * The graph with a rule applied to every node, inputs first. Nodes that nothing needs are gone afterwards, because a
 * graph is what its outputs reach. `leaf` may replace inputs and constants.
 */
export function rewrite(graph: Graph, rule: Rule, leaf: (value: Value) => Value = (value) => value): Graph {
  const replaced = new Map<Value, Value>();
  const current = (value: Value): Value => {
    const known = replaced.get(value);
    if (known) return known;
    const own = leaf(value);
    replaced.set(value, own);
    return own;
  };
  for (const node of topologicalOrder(Object.values(graph.outputs))) {
    const inputs = node.inputs.map((x) => x && current(x));
    const unchanged = inputs.every((x, i) => x === node.inputs[i]);
    const candidate = unchanged ? node : rebuilt(node, inputs);
    const outputs = rule(candidate, node) ?? candidate.outputs;
    node.outputs.forEach((y, i) => replaced.set(y, outputs[i]!));
  }
  return {
    ...graph,
    outputs: Object.fromEntries(Object.entries(graph.outputs).map(([name, y]) => [name, current(y)])),
  };
}

function rebuilt(node: AnyNode, inputs: readonly (Value | null | undefined)[]): AnyNode {
  const outputs = apply(node.op, inputs as Ops[OpType]['inputs'], node.attrs as Ops[OpType]['attrs']);
  return outputs[0]!.source as AnyNode;
}

/**
 * The graph with some of its inputs turned into named constants: the weights of an exported model. Throws on a value
 * of another type than its input, and on a name that is no input.
 */
export function bind(graph: Graph, values: ReadonlyMap<string, Value>): Graph {
  for (const [name, value] of values) {
    const own = graph.inputs.find((x) => inputName(x) === name);
    if (!own) throw new Error(`bind: ${graph.name} has no input ${name}`);
    if (showType(own) !== showType(value))
      throw new Error(`bind: ${name} is ${showType(own)}, got ${showType(value)}`);
  }
  const bound = rewrite(
    graph,
    () => null,
    (value) => (value.source.kind === 'input' ? (values.get(value.source.name) ?? value) : value),
  );
  return {
    ...bound,
    inputs: graph.inputs.filter((x) => !values.has(inputName(x))),
  };
}
