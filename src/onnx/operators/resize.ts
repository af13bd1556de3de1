import { constant, ints, isFloat, tensorOf, type Value } from '../../builder/ir.ts';
import { add, expand, gather, matmul, mul, sub, unsqueeze, zerosLike } from '../../builder/ops.ts';
import { normalizeAxes } from '../../builder/shape.ts';
import type { Family, Foreign } from '../foreign.ts';
import { swapped } from './arithmetic.ts';
import { reshapeAs } from './movement.ts';

/** How one axis is resized. */
interface Resizing {
  readonly mode: string;
  readonly coordinates: string;
  readonly rounding: string;
  /** The cubic kernel's a. */
  readonly sharpness: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
  /** Which part of the axis is resized, its ends in parts of the whole; null for all of it. */
  readonly part: readonly [from: number, to: number] | null;
}

const { fround } = Math;

/** Where an output stands in the input, in float32 as ONNX Runtime computes it. */
const coordinate: Readonly<
  Record<string, (i: number, scale: number, size: number, length: number) => number>
> = {
  half_pixel: (i, scale) => fround(fround(fround(i + 0.5) / scale) - 0.5),
  half_pixel_symmetric: (i, scale, size, length) => {
    const offset = (size / 2) * (1 - length / fround(scale * size));
    return fround(offset + fround(fround(i + 0.5) / scale) - 0.5);
  },
  pytorch_half_pixel: (i, scale, _, length) =>
    length > 1 ? fround(fround(fround(i + 0.5) / scale) - 0.5) : 0,
  align_corners: (i, _, size, length) => (length === 1 ? 0 : fround(fround(i * (size - 1)) / (length - 1))),
  asymmetric: (i, scale) => fround(i / scale),
  tf_half_pixel_for_nn: (i, scale) => fround(fround(i + 0.5) / scale),
};

const nearest: Readonly<Record<string, (x: number, scale: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
  // what opset 10 leaves open and ONNX Runtime does
  simple: (x, scale) => (scale < 1 ? Math.ceil(x) : Math.floor(x)),
};

/** The share of an element at a distance, for linear and cubic interpolation (Keys 1981). */
const kernels = {
  linear: { reach: 1, at: (d: number) => Math.max(0, 1 - Math.abs(d)) },
  cubic: {
    reach: 2,
    at: (distance: number, a: number) => {
      const d = Math.abs(distance);
      if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
    },
  },
} as const;

/** `tf_crop_and_resize`: the ends of the part are centres of outer elements. */
function cropped(i: number, size: number, length: number, [from, to]: readonly [number, number]): number {
  const last = size - 1;
  if (length === 1) return fround((fround(from + to) * last) / 2);
  return fround(fround(from * last) + i * fround((fround(to - from) * last) / (length - 1)));
}

/** No taps stand for the value outside the image. */
type Taps = readonly (readonly [from: number, share: number])[];

/** Which elements of an axis make an output, and in what shares. */
function taps(i: number, scale: number, size: number, length: number, how: Resizing): Taps {
  const x = how.part
    ? cropped(i, size, length, how.part)
    : coordinate[how.coordinates]!(i, scale, size, length);
  if (how.part && !(x >= 0 && x <= size - 1)) return [];
  const inside = (at: number): number => Math.min(Math.max(at, 0), size - 1);
  if (how.mode === 'nearest') {
    const rounding = nearest[how.rounding];
    if (!rounding) throw new Error(`nearest_mode ${how.rounding} is not supported`);
    return [[inside(rounding(x, scale)), 1]];
  }
  if (how.mode !== 'linear' && how.mode !== 'cubic') throw new Error(`mode ${how.mode} is not supported`);
  const { reach, at } = kernels[how.mode];
  const stretch = how.antialias ? Math.max(1, 1 / scale) : 1;
  const isInside = (place_: number): boolean => place_ >= 0 && place_ < size;
  const first = Math.floor(x) + 1 - Math.ceil(reach * stretch);
  const all = Array.from({ length: 2 * Math.ceil(reach * stretch) }, (_, k) => first + k);
  const shares = all.map((from) => [from, at((x - from) / stretch, how.sharpness)] as const);
  const counted = how.excludeOutside ? shares.filter(([from]) => isInside(from)) : shares;
  const total = counted.reduce((sum, [, share]) => sum + share, 0);
  return counted.map(([from, share]) => [inside(from), share / total]);
}

/** One axis resized: repeated where each element becomes as many, otherwise a product with the matrix of shares. */
function along(x: Value, axis: number, length: number, scale: number, how: Resizing): Value {
  const size = x.shape[axis] as number;
  const rows = Array.from({ length }, (_, i) => taps(i, scale, size, length, how));
  const sources = rows.map((row) => row[0]?.[0] ?? -1);
  const times = length / size;
  if (
    how.mode === 'nearest' &&
    sources.every((from, i) => from === Math.floor(i / times)) &&
    Number.isInteger(times)
  ) {
    const target = new Array<number>(x.shape.length + 1).fill(1).with(axis + 1, times);
    return reshapeAs(expand(unsqueeze(x, [axis + 1]), ints(target)), x.shape.with(axis, length));
  }
  if (!isFloat(x)) {
    if (how.mode !== 'nearest') throw new Error(`${how.mode} interpolation of ${x.dtype} is not supported`);
    if (sources.includes(-1)) throw new Error(`a part outside an image of ${x.dtype} is not supported`);
    return gather(x, ints(sources), axis);
  }
  const matrix = new Array<number>(length * size).fill(0);
  rows.forEach((row, i) => row.forEach(([from, share]) => (matrix[i * size + from]! += share)));
  const rank = x.shape.length;
  const shares = constant(tensorOf(x.dtype, [length, size], matrix));
  if (axis === rank - 2) return matmul(shares, x);
  if (axis === rank - 1) return matmul(x, swapped(shares));
  const flat = reshapeAs(x, [
    ...x.shape.slice(0, axis + 1),
    x.shape.slice(axis + 1).reduce<number>((a, dim) => a * Number(dim), 1),
  ]);
  return reshapeAs(matmul(shares, flat), x.shape.with(axis, length));
}

/** All axes by factors or to sizes. */
function resized(
  x: Value,
  axes: readonly number[],
  scales: readonly number[],
  sizes: readonly number[] | null,
  how: (i: number) => Resizing,
): Value {
  return axes.reduce((y, axis, i) => {
    const size = y.shape[axis];
    const { part } = how(i);
    // of a part too, the factor is that to the whole axis, as ONNX Runtime has it
    const length = sizes ? sizes[i]! : typeof size === 'number' ? Math.floor(size * fround(scales[i]!)) : NaN;
    const isWhole = !part || (part[0] === 0 && part[1] === 1);
    if (isWhole && (size === length || scales[i] === 1)) return y;
    if (typeof size !== 'number') throw new Error(`axis ${axis} is open (${size}); bind it`);
    const scale = scales[i] === undefined ? length / size : scales[i];
    return along(y, axis, length, fround(scale), how(i));
  }, x);
}

const plain = (mode: string, coordinates: string, rounding: string): Resizing => ({
  mode,
  coordinates,
  rounding,
  sharpness: -0.75,
  excludeOutside: false,
  antialias: false,
  part: null,
});

const all = (x: Value): readonly number[] => x.shape.map((_, i) => i);

const older =
  (rounding: string, scalesOf: (node: Foreign) => readonly number[] | undefined) =>
  (node: Foreign): Value => {
    const scales = scalesOf(node);
    if (!scales) throw new Error('has no scales');
    const how = plain(node.text('mode', 'nearest'), 'asymmetric', rounding);
    return resized(node.x, all(node.x), scales, null, () => how);
  };

/** The sizes that all axes have by one factor, so that none is larger, or smaller, than wanted. */
function keepingAspect(x: Value, axes: readonly number[], lengths: readonly number[], policy: string) {
  const choose = { not_larger: Math.min, not_smaller: Math.max }[policy];
  if (!choose) throw new Error(`keep_aspect_ratio_policy ${policy} is not supported`);
  const sizes = axes.map((axis) => x.shape[axis]);
  const open = sizes.findIndex((size) => typeof size !== 'number');
  if (open >= 0) throw new Error(`axis ${axes[open]} is open (${sizes[open]}); bind it`);
  const scale = choose(...lengths.map((length, i) => fround(length / (sizes[i] as number))));
  return {
    lengths: sizes.map((size) => Math.floor(fround(scale * (size as number)) + 0.5)),
    scales: axes.map(() => scale),
  };
}

function resize(node: Foreign): Value {
  const { x, text, float, int, ints: list, numbers, maybe } = node;
  const given = list('axes');
  const axes = given ? given.map((axis) => (axis < 0 ? axis + x.shape.length : axis)) : all(x);
  normalizeAxes('Resize', axes, x.shape.length);
  const policy = text('keep_aspect_ratio_policy', 'stretch');
  const outside = float('extrapolation_value', 0);
  const coordinates = text('coordinate_transformation_mode', 'half_pixel');
  const crops = coordinates === 'tf_crop_and_resize';
  if (!crops && !coordinate[coordinates]) {
    throw new Error(`coordinate_transformation_mode ${coordinates} is not supported`);
  }
  const how: Resizing = {
    mode: text('mode', 'nearest'),
    coordinates,
    rounding: text('nearest_mode', 'round_prefer_floor'),
    sharpness: float('cubic_coeff_a', -0.75),
    excludeOutside: int('exclude_outside', 0) === 1,
    antialias: int('antialias', 0) === 1,
    part: null,
  };
  const parts = crops ? node.known(1) : null;
  const howOf = (i: number): Resizing =>
    parts ? { ...how, part: [parts[i]!, parts[i + axes.length]!] } : how;
  const scales = numbers(2) ?? [];
  if (scales.length === 0 && !maybe(3)) throw new Error('has neither scales nor sizes');
  const lengths =
    scales.length > 0
      ? null
      : // an open size that stays as it is
        node.dims(3).map((size, i) => (size === x.shape[axes[i]!] ? (size as number) : Number(size)));
  const kept = lengths && policy !== 'stretch' ? keepingAspect(x, axes, lengths, policy) : null;
  const to = (image: Value): Value =>
    resized(image, axes, kept?.scales ?? scales, kept?.lengths ?? lengths, howOf);
  if (!crops || outside === 0) return to(x);
  // an image of ones stays 1 inside, whatever the interpolation
  return add(to(x), mul(sub(1, to(add(zerosLike(x), 1))), outside));
}

export const resizing: Family = {
  Upsample: {
    7: older('floor', ({ floats }) => floats('scales')),
    9: older('floor', ({ numbers }) => numbers(1)),
  },
  Resize: { 10: older('simple', ({ numbers }) => numbers(1)), 11: resize },
};
