import { constant, tensorOf, type AnyNode, type Node, type Value } from '../ir.ts';
import { add, matmul, reshape, transpose } from '../ops.ts';
import { geometry, spatial, type Geometry } from '../window.ts';
import { inDirection } from './directions.ts';
import { isTrained } from './frozen.ts';
import { sidesOf } from './groups.ts';
import { channels, type Size } from './rows.ts';
import { axisOf, hasPoints, type Axis, type Matrix } from './toom.ts';

/**
 * Strided convolutions of many channels as one product of matrices a point (toom.ts). A 5x5 kernel of stride 2 at 14x14 <-> 7x7 has
 * 1,024 pairs of a position and a tap on the image, which are as many products of [N,C] and [C,M]; at points there are 440. At
 * 7x7 <-> 4x4 there are 100 for 256, at 4x4 <-> 2x2 36 for 49.
 *
 * Images stand as [H,W,N,C], so that going to the points and back is a product with a small constant matrix from the left.
 */

/**
 * Whether points pay: what is saved in the products of all three directions must be more than what it costs to bring kernels to
 * the points and their gradients back, which does not depend on the batch. The batch must be known.
 */
export function payAtPoints(node: AnyNode, g: Geometry): boolean {
  const [pixels, positions] = sidesOf(node) ?? [];
  const n = pixels?.shape[0];
  if (!pixels || !positions || typeof n !== 'number' || Math.max(...g.strides) === 1) return false;
  if (node.op !== 'ConvWeightGrad' && !isTrained(node.inputs[1]!)) return false;
  const isWide = [pixels, positions].every((side) => Number(side.shape[1]) >= 64);
  if (!isWide || pixels.dtype !== 'float32' || !hasPoints(g)) return false;
  // the matrices are mostly zeros where an image is large
  if (Math.max(...spatial(node.op, pixels)) > 16) return false;
  const axes = axesOf(g, pixels, positions);
  const [products, numbers] = [axes, kernelAxes(axes)].map((of) =>
    of.reduce((m, { taps }) => m * taps.length, 1),
  ) as [number, number];
  const onImage = [0, 1].reduce((m, axis) => m * tapsOnImage(pixels, positions, axis, g), 1);
  const kernel = g.kernel[0]! * g.kernel[1]!;
  return 3 * (onImage - products) * n > 2 * (numbers + kernel) * productsANumber;
}

/** How many multiplications take as long as one number of a kernel at the points, which is written once and read twice. */
const productsANumber = 30;

/** Pairs of a position and a tap on the image, along an axis. */
function tapsOnImage(pixels: Value, positions: Value, axis: number, g: Geometry): number {
  const [size, count] = [pixels, positions].map((side) => side.shape[axis + 2] as number) as [number, number];
  let pairs = 0;
  for (let o = 0; o < count; o++) {
    for (let tap = 0; tap < g.kernel[axis]!; tap++) {
      const pixel = o * g.strides[axis]! - g.begins[axis]! + tap;
      if (pixel >= 0 && pixel < size) pairs++;
    }
  }
  return pairs;
}

/** A convolution, a transposed one or a weight gradient in this form. */
export const byPoints = inDirection({
  Conv: convByPoints,
  ConvTranspose: convTransposeByPoints,
  ConvWeightGrad: convWeightGradByPoints,
});

function convByPoints({ inputs: [x, w, b], attrs, outputs: [y] }: Node<'Conv'>): Value {
  const axes = axesOf(geometry('Conv', spatial('Conv', w), attrs), x, y!);
  const product = matmul(pixelsAtPoints(x, axes), tapsAtPoints(w, axes));
  return fromPoints(
    product,
    axes.map(({ positions }) => positions),
    y!,
    b,
  );
}

function convTransposeByPoints({ inputs: [x, w, b], attrs, outputs: [y] }: Node<'ConvTranspose'>): Value {
  const axes = axesOf(geometry('ConvTranspose', spatial('ConvTranspose', w), attrs), y!, x);
  const product = matmul(positionsAtPoints(x, axes), transpose(tapsAtPoints(w, axes), [0, 2, 1]));
  return fromPoints(
    product,
    axes.map(({ pixels }) => pixels),
    y!,
    b,
  );
}

function convWeightGradByPoints({ inputs: [x, dy], attrs }: Node<'ConvWeightGrad'>): Value {
  const axes = axesOf(geometry('ConvWeightGrad', attrs.kernel_shape, attrs), x, dy);
  const product = matmul(transpose(pixelsAtPoints(x, axes), [0, 2, 1]), positionsAtPoints(dy, axes));
  const [kh, kw] = attrs.kernel_shape as Size;
  const back = matrix(transposed(tapsOf(axes)));
  const dw = matmul(back, reshape(product, [back.shape[1] as number, -1]));
  return transpose(reshape(dw, [kh, kw, channels(x), channels(dy)]), [3, 2, 0, 1]);
}

/** Tiles of the first axis are points of their own; those of the second are alike. */
type Axes = readonly [down: Axis, across: Axis];

const axesOf = (g: Geometry, pixels: Value, positions: Value): Axes =>
  [0, 1].map((axis) =>
    axisOf(pixels.shape[axis + 2] as number, positions.shape[axis + 2] as number, axis, g, axis === 1),
  ) as unknown as Axes;

/** [N,C,H,W] -> [points of both axes, tiles*N, C] */
const pixelsAtPoints = (x: Value, axes: Axes): Value =>
  toPoints(
    x,
    axes.map(({ pixels }) => pixels),
    axes,
  );
const positionsAtPoints = (y: Value, axes: Axes): Value =>
  toPoints(
    y,
    axes.map(({ positions }) => positions),
    axes,
  );

function toPoints(x: Value, matrices: readonly Matrix[], [down, across]: Axes): Value {
  const standing = transpose(x, [2, 3, 0, 1]);
  const c = channels(x);
  const n = x.shape[0] as number;
  const whole = leftwards(standing, matrices);
  return reshape(whole, [(down.pixels.length * across.pixels.length) / across.tiles, across.tiles * n, c]);
}

function fromPoints(
  product: Value,
  matrices: readonly Matrix[],
  y: Value,
  b: Value | null | undefined,
): Value {
  const [n, c, h, w] = y.shape as readonly [number, number, number, number];
  const [rows, columns] = matrices.map(({ length }) => length) as [number, number];
  const standing = leftwards(reshape(product, [rows, columns, n, c]), matrices.map(transposed));
  const pixels = reshape(standing, [h, w, n, c]);
  return transpose(b ? add(pixels, b) : pixels, [2, 3, 0, 1]);
}

/** The two first axes of [A,B,N,C], each multiplied with a matrix from the left: [A',B',N,C]. */
function leftwards(x: Value, [down, across]: readonly Matrix[]): Value {
  const [a, b, n, c] = x.shape as readonly [number, number, number, number];
  const [a2, b2] = [down!.length, across!.length];
  const separate = a2 * a * b + a2 * b2 * b;
  // one pass over memory instead of two, where it is not much more to multiply
  if (a2 * b2 * a * b <= 4 * separate || a2 * b2 * a * b <= longestProduct) {
    return reshape(matmul(matrix(both(down!, across!)), reshape(x, [a * b, n * c])), [a2, b2, n, c]);
  }
  const rows = reshape(matmul(matrix(down!), reshape(x, [a, b * n * c])), [a2, b, n * c]);
  return reshape(matmul(matrix(across!), rows), [a2, b2, n, c]);
}

/** Elements of a matrix that is so small that its multiplications take less time than another pass. */
const longestProduct = 5000;

/** The kernel [M,C,kh,kw] -> [points of both axes, C, M] */
function tapsAtPoints(w: Value, axes: Axes): Value {
  const [m, c, kh, kw] = w.shape as readonly [number, number, number, number];
  const stored = reshape(transpose(w, [2, 3, 1, 0]), [kh * kw, c * m]);
  return reshape(matmul(matrix(tapsOf(axes)), stored), [-1, c, m]);
}

/** Tiles that are computed at the same points are rows of one product, with one kernel. */
const kernelAxes = (axes: Axes): readonly Pick<Axis, 'taps'>[] =>
  axes.map(({ taps, tiles }) => ({ taps: taps.filter((_, row) => row % tiles === 0) }));

function tapsOf(axes: Axes): Matrix {
  const [down, across] = kernelAxes(axes).map(({ taps }) => taps) as [Matrix, Matrix];
  return both(down, across);
}

/** The Kronecker product. */
const both = (down: Matrix, across: Matrix): Matrix =>
  down.flatMap((rows) => across.map((columns) => rows.flatMap((x) => columns.map((y) => x * y))));

const transposed = (rows: Matrix): Matrix => rows[0]!.map((_, i) => rows.map((row) => row[i]!));

const matrix = (rows: Matrix): Value =>
  constant(tensorOf('float32', [rows.length, rows[0]!.length], rows.flat()));
