import type { AnyNode, Node, Value } from '../ir.ts';
import { add, concat, gather, gemm, matmul, pad, reshape, slice, transpose, unsqueeze } from '../ops.ts';
import { geometry, slide, spatial, type Geometry } from '../window.ts';
import { inDirection } from './directions.ts';
import { isTrained } from './frozen.ts';
import { convTransposeByFlip } from './gemm.ts';
import { channels, image, indexTable, rows, zeroRow, type Size } from './rows.ts';

/**
 * Convolutions of stride 1 as one product whose rows are pairs of neighbouring pixels. A pair of outputs shares the pixels under
 * its windows, one column of the kernel more than a window has. The columns are gathered in longer pieces and hold half as many
 * numbers as those of single pixels (gemm.ts), and the product has twice as many columns; a 5x5 kernel costs 6/5 of the
 * multiplications for that. Both widths must be even.
 */

/** A convolution, a transposed one or a weight gradient in this form. */
export const byPairs = inDirection({
  Conv: convByPairs,
  ConvTranspose: convTransposeByPairs,
  ConvWeightGrad: convWeightGradByPairs,
});

/** y = columns(x) W: [N*OH*OW/2, kh*cells*2C] [kh*cells*2C, 2M]. */
export function convByPairs({ inputs: [x, w, b], attrs, outputs: [y] }: Node<'Conv'>): Value {
  const pairs = pairsOf(x, geometry('Conv', spatial('Conv', w), attrs));
  const [oh, ow] = spatial('Conv', y!) as Size;
  const kernel = widened(transpose(w, [2, 3, 1, 0]), pairs);
  const pixels = paddedRows(x, pairs);
  const products = chunks(pixels, pairs).map((images) => matmul(columns(images, pairs), kernel));
  return image(products.length === 1 ? products[0]! : concat(products, 0), oh, ow, channels(y!), b);
}

/** The same with the kernel turned round; its pads must be smaller than the kernel. */
export function convTransposeByPairs(node: Node<'ConvTranspose'>): Value {
  return convByPairs(convTransposeByFlip(node).source as Node<'Conv'>);
}

/** dW: of each output of a pair its own taps, summed. The columns are the forward's own. */
export function convWeightGradByPairs({ inputs: [x, dy], attrs }: Node<'ConvWeightGrad'>): Value {
  const pairs = pairsOf(x, geometry('ConvWeightGrad', attrs.kernel_shape, attrs));
  const [kh, kw] = attrs.kernel_shape as Size;
  const [c, m] = [channels(x), channels(dy)];
  const both = gemm(columns(paddedRows(x, pairs), pairs), reshape(rows(dy), [-1, 2 * m]), null, {
    transA: 1,
  });
  const taps = reshape(both, [kh, 2 * pairs.cells, c, 2, m]);
  const [left, right] = pairs.begins.map((begin, p) =>
    reshape(slice(taps, [begin, p], [begin + kw, p + 1], [1, 3]), [kh, kw, c, m]),
  );
  return transpose(add(left!, right!), [3, 2, 0, 1]);
}

/**
 * Whether pairs pay: found for kernels of 5x5 with 16 to 32 channels on both sides. Of 3x3 they cost 4/3 of the multiplications,
 * and ONNX Runtime's own convolutions are faster.
 */
export function payInPairs({ op, inputs, outputs }: AnyNode, { kernel, strides }: Geometry): boolean {
  if (op !== 'Conv' && op !== 'ConvTranspose' && op !== 'ConvWeightGrad') return false;
  const [x, other] = inputs as readonly [Value, Value];
  const y = op === 'ConvWeightGrad' ? other : outputs[0]!;
  const sides = [x, y].map((side) => ({ channels: Number(side.shape[1]), width: Number(side.shape[3]) }));
  return (
    Math.max(...strides) === 1 &&
    kernel[1]! >= 5 &&
    (op === 'ConvWeightGrad' || isTrained(other)) &&
    sides.every(({ channels: count, width }) => count >= 16 && count <= 32 && width % 2 === 0)
  );
}

interface Pairs {
  readonly geometry: Geometry;
  /** The first pair of pixels under the windows of a pair of outputs, counted from its own, and how many there are. */
  readonly first: number;
  readonly cells: number;
  /** The pixels before the window of the left output, and of the right one. */
  readonly begins: readonly [number, number];
  /** Pairs of outputs. */
  readonly positions: Size;
  /** Pairs of pixels. */
  readonly size: Size;
}

function pairsOf(x: Value, g: Geometry): Pairs {
  const [oh, ow] = slide('Conv', x, g) as Size;
  const [h, wide] = spatial('Conv', x) as Size;
  const first = Math.floor(-g.begins[1]! / 2);
  const cells = Math.floor((g.kernel[1]! - g.begins[1]!) / 2) - first + 1;
  const begin = -g.begins[1]! - 2 * first;
  return {
    geometry: g,
    first,
    cells,
    begins: [begin, begin + 1],
    positions: [oh, ow / 2],
    size: [h, wide / 2],
  };
}

/** [N,C,H,W] -> [N, H*W/2 + 1, 2C], a pair of pixels a row, the last row zero. */
const paddedRows = (x: Value, { size: [h, wide] }: Pairs): Value =>
  zeroRow(reshape(rows(x), [-1, h * wide, 2 * channels(x)]));

/** So many numbers of columns are still in a processor's cache when they are multiplied. */
const cached = 2 ** 20;

/** The images in parts whose columns fit into a cache; all of them where their number is open. */
function chunks(images: Value, pairs: Pairs): readonly Value[] {
  const [count] = images.shape;
  if (typeof count !== 'number') return [images];
  const most = cached / (pairs.positions[0] * pairs.positions[1] * lengthOf(images, pairs));
  const size = range(count + 1).findLast((n) => n > 0 && count % n === 0 && (n <= most || n === 1))!;
  return range(count / size).map((i) => slice(images, [i * size], [(i + 1) * size], [0]));
}

/** Numbers in a row of the columns. */
const lengthOf = (images: Value, { geometry: g, cells }: Pairs): number =>
  g.kernel[0]! * cells * (images.shape[2] as number);

/** [N, H*W/2 + 1, 2C] -> [N*OH*OW/2, kh*cells*2C] */
function columns(images: Value, pairs: Pairs): Value {
  const { geometry: g, first, cells, positions, size: [h, wide] } = pairs; // prettier-ignore
  const outside = h * wide;
  const table = range(positions[0]).flatMap((i) =>
    range(positions[1]).flatMap((j) =>
      range(g.kernel[0]!).flatMap((tap) =>
        range(cells).map((cell) => {
          const [r, q] = [i - g.begins[0]! + tap, j + first + cell];
          return r >= 0 && r < h && q >= 0 && q < wide ? r * wide + q : outside;
        }),
      ),
    ),
  );
  return reshape(gather(images, indexTable(table), 1), [-1, lengthOf(images, pairs)]);
}

/** The kernel [kh,kw,C,M] for both outputs of a pair, with zeros where one of them has no tap: [kh*cells*2C, 2M]. */
function widened(kernel: Value, { cells, begins }: Pairs): Value {
  const [kh, kw, c, m] = kernel.shape as readonly [number, number, number, number];
  const parts = begins.map((begin) =>
    unsqueeze(pad(kernel, [0, begin, 0, 0, 0, 2 * cells - kw - begin, 0, 0]), [3]),
  );
  return reshape(concat(parts, 3), [kh * cells * 2 * c, 2 * m]);
}

const range = (length: number): readonly number[] => Array.from({ length }, (_, i) => i);
