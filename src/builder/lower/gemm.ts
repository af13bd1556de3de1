import type { Node, Value } from '../ir.ts';
import { concat, conv, gather, gemm, matmul, reduceSum, reshape, transpose } from '../ops.ts';
import { geometry, spatial, type Geometry } from '../window.ts';
import { channels, image, indexTable, inverse, rows, zeroRow, type Size } from './rows.ts';

/**
 * Convolutions as matrix products over the whole batch. Images stand as [N, H*W, C] with channels last; an operand of a
 * product is gathered from them by a table of row numbers that is known when the graph is built (im2col).
 */

/** y = columns(x) W: [N*OH*OW, kh*kw*C] [kh*kw*C, M]. */
export function convByGemm({ inputs: [x, w, b], attrs }: Node<'Conv'>): Value {
  const g = geometry('Conv', spatial('Conv', w), attrs);
  const size = spatial('Conv', x) as Size;
  const [oh, ow] = outputSize(size, g);
  const m = w.shape[0] as number;
  const kernel = reshape(transpose(w, [2, 3, 1, 0]), [-1, m]);
  return image(matmul(columns(x, size, g), kernel), oh, ow, m, b);
}

/** dW = columns(x)^T dy: the columns are the forward's own. */
export function convWeightGradByGemm({ inputs: [x, dy], attrs }: Node<'ConvWeightGrad'>): Value {
  const g = geometry('ConvWeightGrad', attrs.kernel_shape, attrs);
  const [kh, kw] = g.kernel as Size;
  const cotangent = reshape(rows(dy), [-1, channels(dy)]);
  const dw = gemm(columns(x, spatial('Conv', x) as Size, g), cotangent, null, { transA: 1 });
  return transpose(reshape(dw, [kh, kw, channels(x), channels(dy)]), [3, 2, 0, 1]);
}

/**
 * Transposed convolution, one product a phase: with stride s the outputs fall into s*s groups, each of which meets its
 * own taps of the kernel (9, 6, 6 and 4 of 5x5 at stride 2). The kernel must be as long as the stride, or longer.
 */
export function convTransposeByPhases({
  inputs: [x, w, b],
  attrs,
  outputs: [y],
}: Node<'ConvTranspose'>): Value {
  const g = geometry('ConvTranspose', spatial('ConvTranspose', w), attrs);
  const size = spatial('ConvTranspose', x) as Size;
  const [oh, ow] = spatial('ConvTranspose', y!) as Size;
  const m = channels(y!);
  const flat = zeroRow(rows(x));
  const taps = reshape(transpose(w, [2, 3, 0, 1]), [-1, channels(x), m]);
  const order: number[] = [];
  const parts: Value[] = [];
  for (const rowPhase of phasesOf(oh, 0, g)) {
    for (const columnPhase of phasesOf(ow, 1, g)) {
      const table = rowPhase.at.flatMap((i) =>
        columnPhase.at.flatMap((j) => {
          order.push(i * ow + j);
          return rowPhase.taps.flatMap((ki) => columnPhase.taps.map((kj) => source(size, g, i, j, ki, kj)));
        }),
      );
      const used = rowPhase.taps.flatMap((ki) => columnPhase.taps.map((kj) => ki * g.kernel[1]! + kj));
      const length = used.length * channels(x);
      const left = reshape(gather(flat, indexTable(table), 1), [-1, length]);
      const product = matmul(left, reshape(gather(taps, indexTable(used), 0), [length, m]));
      parts.push(reshape(product, [-1, rowPhase.at.length * columnPhase.at.length, m]));
    }
  }
  const inOrder = parts.length === 1 ? parts[0]! : gather(concat(parts, 1), indexTable(inverse(order)), 1);
  return image(inOrder, oh, ow, m, b);
}

/**
 * Transposed convolution as one product with the whole kernel, [N*H*W, C] [C, kh*kw*M], whose columns are then summed
 * where they overlap (col2im). Reads each input once: the better form when there are few output channels.
 */
export function convTransposeByColumns({
  inputs: [x, w, b],
  attrs,
  outputs: [y],
}: Node<'ConvTranspose'>): Value {
  const g = geometry('ConvTranspose', spatial('ConvTranspose', w), attrs);
  const size = spatial('ConvTranspose', x) as Size;
  const [oh, ow] = spatial('ConvTranspose', y!) as Size;
  const [kh, kw] = g.kernel as Size;
  const m = channels(y!);
  const kernel = reshape(transpose(w, [2, 3, 1, 0]), [-1, channels(x)]);
  // An output that has fewer taps than others sums a zero in their place. A zero row behind each image's rows gives it
  // for little, except where there are so few rows that one more is much of the product.
  const few = size[0] * size[1] < 8;
  const left = reshape(few ? rows(x) : zeroRow(rows(x)), [-1, channels(x)]);
  const product = reshape(gemm(left, kernel, null, { transB: 1 }), [
    -1,
    (size[0] * size[1] + (few ? 0 : 1)) * kh * kw,
    m,
  ]);
  // at most ceil(k / s) taps a direction
  const reach = [0, 1].map((axis) => Math.ceil(g.kernel[axis]! / g.strides[axis]!));
  const none = size[0] * size[1] * kh * kw;
  const table: number[] = [];
  for (let i = 0; i < oh; i++) {
    for (let j = 0; j < ow; j++) {
      const found: number[] = [];
      for (let ki = 0; ki < kh; ki++) {
        for (let kj = 0; kj < kw; kj++) {
          const from = source(size, g, i, j, ki, kj);
          if (from < size[0] * size[1]) found.push(from * kh * kw + ki * kw + kj);
        }
      }
      for (let t = 0; t < reach[0]! * reach[1]!; t++) table.push(found[t] ?? none);
    }
  }
  const terms = gather(few ? zeroRow(product) : product, indexTable(table), 1);
  const slots = reach[0]! * reach[1]!;
  // one channel has no axis of its own: a sum along the last axis is the quick one
  const sum = reduceSum(reshape(terms, [-1, oh * ow, slots, ...(m === 1 ? [] : [m])]), { axes: [2] });
  return image(sum, oh, ow, m, b);
}

/**
 * At stride 1 a transposed convolution is a convolution with the kernel turned round and its channels swapped. Its pads
 * must be smaller than the kernel.
 */
export function convTransposeByFlip({
  inputs: [x, w, b],
  attrs,
  outputs: [y],
}: Node<'ConvTranspose'>): Value {
  const g = geometry('ConvTranspose', spatial('ConvTranspose', w), attrs);
  const last = g.kernel.map((k) => k - 1);
  const [kh, kw] = g.kernel as Size;
  const [c, m] = [channels(x), channels(y!)];
  const backwards = Array.from({ length: kh * kw }, (_, tap) => kh * kw - 1 - tap);
  const taps = gather(reshape(transpose(w, [2, 3, 1, 0]), [kh * kw, m, c]), indexTable(backwards), 0);
  const turned = transpose(reshape(taps, [kh, kw, m, c]), [2, 3, 0, 1]);
  const begins = last.map((k, i) => k - g.begins[i]!);
  const sizes = spatial('ConvTranspose', x);
  const ends = spatial('ConvTranspose', y!).map((out, i) => out - 1 + last[i]! + 1 - sizes[i]! - begins[i]!);
  return conv(x, turned, b ?? null, { pads: [...begins, ...ends] });
}

const outputSize = (size: Size, g: Geometry): Size =>
  [0, 1].map((i) => {
    const room = size[i]! + g.begins[i]! + g.ends[i]! - g.dilations[i]! * (g.kernel[i]! - 1) - 1;
    return Math.floor(room / g.strides[i]!) + 1;
  }) as unknown as Size;

/** im2col: [N,C,H,W] -> [N*OH*OW, kh*kw*C]. */
function columns(x: Value, size: Size, g: Geometry): Value {
  const [h, w] = size;
  const [oh, ow] = outputSize(size, g);
  const [kh, kw] = g.kernel as Size;
  const outside = h * w;
  const table: number[] = [];
  for (let i = 0; i < oh; i++) {
    for (let j = 0; j < ow; j++) {
      for (let ki = 0; ki < kh; ki++) {
        for (let kj = 0; kj < kw; kj++) {
          const r = i * g.strides[0]! - g.begins[0]! + ki * g.dilations[0]!;
          const c = j * g.strides[1]! - g.begins[1]! + kj * g.dilations[1]!;
          table.push(r >= 0 && r < h && c >= 0 && c < w ? r * w + c : outside);
        }
      }
    }
  }
  const from = table.includes(outside) ? zeroRow(rows(x)) : rows(x);
  return reshape(gather(from, indexTable(table), 1), [-1, kh * kw * channels(x)]);
}

/** Which input row feeds output (i, j) through tap (ki, kj) of a transposed convolution; H*W when none does. */
function source([h, w]: Size, g: Geometry, i: number, j: number, ki: number, kj: number): number {
  const r = (i + g.begins[0]! - ki) / g.strides[0]!;
  const c = (j + g.begins[1]! - kj) / g.strides[1]!;
  const inside = Number.isInteger(r) && Number.isInteger(c) && r >= 0 && r < h && c >= 0 && c < w;
  return inside ? r * w + c : h * w;
}

/** Output positions of one axis grouped by the taps that they meet. */
function phasesOf(length: number, axis: number, g: Geometry) {
  const stride = g.strides[axis]!;
  const all = Array.from({ length: g.kernel[axis]! }, (_, k) => k);
  return Array.from({ length: stride }, (_, phase) => ({
    at: Array.from({ length }, (_unused, i) => i).filter((i) => (i + g.begins[axis]!) % stride === phase),
    taps: all.filter((k) => k % stride === phase),
  })).filter(({ at }) => at.length > 0);
}
