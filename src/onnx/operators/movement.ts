import { knownShape } from '../../builder/fold-constants.ts';
import { constant, ints, scalar, tensorOf, type Value } from '../../builder/ir.ts';
import {
  apply,
  concat,
  equal,
  expand,
  gather,
  matmul,
  pad,
  reshape,
  slice,
  squeeze,
  transpose,
  unsqueeze,
  where,
} from '../../builder/ops.ts';
import {
  isStatic,
  normalizeAxis,
  reshapeTarget,
  reshaped,
  showShape,
  type Dim,
  type Shape,
} from '../../builder/shape.ts';
import { needed, type Family, type Foreign } from '../foreign.ts';
import { primitive } from './primitive.ts';

/** In a shape of which one dimension at most is open. */
export function reshapeAs(x: Value, shape: Shape): Value {
  const target = reshapeTarget(shape, x.shape);
  if (!target) throw new Error(`${showShape(shape)} has more than one open size; bind them`);
  return reshape(x, target);
}

function reshapeInto({ x, at, dims, int }: Foreign): Value {
  const wanted = dims(1);
  const allowzero = int('allowzero', 0);
  const shape = reshaped(x.shape, wanted, allowzero);
  if (!shape) throw new Error(`${showShape(x.shape)} does not reshape to ${showShape(wanted)}`);
  const target = reshapeTarget(shape, x.shape);
  // Reshape reads 0 as the size that was there
  if (target && !shape.includes(0)) return reshape(x, target);
  return apply('Reshape', [x, at(1)], { allowzero })[0]!;
}

/** To the size of a shape that may have open dimensions. */
function expanded({ x, at, dims }: Foreign): Value {
  const wanted = dims(1);
  return expand(x, isStatic(wanted) ? ints(wanted) : at(1));
}

const squeezed = (x: Value, axes: readonly number[] | undefined): Value =>
  squeeze(x, axes ?? x.shape.flatMap((dim, i) => (dim === 1 ? [i] : [])));

/** Part of a value: `from`, `to` and `by` for each of the axes. A negative step becomes a list of indices. */
function sliced(
  x: Value,
  from: readonly number[],
  to: readonly number[],
  given?: readonly number[],
  by: readonly number[] = from.map(() => 1),
): Value {
  const axes = (given ?? from.map((_, i) => i)).map((axis) => normalizeAxis('Slice', axis, x.shape.length));
  const forward = axes.flatMap((_, i) => (by[i]! > 0 ? [i] : []));
  const part = <T>(list: readonly T[]): T[] => forward.map((i) => list[i]!);
  const ahead = forward.length > 0 ? slice(x, part(from), part(to), part(axes), part(by)) : x;
  return axes.reduce((y, axis, i) => {
    if (by[i]! > 0) return y;
    const size = y.shape[axis];
    if (typeof size !== 'number') throw new Error(`axis ${axis} of ${showShape(y.shape)} is open; bind it`);
    const all = Array.from({ length: size }, (_, at) => at);
    const first = Math.min(from[i]! < 0 ? from[i]! + size : from[i]!, size - 1);
    const last = Math.max(to[i]! < 0 ? to[i]! + size : to[i]!, -1);
    return gather(
      y,
      ints(all.toReversed().filter((at) => at <= first && at > last && (first - at) % -by[i]! === 0)),
      axis,
    );
  }, ahead);
}

/** By a list of sizes, or in equal parts with a smaller last one. */
function split({ x, int, ints: list, numbers, outputs }: Foreign): readonly Value[] {
  const axis = normalizeAxis('Split', int('axis', 0), x.shape.length);
  const size = x.shape[axis]!;
  const given = list('split') ?? numbers(1);
  const count = int('num_outputs', outputs.length);
  if (typeof size !== 'number') throw new Error(`axis ${axis} of ${showShape(x.shape)} is open; bind it`);
  const each = Math.ceil(size / count);
  const lengths = given ?? Array.from({ length: count }, (_, i) => Math.min(each, size - i * each));
  if (lengths.reduce((a, b) => a + b, 0) !== size) {
    throw new Error(`parts of [${lengths.join()}] do not fill an axis of ${size}`);
  }
  let start = 0;
  return lengths.map((length) => {
    start += length;
    return slice(x, [start - length], [start], [axis]);
  });
}

/** Where each element of a padded axis comes from; -1 for one that is new. */
const sources: Readonly<Record<string, (i: number, size: number) => number>> = {
  edge: (i, size) => Math.min(Math.max(i, 0), size - 1),
  wrap: (i, size) => ((i % size) + size) % size,
  reflect: (i, size) => {
    const period = Math.max(1, 2 * (size - 1));
    const at = ((i % period) + period) % period;
    return at < size ? at : period - at;
  },
};

/** Pads in any mode: `pads` are begins, then ends, for each of `axes`; a negative one takes away. */
function padded(
  x: Value,
  pads: readonly number[],
  axes: readonly number[],
  mode: string,
  value?: Value,
): Value {
  const rank = x.shape.length;
  if (pads.length !== 2 * axes.length) throw new Error(`${pads.length} pads do not fit ${axes.length} axes`);
  const begins = pads.slice(0, axes.length);
  const ends = pads.slice(axes.length);
  const cut = axes.flatMap((axis, i) => (begins[i]! < 0 || ends[i]! < 0 ? [{ axis, i }] : []));
  const kept =
    cut.length === 0
      ? x
      : slice(
          x,
          cut.map(({ i }) => Math.max(0, -begins[i]!)),
          cut.map(({ i }) => (ends[i]! < 0 ? ends[i]! : 2 ** 31)),
          cut.map(({ axis }) => axis),
        );
  const more = axes.map((axis, i) => ({ axis, begin: Math.max(0, begins[i]!), end: Math.max(0, ends[i]!) }));
  if (mode === 'constant') {
    const full = new Array<number>(2 * rank).fill(0);
    for (const { axis, begin, end } of more) {
      full[axis] = begin;
      full[axis + rank] = end;
    }
    return full.every((n) => n === 0) ? kept : pad(kept, full, value);
  }
  const source = sources[mode];
  if (!source) throw new Error(`mode ${mode} is not supported`);
  return more.reduce((y, { axis, begin, end }) => {
    if (begin === 0 && end === 0) return y;
    const [size] = knownShape('Pad', { ...y, shape: [y.shape[axis]!] }) as [number];
    const from = Array.from({ length: begin + size + end }, (_, i) => source(i - begin, size));
    return gather(y, ints(from), axis);
  }, kept);
}

const all = (x: Value): number[] => x.shape.map((_, i) => i);

/** Whether only axes of one element are repeated; how often may be open. */
const spreads = (x: Value, repeats: readonly Dim[]): boolean =>
  repeats.length === x.shape.length && repeats.every((times, axis) => times === 1 || x.shape[axis] === 1);

/** Repeats along each axis: [a,b] twice along the second is [a,b,a,b]. */
function tiled(x: Value, repeats: readonly number[]): Value {
  if (repeats.length !== x.shape.length)
    throw new Error(`${repeats.length} repeats do not fit ${showShape(x.shape)}`);
  const axes = repeats.flatMap((n, axis) => (n === 1 ? [] : [axis]));
  if (axes.length === 0) return x;
  const places = axes.map((axis, i) => axis + i);
  const target: number[] = new Array<number>(x.shape.length + axes.length).fill(1);
  axes.forEach((axis, i) => (target[places[i]!] = repeats[axis]!));
  const wide = expand(unsqueeze(x, places), ints(target));
  return reshapeAs(
    wide,
    x.shape.map((dim, axis) => (repeats[axis] === 1 ? dim : timesDim(dim, repeats[axis]!))),
  );
}

function timesDim(dim: Dim, n: number): number {
  if (typeof dim !== 'number') throw new Error(`an open axis (${dim}) cannot be repeated; bind it`);
  return dim * n;
}

/** [N,C,H,W] -> [N,C/b^2,H*b,W*b]; the block's place stands before the channel (DCR) or behind it (CRD). */
function depthToSpace({ x, int, text }: Foreign): Value {
  const b = int('blocksize', 1);
  const [n, c, h, w] = x.shape as [Dim, number, number, number];
  const depth = c / (b * b);
  const isDcr = text('mode', 'DCR') === 'DCR';
  const parts = reshapeAs(x, isDcr ? [n, b, b, depth, h, w] : [n, depth, b, b, h, w]);
  return reshapeAs(transpose(parts, isDcr ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]), [
    n,
    depth,
    h * b,
    w * b,
  ]);
}

/** [N,C,H,W] -> [N,C*b^2,H/b,W/b] */
function spaceToDepth({ x, int }: Foreign): Value {
  const b = int('blocksize', 1);
  const [n, c, h, w] = x.shape as [Dim, number, number, number];
  const parts = transpose(reshapeAs(x, [n, c, h / b, b, w / b, b]), [0, 3, 5, 1, 2, 4]);
  return reshapeAs(parts, [n, c * b * b, h / b, w / b]);
}

/** A sum of all elements up to each: a product with a triangle of ones. */
function cumulated({ x, known, int }: Foreign): Value {
  const axis = normalizeAxis('CumSum', known(1)[0]!, x.shape.length);
  const [isExclusive, isReverse] = [int('exclusive', 0), int('reverse', 0)];
  const [size] = knownShape('CumSum', { ...x, shape: [x.shape[axis]!] }) as [number];
  const counts = (from: number, to: number): boolean =>
    isReverse ? from > to || (from === to && !isExclusive) : from < to || (from === to && !isExclusive);
  const ones = Array.from({ length: size * size }, (_, i) => Number(counts(Math.floor(i / size), i % size)));
  const last = x.shape.length - 1;
  const perm = all(x).with(axis, last).with(last, axis);
  const rows = axis === last ? x : transpose(x, perm);
  const row = rows.shape.length === 1;
  const sums = matmul(row ? unsqueeze(rows, [0]) : rows, constant(tensorOf(x.dtype, [size, size], ones)));
  const back = row ? squeeze(sums, [0]) : sums;
  return axis === last ? back : transpose(back, perm);
}

/** Zeros below (`upper`) or above the k-th diagonal. */
function triangle({ x, numbers, int }: Foreign): Value {
  const isUpper = int('upper', 1) === 1;
  const k = numbers(1)?.[0] ?? 0;
  const [rows, columns] = knownShape('Trilu', { ...x, shape: x.shape.slice(-2) }) as [number, number];
  const keeps = Array.from({ length: rows * columns }, (_, i) => {
    const diagonal = (i % columns) - Math.floor(i / columns);
    return Number(isUpper ? diagonal >= k : diagonal <= k);
  });
  return where(constant(tensorOf('bool', [rows, columns], keeps)), x, 0);
}

/** Where numbers stand: reshapes, slices, gathers, pads; and values that are made of sizes. */
export const movement: Family = {
  Reshape: { 5: reshapeInto },
  Flatten: {
    1: ({ x, int }) => {
      const axis = int('axis', 1);
      return apply('Flatten', [x], { axis })[0]!;
    },
  },
  Transpose: { 1: primitive('Transpose') },
  Expand: { 8: expanded },
  Squeeze: {
    1: ({ x, ints: list }) => squeezed(x, list('axes')),
    13: ({ x, numbers }) => squeezed(x, numbers(1)),
  },
  Unsqueeze: {
    1: ({ x, ints: list }) => unsqueeze(x, list('axes') ?? []),
    13: ({ x, numbers }) => unsqueeze(x, numbers(1) ?? []),
  },
  Slice: {
    1: ({ x, ints: list }) => sliced(x, list('starts') ?? [], list('ends') ?? [], list('axes')),
    10: ({ x, known, numbers }) => sliced(x, known(1), known(2), numbers(3), numbers(4)),
  },
  Split: { 2: split },
  Concat: { 4: ({ inputs, int }) => concat(inputs, needed(int('axis'), 'axis')) },
  Pad: {
    2: ({ x, ints: list, text, float }) => {
      const value = float('value', 0);
      const pads = list('pads') ?? [];
      return padded(
        x,
        pads,
        all(x),
        text('mode', 'constant'),
        value === 0 ? undefined : scalar(value, x.dtype),
      );
    },
    11: ({ x, known, numbers, text, maybe }) => {
      const axes = numbers(3);
      const mode = text('mode', 'constant');
      const given = maybe(2);
      const value = given && given.shape.length > 0 ? reshape(given, []) : given;
      return padded(
        x,
        known(1),
        axes ? axes.map((axis) => normalizeAxis('Pad', axis, x.shape.length)) : all(x),
        mode,
        value ?? undefined,
      );
    },
  },
  Tile: {
    6: ({ x, at, dims, known }) => (spreads(x, dims(1)) ? expand(x, at(1)) : tiled(x, known(1))),
  },
  DepthToSpace: { 1: depthToSpace },
  SpaceToDepth: { 1: spaceToDepth },
  CumSum: { 11: cumulated },
  Trilu: { 14: triangle },
  Dropout: {
    1: ({ x, float, int, numbers, outputs }) => {
      float('ratio');
      int('seed');
      int('is_test');
      const drops = numbers(2)?.[0] && (numbers(1)?.[0] ?? 0.5) !== 0;
      if (drops) throw new Error('drops at random: the model was exported in training mode');
      return [x, outputs[1] ? equal(x, x) : null];
    },
  },
};
