import { type AnyNode, type Node, type Value } from '../ir.ts';
import { add, gather, gemm, matmul, pad, reduceSum, reshape, transpose } from '../ops.ts';
import { geometry, spatial, type Geometry } from '../window.ts';
import { inDirection } from './directions.ts';
import { sidesOf } from './groups.ts';
import { channels, indexTable, type Size } from './rows.ts';

/**
 * Strided convolutions of few channels as one product whose rows are positions, and at each of them images: [OH,OW,N,M]. Its columns are
 * gathered in pieces of a whole batch, where those of single images (gemm.ts) are gathered number by number.
 */

/**
 * Whether this pays: for a large batch, and for one channel where the batch is open. With more channels that might be one image, for
 * which the table of a gather would be as long as its columns.
 */
export function payAcrossBatch(node: AnyNode, g: Geometry): boolean {
  const [pixels, positions] = sidesOf(node) ?? [];
  if (!pixels || !positions || Math.max(...g.strides) === 1 || Number(positions.shape[1]) < 16) return false;
  // even kernels are the phases of C's pools (phases.ts): in this form its step takes 27.9 ms, in theirs 22.8
  if (g.kernel.some((k) => k % 2 === 0)) return false;
  const [n, c] = pixels.shape;
  return typeof n === 'number' ? n >= 32 && Number(c) < 8 : c === 1;
}

/** A convolution, a transposed one or a weight gradient in this form. */
export const acrossBatch = inDirection({
  Conv: convAcrossBatch,
  ConvTranspose: convTransposeAcrossBatch,
  ConvWeightGrad: convWeightGradAcrossBatch,
});

/** y = columns(x)^T W */
function convAcrossBatch({ inputs: [x, w, b], attrs, outputs: [y] }: Node<'Conv'>): Value {
  const g = geometry('Conv', spatial('Conv', w), attrs);
  const kernel = reshape(transpose(w, [2, 3, 1, 0]), [-1, channels(y!)]);
  const product = gemm(columnsAcross(x, y!, g), kernel, null, { transA: 1 });
  const [, c, h, wide] = y!.shape as readonly [unknown, number, number, number];
  const pixels = reshape(product, [h, wide, -1, c]);
  return transpose(b ? add(pixels, b) : pixels, [2, 3, 0, 1]);
}

/** dW = columns(x) dy */
function convWeightGradAcrossBatch({ inputs: [x, dy], attrs }: Node<'ConvWeightGrad'>): Value {
  const g = geometry('ConvWeightGrad', attrs.kernel_shape, attrs);
  const m = channels(dy);
  const dw = matmul(columnsAcross(x, dy, g), reshape(transpose(dy, [2, 3, 0, 1]), [-1, m]));
  return transpose(reshape(dw, [...attrs.kernel_shape, channels(x), m]), [3, 2, 0, 1]);
}

/** The transposed convolution to few channels: each position's products are summed at the pixels that they belong to. */
function convTransposeAcrossBatch({ inputs: [x, w, b], attrs, outputs: [y] }: Node<'ConvTranspose'>): Value {
  const g = geometry('ConvTranspose', spatial('ConvTranspose', w), attrs);
  const [, c, h, wide] = y!.shape as readonly [unknown, number, number, number];
  const kernel = reshape(transpose(w, [2, 3, 1, 0]), [-1, channels(x)]);
  const rows = reshape(transpose(x, [2, 3, 0, 1]), [-1, channels(x)]);
  const positions = spatial('ConvTranspose', x) as Size;
  const none = g.kernel[0]! * g.kernel[1]! * c * positions[0] * positions[1];
  const product = reshape(gemm(kernel, rows, null, { transB: 1 }), [none, -1]);
  const places = lookup(y!, positions, c, g);
  const terms: number[][] = Array.from({ length: c * h * wide }, () => []);
  places.forEach((pixel, row) => void (pixel !== null && terms[pixel]!.push(row)));
  const slots = Math.max(...terms.map(({ length }) => length));
  const table = terms.flatMap((of) => Array.from({ length: slots }, (_, i) => of[i] ?? none));
  const gathered = gather(pad(product, [0, 0, 1, 0]), indexTable(table), 0);
  const sum = reduceSum(reshape(gathered, [c * h * wide, slots, -1]), { axes: [1] });
  const standing = transpose(reshape(sum, [h, wide, c, -1]), [3, 2, 0, 1]);
  return b ? add(standing, reshape(b, [c, 1, 1])) : standing;
}

/** [N,C,H,W] -> [taps*C, positions*N] */
function columnsAcross(x: Value, y: Value, g: Geometry): Value {
  const [, c, h, w] = x.shape as readonly [unknown, number, number, number];
  const rows = reshape(transpose(x, [2, 3, 1, 0]), [h * w * c, -1]);
  const table = lookup(x, spatial('Conv', y) as Size, c, g).map((row) => row ?? h * w * c);
  const taps = g.kernel[0]! * g.kernel[1]! * c;
  return reshape(gather(pad(rows, [0, 0, 1, 0]), indexTable(table), 0), [taps, -1]);
}

/** For each tap, channel and position in turn, the pixel and channel under it; null on padding. */
function lookup(x: Value, [oh, ow]: Size, c: number, g: Geometry): readonly (number | null)[] {
  const [h, w] = spatial('Conv', x) as Size;
  const [kh, kw] = g.kernel as Size;
  const out: (number | null)[] = [];
  for (let ki = 0; ki < kh; ki++)
    for (let kj = 0; kj < kw; kj++)
      for (let channel = 0; channel < c; channel++)
        for (let i = 0; i < oh; i++)
          for (let j = 0; j < ow; j++) {
            const [row, column] = [
              i * g.strides[0]! - g.begins[0]! + ki,
              j * g.strides[1]! - g.begins[1]! + kj,
            ];
            const isInside = row >= 0 && row < h && column >= 0 && column < w;
            out.push(isInside ? (row * w + column) * c + channel : null);
          }
  return out;
}
