import { inputName, topologicalOrder, type Graph, type Value } from './ir.ts';
import { identity } from './ops.ts';

/** Inputs, constants and doubly named results cannot be renamed: they pass through an Identity. */
export function distinct(graph: Graph): Record<string, Value> {
  const seen = new Set<Value>();
  return Object.fromEntries(
    Object.entries(graph.outputs).map(([name, y]) => {
      const own = y.source.kind === 'node' && !seen.has(y) ? y : identity(y);
      seen.add(own);
      return [name, own];
    }),
  );
}

/** Values of one source and index are the same value, whichever object stands for it. */
export const key = (value: Value): object => (value.source.kind === 'node' ? value : value.source);

/**
 * Every value's name: its own for inputs, outputs and weights, otherwise operator and number in order, after `prefix`. A
 * loop's body also reads the inputs of the graph around it, whose names are `outer`.
 */
export function nameValues(
  graph: Graph,
  prefix = '',
  outer: ReadonlySet<string> = new Set(),
): ReadonlyMap<object, string> {
  const names = new Map<object, string>();
  const taken = new Set<string>();
  const give = (value: Value, name: string): void => {
    if (taken.has(name)) throw new Error(`encode: two values are named ${name}`);
    taken.add(name);
    names.set(key(value), name);
  };
  graph.inputs.forEach((x) => give(x, inputName(x)));
  for (const [name, y] of Object.entries(graph.outputs)) give(y, name);
  const order = topologicalOrder(Object.values(graph.outputs));
  for (const x of order.flatMap((node) => node.inputs)) {
    if (!x || names.has(key(x))) continue;
    if (x.source.kind === 'input') {
      if (!outer.has(x.source.name)) {
        throw new Error(`encode: ${x.source.name} is read but not an input of the graph`);
      }
      names.set(key(x), x.source.name);
    }
    if (x.source.kind === 'constant' && x.source.name !== undefined) give(x, x.source.name);
  }
  const counts = new Map<string, number>();
  const numbered = (kind: string): string => {
    const n = counts.get(kind) ?? 0;
    counts.set(kind, n + 1);
    const name = `${prefix}${kind}_${n}`;
    return taken.has(name) ? numbered(kind) : name;
  };
  for (const node of order) {
    for (const x of node.inputs) if (x && !names.has(key(x))) give(x, numbered('constant'));
    const name = numbered(node.op);
    node.outputs.forEach((y, i) => names.has(y) || give(y, i === 0 ? name : `${name}.${i}`));
  }
  return names;
}
