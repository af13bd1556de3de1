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

/**
 * A part of a picture after it was resized with a triangle filter, which is widened when the picture becomes smaller: what
 * PyTorch calls `bilinear` with `antialias`. The bytes are those of Pillow's `resize(size, BILINEAR)` up to version 12:
 * along the rows first, then down the columns, each rounded. Pillow 13 goes down first for some sizes, and some bytes then
 * differ by 1.
 */
export function resample(picture: Pixels, size: Size, { left, top, width, height }: Part): Pixels {
  const columns = tapsOf(picture.height, size.height, top, height);
  const first = columns[0]!.first;
  const end = Math.max(...columns.map((taps) => taps.first + taps.weights.length));
  const row = picture.width * picture.channels;
  const needed = { ...picture, height: end - first, data: picture.data.subarray(first * row, end * row) };
  const rows = along(needed, tapsOf(picture.width, size.width, left, width));
  return down(
    rows,
    columns.map((taps) => ({ ...taps, first: taps.first - first })),
  );
}

/** The pixels that one pixel is made of: consecutive ones, and their weights in units of 2^-22, the sum of them 1. */
interface Taps {
  readonly first: number;
  readonly weights: Int32Array;
}

/** Pillow computes in integers with 22 bits after the point, so that 255 times 1 still fits in 32 bits. */
const bits = 22;
const half = 1 << (bits - 1);

function along({ width, height, channels, data }: Pixels, taps: readonly Taps[]): Pixels {
  const result = new Uint8Array(taps.length * height * channels);
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
  return { width: taps.length, height, channels, data: result };
}

function down({ width, channels, data }: Pixels, taps: readonly Taps[]): Pixels {
  const row = width * channels;
  const result = new Uint8Array(taps.length * row);
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
  return { width, height: taps.length, channels, data: result };
}

/** For `count` of `to` pixels, from `start` on, the pixels out of `from` under a triangle around each one's centre. */
function tapsOf(from: number, to: number, start: number, count: number): readonly Taps[] {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: count }, (_, i) => {
    const centre = (start + i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const heights = Array.from({ length: end - first }, (__, tap) =>
      Math.max(0, 1 - Math.abs((first + tap - centre + 0.5) / reach)),
    );
    const sum = heights.reduce((total, height) => total + height, 0);
    return { first, weights: Int32Array.from(heights, (height) => Math.round((height / sum) * 2 ** bits)) };
  });
}
