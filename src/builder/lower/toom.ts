import type { Geometry } from '../window.ts';

/** Rows of numbers. */
export type Matrix = readonly (readonly number[])[];

/**
 * One axis of a convolution as products of numbers (Toom-Cook; Winograd's minimal filtering): the sum over rows p of
 * pixels[p][h] positions[p][o] taps[p][t] is 1 where tap t of the window at position o lies on pixel h, and 0 elsewhere. So
 *
 *     y = positions^T ((pixels x) * (taps w))
 *
 * and both gradients are the same sum with another of the three left out. A row is a point and a tile, the tiles of a point
 * side by side.
 */
export interface Axis {
  readonly pixels: Matrix;
  readonly positions: Matrix;
  readonly taps: Matrix;
  /** Groups of positions, one after the other, that are computed at the same points. */
  readonly tiles: number;
}

/** Positions of a tile: with 3 taps, 4 of them are 6 products instead of 12. */
const longest = 4;

/** Points at which float32 rounds least, in this order. There are more, which round worse. */
const points = [0, 1, -1, 0.5, -2];

/** Coefficients of the longest product of polynomials that there are points for, infinity being one. */
const most = points.length + 1;

/** Whether there are enough points for a window. */
export const hasPoints = ({ kernel, strides }: Geometry): boolean =>
  kernel.every((k, axis) => longest + Math.ceil(k / strides[axis]!) - 1 <= most);

/**
 * With a stride of s, every s-th tap meets every s-th pixel: the products are those of s convolutions of stride 1.
 *
 * @param g of a window that {@link hasPoints}.
 * @param alike whether all tiles are computed at the same points, side by side, with the last reaching beyond the positions.
 */
export function axisOf(pixels: number, positions: number, axis: number, g: Geometry, alike: boolean): Axis {
  const [k, s, pad] = [g.kernel[axis]!, g.strides[axis]!, g.begins[axis]!];
  const begins = range(Math.ceil(positions / longest)).map((tile) => tile * longest);
  /** Rows of one phase of a tile, or of tiles side by side. */
  const rowsOf = (first: number, tiles: readonly number[], length: number): readonly Row[] => {
    const from = (((first - pad) % s) + s) % s;
    const part: Part = {
      pixels: Math.max(0, Math.ceil((pixels - from) / s)),
      positions: length,
      taps: Math.max(0, Math.ceil((k - first) / s)),
      shift: (first - pad - from) / s,
    };
    if (part.pixels === 0 || part.taps === 0) return [];
    return (begins.length > 1 ? overPositions(part) : fewest(part)).flatMap((point) =>
      tiles.map((begin) => ({
        pixels: range(pixels).map((h) => (h % s === from ? point.pixels((h - from) / s - begin) : 0)),
        positions: range(positions).map((o) => point.positions(o - begin)),
        taps: range(k).map((t) => (t % s === first ? point.taps((t - first) / s) : 0)),
      })),
    );
  };
  const together = alike || begins.length === 1;
  const rows = together
    ? range(s).flatMap((first) => rowsOf(first, begins, Math.min(longest, positions)))
    : begins.flatMap((begin) =>
        range(s).flatMap((first) => rowsOf(first, [begin], Math.min(longest, positions - begin))),
      );
  return {
    pixels: rows.map((row) => row.pixels),
    positions: rows.map((row) => row.positions),
    taps: rows.map((row) => row.taps),
    tiles: together ? begins.length : 1,
  };
}

interface Row {
  readonly pixels: readonly number[];
  readonly positions: readonly number[];
  readonly taps: readonly number[];
}

/** A convolution of stride 1: tap j of position o lies on pixel o + j + shift, where there is one. */
interface Part {
  readonly pixels: number;
  readonly positions: number;
  readonly taps: number;
  readonly shift: number;
}

/** What a point multiplies each of the three with; 0 outside of them. */
interface Point {
  readonly pixels: (i: number) => number;
  readonly positions: (o: number) => number;
  readonly taps: (j: number) => number;
}

const at = (row: readonly number[]) => (i: number) => row[i] ?? 0;
const reversed = (row: readonly number[]) => (i: number) => row[row.length - 1 - i] ?? 0;

/** Positions and taps are multiplied as polynomials, whose coefficients belong to pixels. */
const overPositions = ({ positions, taps, shift }: Part): readonly Point[] =>
  polynomialProduct(positions, taps).map(({ left, right, whole }) => ({
    positions: at(left),
    taps: at(right),
    pixels: (i) => at(whole)(i - shift),
  }));

/** The coefficients belong to positions. */
const overPixels = ({ pixels, taps, shift }: Part): readonly Point[] =>
  polynomialProduct(pixels, taps).map(({ left, right, whole }) => ({
    pixels: at(left),
    taps: reversed(right),
    positions: (o) => at(whole)(o + taps - 1 + shift),
  }));

/** The coefficients belong to taps. */
const overTaps = ({ pixels, positions, shift }: Part): readonly Point[] =>
  polynomialProduct(pixels, positions).map(({ left, right, whole }) => ({
    pixels: at(left),
    positions: reversed(right),
    taps: (j) => at(whole)(j + positions - 1 + shift),
  }));

/** Where windows lie on padding, one of the three may be shorter than the other two need it. */
function fewest(part: Part): readonly Point[] {
  const { pixels, positions, taps } = part;
  const forms = [
    overPositions,
    ...(pixels + taps - 1 <= most ? [overPixels] : []),
    ...(pixels + positions - 1 <= most ? [overTaps] : []),
  ];
  return forms
    .map((form) =>
      form(part).filter(
        (point) =>
          range(pixels).some((i) => point.pixels(i) !== 0) &&
          range(positions).some((o) => point.positions(o) !== 0) &&
          range(taps).some((j) => point.taps(j) !== 0),
      ),
    )
    .reduce((a, b) => (b.length < a.length ? b : a));
}

interface Evaluation {
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly whole: readonly number[];
}

/** The product of polynomials of a and b coefficients: its coefficients are the sum over points of whole * (left A) (right B). */
function polynomialProduct(a: number, b: number): readonly Evaluation[] {
  const count = a + b - 1;
  if (a === 1 || b === 1) {
    const unit = (i: number, length: number) => range(length).map((j) => (length === 1 || i === j ? 1 : 0));
    return range(count).map((i) => ({ left: unit(i, a), right: unit(i, b), whole: unit(i, count) }));
  }
  // the last is infinity: the highest coefficient
  const finite = points.slice(0, count - 1);
  if (count > most) throw new Error(`toom: no points for a product of ${count} coefficients`);
  return range(count).map((p) => {
    const x = finite[p];
    const powers = (length: number) =>
      range(length).map((i) => (x === undefined ? Number(i === length - 1) : x ** i));
    return { left: powers(a), right: powers(b), whole: interpolation(finite, p) };
  });
}

/** The polynomial that is 1 at one of the points and 0 at the others, and whose highest coefficient is 0; for infinity, 1 instead. */
function interpolation(finite: readonly number[], p: number): readonly number[] {
  const others = finite.filter((_, i) => i !== p);
  const through = (roots: readonly number[]) =>
    roots.reduce<readonly number[]>(
      (poly, root) => range(poly.length + 1).map((i) => (poly[i - 1] ?? 0) - root * (poly[i] ?? 0)),
      [1],
    );
  if (p === finite.length) return through(finite);
  const scale = others.reduce((product, other) => product * (finite[p]! - other), 1);
  return [...through(others).map((x) => x / scale), 0];
}

const range = (length: number): readonly number[] => Array.from({ length }, (_, i) => i);
