import { evaluate, flatAlong, knownNumbers } from '../../builder/evaluate.ts';
import { knownShape } from '../../builder/fold-constants.ts';
import { constant, ints, isFloat, scalar, tensorOf, type Value } from '../../builder/ir.ts';
import {
  apply,
  cast,
  expand,
  gather,
  gatherElements,
  max,
  min,
  mul,
  reshape,
  scatterAdd,
  slice,
  squeeze,
  where,
} from '../../builder/ops.ts';
import { normalizeAxis, showShape, type Shape } from '../../builder/shape.ts';
import type { Family, Foreign } from '../foreign.ts';
import { reshapeAs } from './movement.ts';
import { inEachRow } from './rows.ts';

/**
 * One index, or several in a row, are a slice, whose gradient is cheap; all of a flat array in order, in any shape, are
 * what was flattened: PyTorch's exporter writes `as_strided` so.
 */
function gathered({ x, at, int }: Foreign): Value {
  const axis = normalizeAxis('Gather', int('axis', 0), x.shape.length);
  const indices = at(1);
  const size = x.shape[axis];
  const picked = x.shape.length === 1 && inEachRow(indices);
  const rows = picked && reshape(beforeReshape(x), [-1, picked.length]);
  if (picked && rows && rows.shape[0] === indices.shape[0]) {
    const { places, length } = picked;
    const isAll = places.length === length && places.every((place, i) => place === i);
    return reshape(isAll ? rows : gather(rows, ints(places), 1), [
      0,
      ...(indices.shape.slice(1) as number[]),
    ]);
  }
  const known = knownNumbers(indices);
  if (known && typeof size === 'number' && known.length > 0) {
    const list = known.map((i) => (i < 0 ? i + size : i));
    if (list.every((index, i) => index === list[0]! + i)) {
      const part = (): Value => slice(x, [list[0]!], [list[0]! + list.length], [axis]);
      if (indices.shape.length === 0) return squeeze(part(), [axis]);
      if (indices.shape.length === 1) return part();
      if (x.shape.length === 1 && list.length === size) {
        return reshape(beforeReshape(x), indices.shape as number[]);
      }
    }
  }
  return gather(x, indices, axis);
}

const beforeReshape = (x: Value): Value =>
  x.source.kind === 'node' && x.source.op === 'Reshape' ? x.source.inputs[0]! : x;

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
    const known = knownNumbers(indices);
    if (!known) throw new Error('indices must be constants, and are computed');
    const rest = knownShape('GatherND', { ...indices, shape: indices.shape.slice(batch) });
    const row = rest.reduce((a, b) => a * b, 1);
    // the same for every element of the batch, which may be open
    if (known.length > 0 && known.every((index, i) => index === known[i % row])) {
      const first = constant(tensorOf('int64', rest, known.slice(0, row)));
      return gatherFlat(x, first, batch, depth, indices.shape.slice(batch, -1));
    }
    const all = withBatch(known, knownShape('GatherND', indices), batch);
    return gatherFlat(x, all, 0, batch + depth, indices.shape.slice(0, -1));
  }
  return gatherFlat(x, indices, 0, depth, indices.shape.slice(0, -1));
}

/** Indices [...batch,...,k] with the place in the batch before each: [...batch,...,batch+k]. */
function withBatch(known: readonly number[], shape: readonly number[], batch: number): Value {
  const sizes = shape.slice(0, batch);
  const depth = shape.at(-1)!;
  const perElement = shape.slice(batch, -1).reduce((a, b) => a * b, 1);
  const rows = Array.from({ length: known.length / depth }, (_, row) => {
    let rest = Math.floor(row / perElement);
    const place = sizes.toReversed().map((size) => {
      const at = rest % size;
      rest = Math.floor(rest / size);
      return at;
    });
    return [...place.toReversed(), ...known.slice(row * depth, (row + 1) * depth)];
  });
  return constant(tensorOf('int64', [...shape.slice(0, -1), batch + depth], rows.flat()));
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
  const merge = merges[how];
  if (merge) {
    const places = flat.flatMap((at) => Array.from({ length: row }, (_, i) => at * row + i));
    return merged(x, places, updates, merge);
  }
  const data = reshape(x, [rows, row]);
  const changes = reshape(updates, [flat.length, row]);
  return reshape(scattered(data, column, changes, 0, how, flat), knownShape('ScatterND', x));
}

/** What reductions other than a sum make of an element and its update. */
const merges: Readonly<Record<string, (a: Value, b: Value) => Value>> = { mul, min, max };

/** `x` with each update merged into the element at its flat place, one after the other where a place is named twice. */
function merged(
  x: Value,
  places: readonly number[],
  updates: Value,
  merge: (a: Value, b: Value) => Value,
): Value {
  const seen = new Map<number, number>();
  const rounds: { readonly place: number; readonly update: number }[][] = [];
  for (const [update, place] of places.entries()) {
    const round = seen.get(place) ?? 0;
    seen.set(place, round + 1);
    (rounds[round] ??= []).push({ place, update });
  }
  const changes = reshape(updates, [-1]);
  const flat = rounds.reduce(
    (so, round) => {
      const own = ints(round.map(({ place }) => place));
      const fresh = merge(gather(so, own), gather(changes, ints(round.map(({ update }) => update))));
      return scattered(so, own, fresh, 0, 'none', knownNumbers(own));
    },
    reshape(x, [-1]),
  );
  return reshape(flat, knownShape('Scatter', x));
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
  const merge = merges[how];
  if (merge) {
    if (!flat) throw new Error(`reduction ${how} is supported for constant indices only`);
    return merged(data, [...flat], updates, merge);
  }
  if (how !== 'none') throw new Error(`reduction ${how} is not supported`);
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

/** `input` where the condition holds, along an axis: with a known condition. */
function compressed({ x, known, int }: Foreign): Value {
  const axis = int('axis');
  const holds = known(1).flatMap((c, i) => (c ? [i] : []));
  return axis === undefined ? gather(reshape(x, [-1]), ints(holds)) : gather(x, ints(holds), axis);
}

/** Elements by their place: gathers and scatters. */
export const indexing: Family = {
  Gather: { 1: gathered },
  GatherElements: { 11: ({ x, at, int }) => gatherElements(x, at(1), int('axis', 0)) },
  GatherND: { 11: gatherNd },
  ScatterElements: { 11: scatterElements },
  ScatterND: { 11: scatterNd },
  Compress: { 9: compressed },
};
