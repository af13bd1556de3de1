import { topologicalOrder, type AnyNode, type Graph, type Value } from '../ir.ts';
import { divideDims, sizeOf } from '../shape.ts';

/** The nodes that read each value, one for each time; null stands for an output. */
export function readersOf({ outputs }: Graph): ReadonlyMap<Value, readonly (AnyNode | null)[]> {
  const readers = new Map<Value, (AnyNode | null)[]>();
  const read = (x: Value, by: AnyNode | null): void => {
    const known = readers.get(x);
    if (known) known.push(by);
    else readers.set(x, [by]);
  };
  const given = Object.values(outputs);
  for (const node of topologicalOrder(given)) for (const x of node.inputs) if (x) read(x, node);
  for (const y of given) read(y, null);
  return readers;
}

/** Whether `a` has fewer elements than `b`, and broadcasts to it where it is an operand of what gives `b`. */
export function isSmaller(a: Value, b: Value): boolean {
  const ratio = divideDims(sizeOf(b.shape), sizeOf(a.shape));
  return ratio !== null && ratio !== 1;
}
