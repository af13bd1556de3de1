import { constant, tensorOf, type Ops, type Value } from '../ir.ts';
import { add, pad, reshape, transpose } from '../ops.ts';
import { spatial } from '../window.ts';

/** Images as the operands of products: [N, H*W, C], channels last, so that a row is a pixel. */

const toLast = [0, 2, 3, 1];
const toFirst = [0, 3, 1, 2];

/** [N,C,H,W] -> [N, H*W, C] */
export function rows(x: Value): Value {
  const [h, w] = spatial('gemm', x) as [number, number];
  return reshape(transpose(x, toLast), [-1, h * w, channels(x)]);
}

/**
 * [N, H*W, C] or any matrix of as many elements, and a bias [C] -> [N,C,H,W]. The bias is added to the four axes, not to a
 * product itself: ONNX Runtime would make both one Gemm, whose bias a single thread writes first (2 ms for 19,600 x 64).
 */
export function image(x: Value, h: number, w: number, c: number, b?: Value | null): Value {
  const pixels = reshape(x, [-1, h, w, c]);
  const biased = b ? add(pixels, c === 1 ? reshape(b, []) : b) : pixels;
  return transpose(biased, toFirst);
}

/** Whether an image [N,C,H,W] is one with its channels last, transposed. */
export const isChannelsLast = ({ source }: Value): boolean =>
  source.kind === 'node' &&
  source.op === 'Transpose' &&
  (source.attrs as Ops['Transpose']['attrs']).perm?.join() === toFirst.join();

export type Size = readonly [height: number, width: number];

export const channels = (x: Value): number => x.shape[1] as number;

export const indexTable = (numbers: readonly number[]): Value =>
  constant(tensorOf('int64', [numbers.length], numbers));

/** [N, P, C] -> [N, P+1, C], the last row zero: what a window reads outside the image. */
export const zeroRow = (x: Value): Value => pad(x, [0, 0, 0, 0, 1, 0]);

/** Where each element went: inverse(order)[order[i]] = i. */
export function inverse(order: readonly number[]): readonly number[] {
  const out = new Array<number>(order.length);
  order.forEach((to, i) => (out[to] = i));
  return out;
}
