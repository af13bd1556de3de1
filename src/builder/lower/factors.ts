import type { AnyNode, Graph, Value } from '../ir.ts';
import { add, mul } from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { sameShape } from '../shape.ts';
import { isSmaller, readersOf } from './readers.ts';

/**
 * Sums of products that share a factor, with the factor taken out: p a + p b is p (a + b), one pass over memory less, and two
 * where a and b are small. Such sums come of values that are read twice, as the argument of GELU is.
 */
export function factorSums(graph: Graph): Graph {
  const readers = readersOf(graph);
  /** A node of this operator that nothing else reads, and that has the shape of the sum. */
  const inner = (value: Value, op: 'Add' | 'Mul', sum: Value): AnyNode | null =>
    value.source.kind === 'node' &&
    value.source.op === op &&
    readers.get(value)?.length === 1 &&
    sameShape(value.shape, sum.shape)
      ? value.source
      : null;
  const parts = (value: Value, op: 'Add' | 'Mul', sum: Value): readonly Value[] =>
    inner(value, op, sum)?.inputs.flatMap((x) => parts(x!, op, sum)) ?? [value];
  const isInside = ({ outputs: [y] }: AnyNode): boolean =>
    readers.get(y!)?.length === 1 &&
    readers.get(y!)![0]?.op === 'Add' &&
    sameShape(y!.shape, readers.get(y!)![0]!.outputs[0]!.shape);

  const rewritten = new Map<Value, Value>();
  const now = (x: Value): Value => rewritten.get(x) ?? x;
  const factored = (sum: Value, node: AnyNode): Value | null => {
    if (node.op !== 'Add' || sum.dtype !== 'float32' || isInside(node)) return null;
    const terms = node.inputs.flatMap((x) => parts(x!, 'Add', sum)).map((term) => parts(term, 'Mul', sum));
    const found = shared(terms, sum);
    if (!found) return null;
    const [a, b] = found.rests.map((rest) => product(rest.map(now)));
    const common = mul(now(found.factor), add(a ?? 1, b ?? 1));
    return found.others.reduce((total, term) => add(total, product(term.map(now))!), common);
  };
  return rewrite(graph, (node, original) => {
    const [y] = original.outputs;
    const sum = factored(y!, original);
    original.outputs.forEach((own, i) => rewritten.set(own, sum ?? node.outputs[i]!));
    return sum && [sum];
  });
}

type Factors = readonly Value[];

interface Shared {
  readonly factor: Value;
  readonly rests: readonly [Factors, Factors];
  readonly others: readonly Factors[];
}

/** Two terms with a factor in common that are better added without it; null where there are none. */
function shared(terms: readonly Factors[], sum: Value): Shared | null {
  for (const [i, left] of terms.entries()) {
    for (const [j, right] of terms.entries()) {
      if (j <= i) continue;
      const factor = left.find((x) => right.includes(x) && sameShape(x.shape, sum.shape));
      if (!factor) continue;
      const rests = [without(left, factor), without(right, factor)] as const;
      const isFull = (rest: Factors): boolean => rest.some((x) => !isSmaller(x, sum));
      const [whole, part] = rests.toSorted((a, b) => a.length - b.length) as [Factors, Factors];
      // p + p a costs as much as p (1 + a) where a is no smaller
      if (whole.length > 0 || (part.length > 0 && !isFull(part))) {
        return { factor, rests, others: terms.filter((_, at) => at !== i && at !== j) };
      }
    }
  }
  return null;
}

const without = (factors: Factors, one: Value): Factors => factors.toSpliced(factors.indexOf(one), 1);

/** Null of none. */
const product = (factors: Factors): Value | null =>
  factors.length > 0 ? factors.reduce((a, b) => mul(a, b)) : null;
