import { constant, ints, isFloat, scalar, tensorOf, type Value } from '../../builder/ir.ts';
import {
  add,
  apply,
  cast,
  concat,
  equal,
  expand,
  gather,
  gatherElements,
  matmul,
  pad,
  reshape,
  scatterAdd,
  slice,
  squeeze,
  transpose,
  unsqueeze,
  where,
} from '../../builder/ops.ts';
import { evaluate, flatAlong, knownNumbers } from '../../builder/evaluate.ts';
import { knownShape } from '../../builder/fold-constants.ts';
import {
  isStatic,
  normalizeAxis,
  reshaped,
  reshapeTarget,
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

/** One index, or several in a row, are a slice, whose gradient is cheap. */
function gathered({ x, at, int }: Foreign): Value {
  const axis = normalizeAxis('Gather', int('axis', 0), x.shape.length);
  const indices = at(1);
  const size = x.shape[axis];
  const known = knownNumbers(indices);
  if (known && typeof size === 'number' && indices.shape.length <= 1 && known.length > 0) {
    const list = known.map((i) => (i < 0 ? i + size : i));
    if (list.every((index, i) => index === list[0]! + i)) {
      const part = slice(x, [list[0]!], [list[0]! + list.length], [axis]);
      return indices.shape.length === 0 ? squeeze(part, [axis]) : part;
    }
  }
  return gather(x, indices, axis);
}

/** The flat index in an array of `sizes` of each row of indices [...,k]. Throws when one points outside. */
function flatIndices(indices: Value, sizes: readonly number[]): number[] {
  const numbers = knownNumbers(indices);
  if (!numbers) throw new Error('indices must be constants, and are computed');
  const depth = sizes.length;
  return Array.from({ length: numbers.length / depth }, (_, row) =>
    sizes.reduce((flat, size, i) => {
      const index = numbers[row * depth + i]!;
      const at = index < 0 ? index + size : index;
      if (!(at >= 0 && at < size)) throw new Error(`index ${index} lies outside an axis of ${size}`);
      return flat * size + at;
    }, 0),
  );
}

const depthOf = (indices: Value): number => {
  const depth = indices.shape.at(-1);
  if (typeof depth !== 'number') throw new Error(`indices ${showShape(indices.shape)} must be known`);
  return depth;
};

/** Constant indices [...,k] into the first k axes after the batch: a Gather on those axes made one. */
function gatherNd({ x, at, int }: Foreign): Value {
  const indices = at(1);
  const batch = int('batch_dims', 0);
  const depth = depthOf(indices);
  if (batch > 0) {
    const first = firstOf(indices, batch);
    return gatherFlat(x, first, batch, depth, indices.shape.slice(batch, -1));
  }
  return gatherFlat(x, indices, 0, depth, indices.shape.slice(0, -1));
}

/** Indices that are the same for every element of the batch, once. */
function firstOf(indices: Value, batch: number): Value {
  const known = knownNumbers(indices) ?? [];
  const rest = knownShape('GatherND', { ...indices, shape: indices.shape.slice(batch) });
  const row = rest.reduce((a, b) => a * b, 1);
  if (known.length === 0 || !known.every((index, i) => index === known[i % row])) {
    throw new Error('batch_dims with indices that differ from image to image is not supported');
  }
  return constant(tensorOf('int64', rest, known.slice(0, row)));
}

function gatherFlat(x: Value, indices: Value, lead: number, depth: number, shape: Shape): Value {
  const sizes = knownShape('GatherND', { ...x, shape: x.shape.slice(lead, lead + depth) });
  const rest = x.shape.slice(lead + depth);
  const flat = reshapeAs(x, [...x.shape.slice(0, lead), sizes.reduce((a, b) => a * b, 1), ...rest]);
  return reshapeAs(gather(flat, ints(flatIndices(indices, sizes)), lead), [
    ...x.shape.slice(0, lead),
    ...shape,
    ...rest,
  ]);
}

/** `data` with other rows at constant indices [...,k]. */
function scatterNd({ x, at, text }: Foreign): Value {
  const [indices, updates] = [at(1), at(2)];
  const how = text('reduction', 'none');
  const depth = depthOf(indices);
  const sizes = knownShape('ScatterND', { ...x, shape: x.shape.slice(0, depth) });
  const rest = knownShape('ScatterND', { ...x, shape: x.shape.slice(depth) });
  const flat = flatIndices(indices, sizes);
  const rows = sizes.reduce((a, b) => a * b, 1);
  const row = rest.reduce((a, b) => a * b, 1);
  const column = expand(constant(tensorOf('int64', [flat.length, 1], flat)), ints([flat.length, row]));
  const data = reshape(x, [rows, row]);
  const changes = reshape(updates, [flat.length, row]);
  return reshape(scattered(data, column, changes, 0, how, flat), knownShape('ScatterND', x));
}

/**
 * `data` with updates added or put at indices along an axis. Those that are put replace zeros, so that the gradient is
 * that of a choice.
 */
function scattered(
  data: Value,
  indices: Value,
  updates: Value,
  axis: number,
  how: string,
  flat?: Iterable<number> | null,
): Value {
  if (how === 'add') return scatterAdd(data, indices, updates, axis);
  if (how !== 'none') throw new Error(`reduction ${how} is not supported, only none and add`);
  if (!isFloat(data) || (evaluate(data) && evaluate(updates))) {
    return apply('ScatterElements', [data, indices, updates], { axis, reduction: 'none' })[0]!;
  }
  if (!flat || new Set(flat).size < [...flat].length) {
    throw new Error('indices that may name one place twice are not supported');
  }
  const taken = scatterAdd(
    zeros(data),
    indices,
    expand(scalar(1, data.dtype), ints(knownShape('Scatter', updates))),
    axis,
  );
  const isTaken = cast(taken, 'bool');
  return where(isTaken, scatterAdd(zeros(data), indices, updates, axis), data);
}

const zeros = (like: Value): Value => expand(scalar(0, like.dtype), ints(knownShape('Scatter', like)));

function scatterElements({ x, at, int, text }: Foreign): Value {
  const axis = int('axis', 0);
  const how = text('reduction', 'none');
  const indices = at(1);
  const known = evaluate(indices);
  const flat =
    known && flatAlong('ScatterElements', { shape: knownShape('ScatterElements', x) }, known, axis);
  return scattered(x, indices, at(2), axis, how, flat);
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

/** Numbers from `start` to before `limit`. */
function range({ x, at, known }: Foreign): Value {
  at(2);
  const [start, limit, step] = [0, 1, 2].map((i) => known(i)[0]!) as [number, number, number];
  const length = Math.max(0, Math.ceil((limit - start) / step));
  if (!(length <= 2 ** 20)) throw new Error(`${length} numbers are too many`);
  return constant(
    tensorOf(
      x.dtype,
      [length],
      Array.from({ length }, (_, i) => start + i * step),
    ),
  );
}

/** One at each index, zero elsewhere, along a new axis. */
function oneHot({ x, at, known, int }: Foreign): Value {
  const depth = known(1)[0]!;
  const axis = int('axis', -1);
  const [off, on] = known(2) as [number, number];
  const { dtype } = at(2);
  const place = axis < 0 ? axis + x.shape.length + 1 : axis;
  const index = cast(x, 'int64');
  const positive = where(apply('Less', [index, scalar(0, 'int64')], {})[0]!, add(index, depth), index);
  const shape = new Array<number>(x.shape.length + 1).fill(1).with(place, depth);
  const places = constant(
    tensorOf(
      'int64',
      shape,
      Array.from({ length: depth }, (_, i) => i),
    ),
  );
  const hits = apply('Equal', [unsqueeze(positive, [place]), places], {})[0]!;
  return where(hits, scalar(on, dtype), scalar(off, dtype));
}

/** `input` where the condition holds, along an axis: with a known condition. */
function compressed({ x, known, int }: Foreign): Value {
  const axis = int('axis');
  const holds = known(1).flatMap((c, i) => (c ? [i] : []));
  return axis === undefined ? gather(reshape(x, [-1]), ints(holds)) : gather(x, ints(holds), axis);
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
  Tile: { 6: ({ x, known }) => tiled(x, known(1)) },
  Gather: { 1: gathered },
  GatherElements: { 11: ({ x, at, int }) => gatherElements(x, at(1), int('axis', 0)) },
  GatherND: { 11: gatherNd },
  ScatterElements: { 11: scatterElements },
  ScatterND: { 11: scatterNd },
  DepthToSpace: { 1: depthToSpace },
  SpaceToDepth: { 1: spaceToDepth },
  CumSum: { 11: cumulated },
  Trilu: { 14: triangle },
  Compress: { 9: compressed },
  OneHot: { 9: oneHot },
  Shape: {
    1: ({ x, int }) => {
      const rank = x.shape.length;
      const shape = apply('Shape', [x], {})[0]!;
      const [start, end] = [int('start', 0), int('end', rank)];
      return start === 0 && end >= rank ? shape : slice(shape, [start], [end], [0]);
    },
  },
  Size: { 1: primitive('Size') },
  ConstantOfShape: {
    9: ({ at, dims, tensor }) => {
      const value = tensor('value') ?? tensorOf('float32', [1], [0]);
      const shape = dims(0);
      return expand(constant({ ...value, shape: [] }), isStatic(shape) ? ints(shape) : at(0));
    },
  },
  Range: { 11: range },
  EyeLike: {
    9: ({ x, int, dtype }) => {
      const [rows, columns] = knownShape('EyeLike', x) as [number, number];
      const k = int('k', 0);
      const ones = Array.from({ length: rows * columns }, (_, i) =>
        Number((i % columns) - Math.floor(i / columns) === k),
      );
      return constant(tensorOf(dtype('dtype') ?? x.dtype, [rows, columns], ones));
    },
  },
  Constant: { 1: constantNode },
  Dropout: {
    1: ({ x, float, int, numbers, outputs }) => {
      float('ratio');
      int('seed');
      int('is_test');
      if (numbers(2)?.[0]) throw new Error('drops at random: the model was exported in training mode');
      return [x, outputs[1] ? equal(x, x) : null];
    },
  },
};

/** A constant in any of its forms. */
function constantNode({ tensor, float, floats, int, ints: list }: Foreign): Value {
  const value = tensor('value');
  if (value) return constant(value);
  const [number, whole] = [float('value_float'), int('value_int')];
  if (number !== undefined) return scalar(number);
  if (whole !== undefined) return scalar(whole, 'int64');
  const numbers = floats('value_floats');
  if (numbers) return constant(tensorOf('float32', [numbers.length], numbers));
  const wholes = list('value_ints');
  if (wholes) return ints(wholes);
  throw new Error('has no value that is a number');
}
