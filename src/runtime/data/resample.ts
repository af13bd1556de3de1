import type { Interpolation } from '../../models/classifier/options.ts';

/** Pixels in rows from the top, `height * width * channels` bytes, the channels of a pixel side by side. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** A size in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A part of a picture. */
export interface Part extends Size {
  readonly left: number;
  readonly top: number;
}

/** How much a pixel counts, by its distance from the centre in pixels of the smaller picture, and how far that reaches. */
interface Filter {
  readonly reach: number;
  readonly weight: (distance: number) => number;
}

/** Pillow's filters. */
const filters = {
  /** A triangle. */
  bilinear: { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  /** Keys's cubic with a = -1/2. */
  bicubic: {
    reach: 2,
    weight(distance) {
      const x = Math.abs(distance);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    },
  },
  /** sinc(x) sinc(x / 3) */
  lanczos: { reach: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
} as const satisfies Readonly<Record<Interpolation, Filter>>;

/** All that there are. */
export const interpolations = Object.keys(filters) as readonly Interpolation[];

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/**
 * A part of a picture after it was resized with a filter, which is widened when the picture becomes smaller: what PyTorch
 * calls `bilinear` or `bicubic` with `antialias`. The bytes are those of Pillow's `resize` up to version 12: along the rows
 * first, then down the columns, each rounded. Pillow 13 goes down first for some sizes, and some bytes then differ by 1.
 */
export function resample(
  picture: Pixels,
  size: Size,
  { left, top, width, height }: Part,
  interpolation: Interpolation = 'bilinear',
): Pixels {
  const filter = filters[interpolation];
  const columns = tapsOf(filter, picture.height, size.height, top, height);
  const first = columns[0]!.first;
  const end = Math.max(...columns.map((taps) => taps.first + taps.weights.length));
  const row = picture.width * picture.channels;
  const needed = { ...picture, height: end - first, data: picture.data.subarray(first * row, end * row) };
  const rows = along(needed, tapsOf(filter, picture.width, size.width, left, width));
  return down(
    rows,
    columns.map((taps) => ({ ...taps, first: taps.first - first })),
  );
}

/** The nearest integer; halves away from zero, as Pillow rounds. */
const rounded = (x: number): number => Math.sign(x) * Math.round(Math.abs(x));

/** The pixels that one pixel is made of: consecutive ones, and their weights in units of 2^-22, the sum of them 1. */
interface Taps {
  readonly first: number;
  readonly weights: Int32Array;
}

/** Pillow computes in integers with 22 bits after the point, so that 255 times 1 still fits in 32 bits. */
const bits = 22;
const half = 1 << (bits - 1);

function along({ width, height, channels, data }: Pixels, taps: readonly Taps[]): Pixels {
  const result = new Uint8ClampedArray(taps.length * height * channels);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (const { first, weights } of taps) {
      for (let c = 0; c < channels; c++) {
        let from = (y * width + first) * channels + c;
        let sum = half;
        for (let i = 0; i < weights.length; i++, from += channels) sum += weights[i]! * data[from]!;
        result[at++] = sum >> bits;
      }
    }
  }
  return { width: taps.length, height, channels, data: new Uint8Array(result.buffer) };
}

function down({ width, channels, data }: Pixels, taps: readonly Taps[]): Pixels {
  const row = width * channels;
  const result = new Uint8ClampedArray(taps.length * row);
  const sums = new Int32Array(row);
  for (const [y, { first, weights }] of taps.entries()) {
    sums.fill(half);
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]!;
      const start = (first + i) * row;
      for (let x = 0; x < row; x++) sums[x]! += weight * data[start + x]!;
    }
    for (let x = 0; x < row; x++) result[y * row + x] = sums[x]! >> bits;
  }
  return { width, height: taps.length, channels, data: new Uint8Array(result.buffer) };
}

/** For `count` of `to` pixels, from `start` on, the pixels out of `from` under a filter around each one's centre. */
function tapsOf(filter: Filter, from: number, to: number, start: number, count: number): readonly Taps[] {
  const scale = from / to;
  const unit = Math.max(1, scale);
  const reach = filter.reach * unit;
  return Array.from({ length: count }, (_, i) => {
    const centre = (start + i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const heights = Array.from({ length: end - first }, (__, tap) =>
      filter.weight((first + tap - centre + 0.5) / unit),
    );
    const sum = heights.reduce((total, height) => total + height, 0);
    return { first, weights: Int32Array.from(heights, (height) => rounded((height / sum) * 2 ** bits)) };
  });
}
