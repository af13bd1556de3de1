/**
 * Dimensions and shapes. A dimension is a number, or a product of one number and symbols such as `batch` or
 * `196*batch`, so that models with an open batch keep exact shapes through reshapes.
 */
export type Dim = number | string;
/** The dimensions of a value; `[]` is a scalar. */
export type Shape = readonly Dim[];

/** The shape as text: `[batch,3,height,width]`. */
export const showShape = (shape: Shape): string => `[${shape.join(',')}]`;

/** Whether two shapes have the same dimensions. */
export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

/** Whether all dimensions are numbers. */
export const isStatic = (shape: Shape): shape is readonly number[] =>
  shape.every((dim) => typeof dim === 'number');

/** Number of elements, possibly symbolic. The empty shape (a scalar) has one. */
export function sizeOf(shape: Shape): Dim {
  let factor = 1;
  const symbols: string[] = [];
  for (const dim of shape) {
    const term = terms(dim);
    factor *= term.factor;
    symbols.push(...term.symbols);
  }
  return product(factor, symbols);
}

/** `a / b` when it is exact, otherwise null. */
export function divideDims(a: Dim, b: Dim): Dim | null {
  const top = terms(a);
  const bottom = terms(b);
  if (bottom.factor === 0 || top.factor % bottom.factor !== 0) return null;
  const symbols = [...top.symbols];
  for (const symbol of bottom.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return null;
    symbols.splice(at, 1);
  }
  return product(top.factor / bottom.factor, symbols);
}

/**
 * The shape as Reshape takes it: an open dimension is written 0 where it stands in the same place in the shape `from`
 * which it comes, and -1 elsewhere; null when more than one is left.
 */
export function reshapeTarget(shape: Shape, from: Shape = []): readonly number[] | null {
  const target = shape.map((dim, i) => (typeof dim === 'number' ? dim : dim === from[i] ? 0 : -1));
  const open = shape.filter((dim) => typeof dim !== 'number').length;
  // a single one is -1, as it always was
  if (open <= 1) return shape.map((dim) => (typeof dim === 'number' ? dim : -1));
  return target.filter((dim) => dim === -1).length > 1 || shape.includes(0) ? null : target;
}

/**
 * A shape as Reshape makes it: `wanted` holds 0 for a dimension that stays (unless `allowzero`) and at most one -1 for
 * what is left. Null when it does not fit.
 */
export function reshaped(shape: Shape, wanted: Shape, allowzero = 0): Shape | null {
  const dims: Dim[] = wanted.map((dim, i) => (dim === 0 && !allowzero ? (shape[i] ?? 0) : dim));
  const open = wanted.indexOf(-1);
  if (open >= 0) {
    const rest = divideDims(sizeOf(shape), sizeOf(dims.toSpliced(open, 1)));
    if (rest === null) return null;
    dims[open] = rest;
  }
  return sizeOf(dims) === sizeOf(shape) ? dims : null;
}

/** NumPy broadcasting of two shapes; null when they do not fit. */
export function broadcastShapes(a: Shape, b: Shape): Shape | null {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const left = a[i - rank + a.length] ?? 1;
    const right = b[i - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return null;
    out.push(left === 1 ? right : left);
  }
  return out;
}

/** Axes counted from the front, each in [0, rank). Throws on an axis outside [-rank, rank) or named twice. */
export function normalizeAxes(op: string, axes: readonly number[], rank: number): readonly number[] {
  const out = axes.map((axis) => normalizeAxis(op, axis, rank));
  if (new Set(out).size !== out.length) throw new Error(`${op}: axes [${axes}] name one axis twice`);
  return out.sort((a, b) => a - b);
}

/** An axis counted from the front: -1 is the last. Throws where there is no such axis. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new Error(`${op}: axis ${axis} is outside [${-rank}, ${rank}) for a value of rank ${rank}`);
  }
  return axis < 0 ? axis + rank : axis;
}

function terms(dim: Dim): { factor: number; symbols: readonly string[] } {
  if (typeof dim === 'number') return { factor: dim, symbols: [] };
  let factor = 1;
  const symbols: string[] = [];
  for (const part of dim.split('*')) {
    if (/^\d+$/.test(part)) factor *= Number(part);
    else symbols.push(part);
  }
  return { factor, symbols };
}

function product(factor: number, symbols: readonly string[]): Dim {
  if (symbols.length === 0 || factor === 0) return factor;
  const names = [...symbols].sort().join('*');
  return factor === 1 ? names : `${factor}*${names}`;
}
