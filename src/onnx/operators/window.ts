import type { Value, Window } from '../../builder/ir.ts';
import { spatial } from '../../builder/window.ts';
import type { Foreign } from '../foreign.ts';

/** A window with all its fields, as the builder takes it: `auto_pad` has become pads. */
export interface Full {
  readonly kernel_shape: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

/** The window of a convolution or a pool over `x`, with ONNX's defaults. */
export function windowOf({ op, x, ints, text }: Foreign, kernel: readonly number[]): Full {
  const ones = kernel.map(() => 1);
  const strides = ints('strides') ?? ones;
  const dilations = ints('dilations') ?? ones;
  const given = ints('pads');
  const auto = text('auto_pad', 'NOTSET');
  const rank = x.shape.length - 2;
  const lists = { kernel_shape: kernel, strides, dilations };
  for (const [name, list] of Object.entries(lists)) {
    if (list.length !== rank) throw new Error(`${name} [${list.join()}] does not fit ${rank} spatial axes`);
  }
  const none = [...ones, ...ones].map(() => 0);
  if (auto === 'NOTSET') return { ...lists, pads: given ?? none };
  if (auto === 'VALID') return { ...lists, pads: none };
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') throw new Error(`auto_pad ${auto} is not supported`);
  // as many outputs as strides fit: ceil(size / stride)
  const totals = spatial(op, x).map((size, i) => {
    const reach = dilations[i]! * (kernel[i]! - 1) + 1;
    return Math.max(0, (Math.ceil(size / strides[i]!) - 1) * strides[i]! + reach - size);
  });
  return { ...lists, pads: halves(totals, auto === 'SAME_UPPER') };
}

/** Begins, then ends, that make the totals; an odd one is larger at the end, or at the beginning. */
export function halves(totals: readonly number[], atEnd: boolean): readonly number[] {
  const small = totals.map((total) => Math.floor(total / 2));
  const large = totals.map((total) => Math.ceil(total / 2));
  return atEnd ? [...small, ...large] : [...large, ...small];
}

/** The kernel's size: that of the weight, which an attribute may repeat. */
export function kernelOf({ op, ints }: Foreign, w: Value): readonly number[] {
  const own = spatial(op, w);
  const said = ints('kernel_shape');
  if (said && said.join() !== own.join()) {
    throw new Error(`kernel_shape [${said.join()}] is not that of the weight, [${own.join()}]`);
  }
  return own;
}

/** Without the fields that have ONNX's defaults. */
export const brief = ({ dilations, strides, pads }: Full, group = 1): Window => ({
  strides,
  pads,
  ...(dilations.some((d) => d !== 1) && { dilations }),
  ...(group !== 1 && { group }),
});
