import {
  constantNumbers,
  topologicalOrder,
  type AnyNode,
  type Graph,
  type Value,
} from '../../builder/index.ts';

/** What a graph does to its input first: y = a x + b, with one of each for every channel or one for all. */
export interface Opening {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/**
 * The scaling that a graph begins with: products and sums with constants, one after the other, with casts and
 * transpositions between them; null where there is none.
 */
export function openingOf({ inputs, outputs }: Graph): Opening | null {
  const readers = readersOf(Object.values(outputs));
  let value = inputs[0];
  let found: Opening | null = null;
  for (;;) {
    const reading = (value && readers.get(value)) ?? [];
    const [node, ...others] = reading;
    // what is rounded next is quantised, in whatever unit it is
    if (reading.some(({ op }) => op === 'Round')) return null;
    if (!node || others.length > 0) return found;
    if (!passing.has(node.op)) {
      const next = applied(found ?? { a: [1], b: [0] }, node, value!);
      if (!next) return found;
      found = next;
    }
    [value] = node.outputs;
  }
}

const passing: ReadonlySet<string> = new Set(['Cast', 'Transpose', 'Identity']);

function readersOf(outputs: readonly Value[]): ReadonlyMap<Value, readonly AnyNode[]> {
  const readers = new Map<Value, AnyNode[]>();
  for (const node of topologicalOrder(outputs)) {
    for (const x of node.inputs) {
      if (!x) continue;
      const before = readers.get(x);
      if (before) before.push(node);
      else readers.set(x, [node]);
    }
  }
  return readers;
}

/** A scaling followed by one more node; null where that is none of the four operations with a constant. */
function applied({ a, b }: Opening, { op, inputs }: AnyNode, value: Value): Opening | null {
  const [left, right] = inputs;
  const isFirst = left === value;
  const other = isFirst ? right : left;
  const c = other && constantNumbers(other);
  // a constant that is no number a channel, such as a mean image, is no scaling
  if (!c || c.length < 1 || c.length > 4) return null;
  const length = Math.max(a.length, b.length, c.length);
  const each = (f: (a: number, b: number, c: number) => number): readonly number[] =>
    Array.from({ length }, (_, i) => f(at(a, i), at(b, i), at(c, i)));
  switch (op) {
    case 'Add':
      return { a: each((x) => x), b: each((_, y, z) => y + z) };
    case 'Sub':
      return isFirst
        ? { a: each((x) => x), b: each((_, y, z) => y - z) }
        : { a: each((x) => -x), b: each((_, y, z) => z - y) };
    case 'Mul':
      return { a: each((x, _, z) => x * z), b: each((_, y, z) => y * z) };
    case 'Div':
      return isFirst ? { a: each((x, _, z) => x / z), b: each((_, y, z) => y / z) } : null;
    default:
      return null;
  }
}

const at = (list: readonly number[], i: number): number => list[list.length === 1 ? 0 : i]!;
