import { dimsOf } from '../../builder/dims.ts';
import { knownShape } from '../../builder/fold-constants.ts';
import { constant, ints, scalar, tensorOf, type Value } from '../../builder/ir.ts';
import { add, apply, cast, expand, slice, unsqueeze, where } from '../../builder/ops.ts';
import { isStatic } from '../../builder/shape.ts';
import type { Family, Foreign } from '../foreign.ts';
import { primitive } from './primitive.ts';

/** Numbers from `start` to before `limit`; the limit may be an open size where they are counted from 0. */
function range({ x, at, known }: Foreign): Value {
  at(2);
  const [count] = dimsOf(at(1)) ?? [];
  if (typeof count === 'string' && known(0)[0] === 0 && known(2)[0] === 1) {
    return apply('Range', [x, at(1), at(2)], {})[0]!;
  }
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
/** Values that are made of numbers and sizes. */
export const constants: Family = {
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
  OneHot: { 9: oneHot },
};
