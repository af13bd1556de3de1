import type { AnyNode, Node, Value } from '../ir.ts';
import { concat, gather, gemm, matmul, reduceSum, reshape, slice, transpose } from '../ops.ts';
import { geometry, spatial, type Geometry } from '../window.ts';
import { inDirection } from './directions.ts';
import { channels, image, indexTable, rows, zeroRow, type Size } from './rows.ts';

/**
 * Convolutions as a product for each group of taps that meet the image at the same positions of the window. Nothing is
 * multiplied by padding: at 4x4 <-> 2x2 half of the taps of a 5x5 kernel lie outside of the image, and a single product
 * over the whole kernel (gemm.ts) does twice the work.
 */

/** Taps of one axis and the positions of the window at which each of them lies on the image. */
interface Band {
  readonly taps: readonly number[];
  readonly at: readonly number[];
}

/** The bands of one axis; their taps are the kernel's, in order. */
function bands(size: number, positions: number, axis: number, g: Geometry): readonly Band[] {
  const found: { taps: number[]; at: readonly number[] }[] = [];
  for (let tap = 0; tap < g.kernel[axis]!; tap++) {
    const at = range(positions).filter((o) => {
      const pixel = pixelOf(o, tap, axis, g);
      return pixel >= 0 && pixel < size;
    });
    const last = found.at(-1);
    if (last?.at.join() === at.join()) last.taps.push(tap);
    else found.push({ taps: [tap], at });
  }
  return found;
}

/**
 * Whether groups pay. Found with 5x5 kernels of stride 2 at batch 100, which have three bands an axis: from 30 % of padding and
 * 64 channels on (4x4 <-> 2x2 has 51 %, 7x7 <-> 4x4 36 %; not at 14x14 <-> 7x7 with 16 %). More bands would be many small
 * products. A tap that never meets the image is in no group, and needs another form.
 */
export function mostlyPadding(node: AnyNode, g: Geometry): boolean {
  const [pixels, windows] = sidesOf(node) ?? [];
  if (!pixels || !windows || Math.max(...g.strides) === 1) return false;
  const wide = [pixels, windows].every((side) => Number(side.shape[1]) >= 64);
  const axes = [0, 1].map((axis) => {
    const positions = Number(windows.shape[axis + 2]);
    const found = bands(Number(pixels.shape[axis + 2]), positions, axis, g);
    const onImage = found.reduce((n, { taps, at }) => n + taps.length * at.length, 0);
    return { found, share: onImage / (positions * g.kernel[axis]!) };
  });
  const few = axes.every(({ found }) => found.length <= 3 && found.every(({ at }) => at.length > 0));
  return wide && few && 1 - axes[0]!.share * axes[1]!.share > 0.3;
}

/** The image that a window slides over, and what it has a number for at each position. */
export function sidesOf({ op, inputs, outputs }: AnyNode): readonly Value[] | null {
  const [x, w] = inputs as readonly [Value, Value];
  const [y] = outputs as readonly [Value];
  switch (op) {
    case 'Conv':
      return [x, y];
    case 'ConvTranspose':
      return [y, x];
    case 'ConvWeightGrad':
      return [x, w];
    default:
      return null;
  }
}

/** A convolution, a transposed one or a weight gradient in this form. */
export const byGroups = inDirection({
  Conv: convByGroups,
  ConvTranspose: convTransposeByGroups,
  ConvWeightGrad: convWeightGradByGroups,
});

/** y = sum over groups of columns(x) W, each at its own positions. */
export function convByGroups({ inputs: [x, w, b], attrs, outputs: [y] }: Node<'Conv'>): Value {
  const plan = planOf('Conv', geometry('Conv', spatial('Conv', w), attrs), x, y!);
  const kernel = transpose(w, [2, 3, 1, 0]);
  const [oh, ow] = plan.positions;
  const m = w.shape[0] as number;
  const pixels = rows(x);
  const parts = plan.groups.flat().map((group) => ({
    rows: reshape(matmul(columns(pixels, group), tapsOf(kernel, group)), [-1, group.at.length, m]),
    to: group.at,
  }));
  return image(summed(parts, oh * ow), oh, ow, m, b);
}

/** dx = each group's dy W^T, summed at the pixels that its taps lie on. */
export function convTransposeByGroups({
  inputs: [x, w, b],
  attrs,
  outputs: [y],
}: Node<'ConvTranspose'>): Value {
  const g = geometry('ConvTranspose', spatial('ConvTranspose', w), attrs);
  const plan = planOf('ConvTranspose', g, y!, x);
  const kernel = transpose(w, [2, 3, 1, 0]);
  const [h, wide] = plan.size;
  const m = channels(y!);
  const windows = rows(x);
  const parts = plan.groups.flat().map((group) => ({
    rows: reshape(gemm(at(windows, group), tapsOf(kernel, group), null, { transB: 1 }), [
      -1,
      group.pixels.length,
      m,
    ]),
    to: group.pixels,
  }));
  return image(summed(parts, h * wide), h, wide, m, b);
}

/** dW of a group = columns(x)^T dy: the columns are the forward's own. */
export function convWeightGradByGroups({ inputs: [x, dy], attrs }: Node<'ConvWeightGrad'>): Value {
  const plan = planOf('ConvWeightGrad', geometry('ConvWeightGrad', attrs.kernel_shape, attrs), x, dy);
  const pixels = rows(x);
  const windows = rows(dy);
  const bandsOfRows = plan.groups.map((across) => {
    const parts = across.map((group) =>
      reshape(gemm(columns(pixels, group), at(windows, group), null, { transA: 1 }), [
        group.height,
        group.width,
        channels(x),
        channels(dy),
      ]),
    );
    return joined(parts, 1);
  });
  return transpose(joined(bandsOfRows, 0), [3, 2, 0, 1]);
}

/** A rectangle of taps, the positions that it is for, and the pixels that it meets there. */
interface Group {
  /** First tap of the rectangle, and its size in taps. */
  readonly from: Size;
  readonly height: number;
  readonly width: number;
  readonly at: readonly number[];
  /** Of each position in turn, the pixel under each tap. */
  readonly pixels: readonly number[];
  /** Every position there is, in order. */
  readonly everywhere: boolean;
}

interface Plan {
  readonly size: Size;
  readonly positions: Size;
  /** By band of rows, then of columns. */
  readonly groups: readonly (readonly Group[])[];
}

/** The groups of a window that slides over `pixels` [N,C,H,W] and takes the positions of `windows` [N,M,OH,OW]. */
function planOf(op: string, g: Geometry, pixels: Value, windows: Value): Plan {
  const size = spatial(op, pixels) as Size;
  const positions = spatial(op, windows) as Size;
  const [down, across] = [0, 1].map((axis) => bands(size[axis]!, positions[axis]!, axis, g)) as [
    readonly Band[],
    readonly Band[],
  ];
  const groups = down.map((r) =>
    across.map((c): Group => {
      const places = r.at.flatMap((i) => c.at.map((j) => [i, j] as const));
      return {
        from: [r.taps[0]!, c.taps[0]!],
        height: r.taps.length,
        width: c.taps.length,
        at: places.map(([i, j]) => i * positions[1] + j),
        pixels: places.flatMap(([i, j]) =>
          r.taps.flatMap((ki) => c.taps.map((kj) => pixelOf(i, ki, 0, g) * size[1] + pixelOf(j, kj, 1, g))),
        ),
        everywhere: places.length === positions[0] * positions[1],
      };
    }),
  );
  return { size, positions, groups };
}

const pixelOf = (position: number, tap: number, axis: number, g: Geometry): number =>
  position * g.strides[axis]! - g.begins[axis]! + tap * g.dilations[axis]!;

/** [N, H*W, C] -> [N*positions, taps*C] */
const columns = (pixels: Value, group: Group): Value =>
  reshape(gather(pixels, indexTable(group.pixels), 1), [
    -1,
    group.height * group.width * (pixels.shape[2] as number),
  ]);

/** [N, OH*OW, M] -> [N*positions, M] */
const at = (windows: Value, group: Group): Value =>
  reshape(group.everywhere ? windows : gather(windows, indexTable(group.at), 1), [
    -1,
    windows.shape[2] as number,
  ]);

/** [kh,kw,C,M] -> [taps*C, M] */
const tapsOf = (kernel: Value, { from, height, width }: Group): Value =>
  reshape(slice(kernel, from, [from[0] + height, from[1] + width], [0, 1]), [-1, kernel.shape[3] as number]);

/** Rows that are parts of sums: row i of `rows` [N, R, C] belongs to sum `to[i]`. -> [N, count, C] */
function summed(parts: readonly { rows: Value; to: readonly number[] }[], count: number): Value {
  const terms = range(count).map((): number[] => []);
  parts.flatMap(({ to }) => to).forEach((sum, row) => terms[sum]!.push(row));
  const slots = Math.max(...terms.map(({ length }) => length));
  const even = terms.every(({ length }) => length === slots);
  const all = parts.map((part) => part.rows);
  // a sum of fewer terms takes zeros in their place
  const none = parts.reduce((n, { to }) => n + to.length, 0);
  const list = even ? all : [...all.slice(0, -1), zeroRow(all.at(-1)!)];
  const table = terms.flatMap((of) => range(slots).map((i) => of[i] ?? none));
  const gathered = gather(joined(list, 1), indexTable(table), 1);
  const c = all[0]!.shape[2] as number;
  return slots === 1 ? gathered : reduceSum(reshape(gathered, [-1, count, slots, c]), { axes: [2] });
}

const joined = (parts: readonly Value[], axis: number): Value =>
  parts.length === 1 ? parts[0]! : concat(parts, axis);

const range = (length: number): readonly number[] => Array.from({ length }, (_, i) => i);
