import { showType, type Value, type Window } from './ir.ts';
import type { Dim } from './shape.ts';

/** A sliding window with every field filled in; pads are begins, then ends. */
export interface Geometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
  readonly ends: readonly number[];
}

/** The window's geometry with ONNX's defaults. Throws on auto_pad, on a list of the wrong length and on bad numbers. */
export function geometry(op: string, kernel: readonly number[], attrs: Window): Geometry {
  const rank = kernel.length;
  if (attrs.auto_pad !== undefined && attrs.auto_pad !== 'NOTSET') {
    throw new Error(`${op}: auto_pad ${attrs.auto_pad} is not supported; give pads`);
  }
  const list = (what: string, values: readonly number[] | undefined, length: number, otherwise: number) => {
    if (values && values.length !== length) {
      throw new Error(`${op}: ${what} [${values}] needs ${length} numbers for a ${rank}-dimensional window`);
    }
    if (values?.some((n) => !Number.isInteger(n) || n < otherwise)) {
      throw new Error(`${op}: ${what} [${values}] must be whole numbers >= ${otherwise}`);
    }
    return values ?? new Array<number>(length).fill(otherwise);
  };
  const pads = list('pads', attrs.pads, 2 * rank, 0);
  return {
    kernel,
    strides: list('strides', attrs.strides, rank, 1),
    dilations: list('dilations', attrs.dilations, rank, 1),
    begins: pads.slice(0, rank),
    ends: pads.slice(rank),
  };
}

/** Sizes after the channel axis: they must be known. */
export function spatial(op: string, x: Value): readonly number[] {
  return x.shape.slice(2).map((dim: Dim) => {
    if (typeof dim !== 'number') throw new Error(`${op}: spatial sizes of ${showType(x)} must be known`);
    return dim;
  });
}

/** floor((size + pads - dilation * (kernel - 1) - 1) / stride) + 1 */
export function convSpatial(op: string, x: Value, w: Value, attrs: Window): readonly number[] {
  return slide(op, x, geometry(op, spatial(op, w), attrs));
}

/** As a convolution's; with ceil_mode rounded up, save for a window that would begin in the end padding. */
export function poolSpatial(op: string, x: Value, attrs: Window & { ceil_mode?: number }): readonly number[] {
  const kernel = attrs.kernel_shape;
  if (!kernel || kernel.length !== x.shape.length - 2) {
    throw new Error(`${op}: kernel_shape [${kernel}] does not fit ${showType(x)}`);
  }
  const g = geometry(op, kernel, attrs);
  if (kernel.some((k, i) => g.begins[i]! >= k || g.ends[i]! >= k)) {
    throw new Error(`${op}: pads [${attrs.pads}] must be smaller than the kernel [${kernel}]`);
  }
  if (attrs.ceil_mode !== 1) return slide(op, x, g);
  const sizes = spatial(op, x);
  return slide(op, x, g, Math.ceil).map((length, i) =>
    (length - 1) * g.strides[i]! >= sizes[i]! + g.begins[i]! ? length - 1 : length,
  );
}

/** stride * (size - 1) + output_padding + dilation * (kernel - 1) + 1 - pads */
export function convTransposeSpatial(
  op: string,
  x: Value,
  w: Value,
  attrs: Window & { output_padding?: readonly number[]; output_shape?: readonly number[] },
): readonly number[] {
  if (attrs.output_shape) throw new Error(`${op}: output_shape is not supported; give output_padding`);
  const { kernel, strides, dilations, begins, ends } = geometry(op, spatial(op, w), attrs);
  return spatial(op, x).map((size, i) => {
    const more = attrs.output_padding?.[i] ?? 0;
    if (!(more >= 0 && more < strides[i]!)) {
      throw new Error(
        `${op}: output_padding [${attrs.output_padding}] must be smaller than the strides [${strides}]`,
      );
    }
    const length =
      strides[i]! * (size - 1) + more + dilations[i]! * (kernel[i]! - 1) + 1 - begins[i]! - ends[i]!;
    if (length < 1) throw new Error(`${op}: pads [${attrs.pads}] leave nothing of ${showType(x)}`);
    return length;
  });
}

/** How many positions the window takes along each spatial axis of `x`. */
export function slide(op: string, x: Value, g: Geometry, rounding = Math.floor): readonly number[] {
  return spatial(op, x).map((size, i) => {
    const room = size + g.begins[i]! + g.ends[i]! - g.dilations[i]! * (g.kernel[i]! - 1) - 1;
    if (room < 0) throw new Error(`${op}: kernel [${g.kernel}] is larger than the padded ${showType(x)}`);
    return rounding(room / g.strides[i]!) + 1;
  });
}
