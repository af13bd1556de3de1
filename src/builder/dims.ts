import type { Node, OpType, Value } from './ir.ts';
import { constantNumbers } from './ir.ts';
import { divideDims, isStatic, sizeOf, type Dim } from './shape.ts';

/**
 * What is known of the elements of a value that holds sizes: numbers, or dimensions such as `196*batch`. Null when it is
 * no integer or bool of rank 0 or 1, or when an element of it is not known.
 *
 * This is what makes the shapes that a file computes (Shape, Gather, Concat, arithmetic) shapes that are known.
 */
export function dimsOf(value: Value, known: Memo = new Map()): readonly Dim[] | null {
  if (!sizes.has(value.dtype) || value.shape.length > 1) return null;
  if (value.source.kind === 'input') return null;
  if (value.source.kind === 'constant') {
    return value.source.tensor.data.length > longest ? null : constantNumbers(value);
  }
  const before = known.get(value);
  if (before !== undefined) return before;
  known.set(value, null);
  const { source } = value;
  const rule = rules[source.op] as Rule<OpType> | undefined;
  const found = rule?.(source as Node<OpType>, (x) => dimsOf(x, known)) ?? null;
  known.set(value, found);
  return found;
}

type Memo = Map<Value, readonly Dim[] | null>;
type Rule<K extends OpType> = (
  node: Node<K>,
  dims: (x: Value) => readonly Dim[] | null,
) => readonly Dim[] | null;

const sizes: ReadonlySet<string> = new Set(['int64', 'int32', 'bool']);
/** Longer lists are tables of indices, not sizes. */
const longest = 4096;

/** Each element from the elements at the same place, a single one repeated. */
const elementwise =
  (f: (...elements: readonly Dim[]) => Dim | null) =>
  ({ inputs }: { inputs: readonly Value[] }, dims: (x: Value) => readonly Dim[] | null) => {
    const lists = inputs.map(dims);
    if (!lists.every((list) => list !== null)) return null;
    const length = lists.some((list) => list.length === 0) ? 0 : Math.max(...lists.map((l) => l.length));
    const out = Array.from({ length }, (_, i) => f(...lists.map((list) => list[list.length === 1 ? 0 : i]!)));
    return out.every((dim) => dim !== null) ? out : null;
  };

/** Of numbers only. */
const numbers = (f: (a: number, b: number) => number) =>
  elementwise((a, b) => (typeof a === 'number' && typeof b === 'number' ? f(a, b) : null));

const same = (
  { inputs: [x] }: { inputs: readonly [Value, ...unknown[]] },
  dims: (x: Value) => readonly Dim[] | null,
) => dims(x);

/** A product; a negative number is no factor of a dimension. */
function times(a: Dim, b: Dim): Dim | null {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  return [a, b].some((dim) => typeof dim === 'number' && dim < 0) ? null : sizeOf([a, b]);
}

/** A quotient, rounded towards zero where both are numbers; exact otherwise. */
function over(a: Dim, b: Dim): Dim | null {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? null : Math.trunc(a / b);
  return typeof b === 'number' && b < 0 ? null : divideDims(a, b);
}

/** An open dimension is equal to itself and to no negative number; more is not known of it. */
function equality(a: Dim, b: Dim): Dim | null {
  if (a === b) return 1;
  if (typeof a === 'number' && typeof b === 'number') return 0;
  return [a, b].some((dim) => typeof dim === 'number' && dim < 0) ? 0 : null;
}

const rules: { readonly [K in OpType]?: Rule<K> } = {
  Shape: ({ inputs: [x] }) => x.shape,
  Size: ({ inputs: [x] }) => [sizeOf(x.shape)],
  Identity: same,
  StopGradient: same,
  Squeeze: same,
  Unsqueeze: same,
  Reshape: same,
  Flatten: same,
  // a fraction or a bool as a size is not worth the trouble
  Cast: ({ inputs: [x], attrs: { to } }, dims) => (to === 'bool' || x.dtype === 'bool' ? null : dims(x)),
  Concat: ({ inputs }, dims) => {
    const lists = inputs.map(dims);
    return lists.every((list) => list !== null) ? lists.flat() : null;
  },
  Gather: ({ inputs: [data, indices] }, dims) => {
    const list = dims(data);
    const at = constantNumbers(indices);
    const picked = list && at?.map((i) => list.at(i));
    return picked?.every((dim) => dim !== undefined) ? picked : null;
  },
  Slice: ({ inputs: [x, starts, ends, , steps] }, dims) => {
    const [from, to] = [constantNumbers(starts)?.[0], constantNumbers(ends)?.[0]];
    const step = steps ? constantNumbers(steps)?.[0] : 1;
    const list = dims(x);
    if (from === undefined || to === undefined || !list) return null;
    return step === 1 ? list.slice(from, to) : step === -1 ? reversed(list, from, to) : null;
  },
  Add: elementwise((a, b) =>
    a === 0 ? b : b === 0 ? a : typeof a === 'number' && typeof b === 'number' ? a + b : null,
  ),
  Sub: elementwise((a, b) =>
    b === 0 ? a : a === b ? 0 : typeof a === 'number' && typeof b === 'number' ? a - b : null,
  ),
  Mul: elementwise(times),
  Div: elementwise(over),
  Max: numbers(Math.max),
  Min: numbers(Math.min),
  Neg: elementwise((a) => (typeof a === 'number' ? -a : null)),
  Abs: elementwise((a) => (typeof a === 'number' ? Math.abs(a) : a)),
  Equal: elementwise(equality),
  Greater: numbers((a, b) => Number(a > b)),
  Less: numbers((a, b) => Number(a < b)),
  Not: elementwise((a) => (a === 0 ? 1 : 0)),
  And: numbers((a, b) => Number(a !== 0 && b !== 0)),
  Where: elementwise((c, a, b) => (c === 0 ? b! : a!)),
  ReduceSum: ({ inputs: [x] }, dims) => {
    const list = dims(x);
    return list && isStatic(list) ? [list.reduce((a, b) => a + b, 0)] : null;
  },
  ReduceMax: ({ inputs: [x] }, dims) => {
    const list = dims(x);
    return list && isStatic(list) && list.length > 0 ? [Math.max(...list)] : null;
  },
  Expand: ({ inputs: [x], outputs: [y] }, dims) => {
    const list = dims(x);
    const length = y!.shape[0] ?? 1;
    if (!list || typeof length !== 'number' || length > longest) return null;
    return Array.from({ length }, (_, i) => list[list.length === 1 ? 0 : i]!);
  },
};

/** As Slice with a step of -1 takes them. */
function reversed(list: readonly Dim[], from: number, to: number): readonly Dim[] {
  const n = list.length;
  const first = Math.min(from < 0 ? from + n : from, n - 1);
  const last = Math.max(to < 0 ? to + n : to, -1);
  return Array.from({ length: Math.max(0, first - last) }, (_, i) => list[first - i]!);
}
