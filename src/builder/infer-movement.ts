import { constantNumbers, showType, type Node, type Type, type OpType } from './ir.ts';
import {
  broadcast,
  demand,
  integer,
  known,
  knownSizes,
  sameDtype,
  shapeOperand,
  shapes,
  sliceLength,
  type,
} from './checks.ts';
import { normalizeAxes, normalizeAxis, reshaped, sameShape, showShape, sizeOf, type Dim } from './shape.ts';

type Movement =
  | 'Reshape'
  | 'Transpose'
  | 'Expand'
  | 'Squeeze'
  | 'Unsqueeze'
  | 'Flatten'
  | 'Slice'
  | 'Pad'
  | 'Concat'
  | 'Gather'
  | 'GatherElements'
  | 'ScatterElements'
  | 'Shape'
  | 'Size'
  | 'Range'
  | 'Loop';

/** The part of the shape table that is about where numbers stand: reshapes, slices, gathers, loops. */
export const inferMovement: { readonly [K in Movement & OpType]: (node: Node<K>) => readonly Type[] } = {
  Reshape: ({ op, inputs: [x, shape], attrs: { allowzero = 0 } }) => {
    const like = shapeOperand(shape);
    if (like) {
      const fits = sizeOf(like.shape) === sizeOf(x.shape);
      demand(fits, op, `${showShape(x.shape)} does not reshape to ${showShape(like.shape)}`);
      return [type(x.dtype, like.shape)];
    }
    const wanted = knownSizes(op, 'shape', shape);
    const dims = reshaped(x.shape, wanted, allowzero);
    demand(dims !== null, op, `${showShape(x.shape)} does not reshape to ${showShape(wanted)}`);
    return [type(x.dtype, dims)];
  },
  Transpose: ({ op, inputs: [x], attrs: { perm } }) => {
    const order = perm ?? x.shape.map((_, i) => x.shape.length - 1 - i);
    const fits = order.length === x.shape.length && new Set(order).size === order.length;
    demand(
      fits && order.every((axis) => axis in x.shape),
      op,
      `perm [${order}] does not permute ${showShape(x.shape)}`,
    );
    return [
      type(
        x.dtype,
        order.map((axis) => x.shape[axis]!),
      ),
    ];
  },
  Expand: ({ op, inputs: [x, shape] }) => {
    const wanted = knownSizes(op, 'shape', shape);
    return [type(x.dtype, broadcast(op, x, { shape: wanted }))];
  },
  Squeeze: ({ op, inputs: [x, axes] }) => {
    const rank = x.shape.length;
    const drop = axes
      ? normalizeAxes(op, known(op, 'axes', axes), rank)
      : x.shape.flatMap((dim, i) => (dim === 1 ? [i] : []));
    for (const axis of drop)
      demand(x.shape[axis] === 1, op, `axis ${axis} of ${showShape(x.shape)} is not 1`);
    return [
      type(
        x.dtype,
        x.shape.filter((_, i) => !drop.includes(i)),
      ),
    ];
  },
  Unsqueeze: ({ op, inputs: [x, axes] }) => {
    const list = known(op, 'axes', axes);
    const out: Dim[] = [...x.shape];
    for (const axis of normalizeAxes(op, list, x.shape.length + list.length)) out.splice(axis, 0, 1);
    return [type(x.dtype, out)];
  },
  Flatten: ({ op, inputs: [x], attrs: { axis = 1 } }) => {
    const at = axis === x.shape.length ? axis : normalizeAxis(op, axis, x.shape.length);
    return [type(x.dtype, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))])];
  },
  Slice: ({ op, inputs: [x, starts, ends, axes, steps] }) => {
    const from = known(op, 'starts', starts);
    const to = known(op, 'ends', ends);
    const on = axes ? known(op, 'axes', axes) : from.map((_, i) => i);
    const by = steps ? known(op, 'steps', steps) : from.map(() => 1);
    const out = [...x.shape];
    on.forEach((axis, i) => {
      const at = normalizeAxis(op, axis, x.shape.length);
      out[at] = sliceLength(op, x.shape[at]!, from[i]!, to[i]!, by[i]!);
    });
    return [type(x.dtype, out)];
  },
  Pad: ({ op, inputs: [x, pads, value], attrs: { mode = 'constant' } }) => {
    sameDtype(op, x, value);
    demand(mode === 'constant', op, `mode ${mode} is not supported, only constant`);
    const list = known(op, 'pads', pads);
    const rank = x.shape.length;
    demand(list.length === 2 * rank, op, `${list.length} pads for a value of rank ${rank}`);
    return [
      type(
        x.dtype,
        x.shape.map((dim, i) => {
          const more = list[i]! + list[i + rank]!;
          if (more === 0) return dim;
          demand(
            typeof dim === 'number',
            op,
            `axis ${i} of ${showShape(x.shape)} is open and cannot be padded`,
          );
          return dim + more;
        }),
      ),
    ];
  },
  Concat: ({ op, inputs, attrs: { axis } }) => {
    const [first] = inputs;
    demand(first !== undefined, op, 'needs at least one value');
    const at = normalizeAxis(op, axis, first.shape.length);
    let length = 0;
    for (const x of inputs) {
      const fits = sameShape(x.shape.toSpliced(at, 1), first.shape.toSpliced(at, 1));
      demand(
        fits && x.dtype === first.dtype,
        op,
        `${showType(first)} and ${showType(x)} do not join on axis ${at}`,
      );
      const dim = x.shape[at]!;
      demand(typeof dim === 'number', op, `axis ${at} of ${showShape(x.shape)} is open`);
      length += dim;
    }
    return [type(first.dtype, first.shape.with(at, length))];
  },
  Gather: ({ op, inputs: [data, indices], attrs: { axis = 0 } }) => {
    integer(op, indices);
    const at = normalizeAxis(op, axis, data.shape.length);
    return [type(data.dtype, [...data.shape.slice(0, at), ...indices.shape, ...data.shape.slice(at + 1)])];
  },
  GatherElements: ({ op, inputs: [data, indices], attrs: { axis = 0 } }) => {
    integer(op, indices);
    normalizeAxis(op, axis, data.shape.length);
    demand(indices.shape.length === data.shape.length, op, `ranks of ${shapes(data, indices)} differ`);
    return [type(data.dtype, indices.shape)];
  },
  ScatterElements: ({ op, inputs: [data, indices, updates], attrs: { axis = 0, reduction = 'none' } }) => {
    integer(op, indices);
    normalizeAxis(op, axis, data.shape.length);
    demand(
      ['none', 'add'].includes(reduction),
      op,
      `reduction ${reduction} is not supported, only none and add`,
    );
    sameDtype(op, data, updates);
    demand(indices.shape.length === data.shape.length, op, `ranks of ${shapes(data, indices)} differ`);
    demand(sameShape(indices.shape, updates.shape), op, `${shapes(indices, updates)} differ`);
    return [type(data.dtype, data.shape)];
  },
  Shape: ({ inputs: [x] }) => [type('int64', [x.shape.length])],
  Size: () => [type('int64', [])],
  Range: ({ op, inputs: [start, limit, delta] }) => {
    const counts = known(op, 'start', start)[0] === 0 && known(op, 'delta', delta)[0] === 1;
    demand(counts, op, 'only numbers from 0 on are supported, each one more than the last');
    return [type(limit.dtype, knownSizes(op, 'limit', limit))];
  },
  Loop: ({ op, inputs: [trip, , ...carried], attrs: { body } }) => {
    const times = constantNumbers(trip)?.[0] ?? 'trip';
    const [, ...results] = Object.values(body.outputs);
    demand(
      results.length >= carried.length,
      op,
      `the body gives back fewer values than the ${carried.length} carried`,
    );
    carried.forEach((x, i) => {
      const next = results[i]!;
      demand(
        showType(x) === showType(next),
        op,
        `a carried value is ${showType(x)} and becomes ${showType(next)}`,
      );
    });
    return results.map((y, i) => type(y.dtype, i < carried.length ? y.shape : [times, ...y.shape]));
  },
};
