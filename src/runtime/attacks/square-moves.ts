import type { Random } from '../random.ts';
import { balls } from './ball.ts';
import type { Images } from './images.ts';
import type { Norm, ThreatModel } from './threat.ts';

/** How Square begins and what it tries, for one image at a time. All results are in the ball and the range. */
export interface Moves {
  readonly begin: (origin: Images, threat: ThreatModel, random: Random) => Images;
  /**
   * @param covered the part of the image that a square covers, above 0 and at most 1.
   * @param into where the changed image is written.
   */
  readonly change: (
    best: Images,
    origin: Images,
    threat: ThreatModel,
    covered: number,
    random: Random,
    into: Float32Array,
  ) => void;
}

const signOf = (random: Random): 1 | -1 => (random.below(2) === 0 ? 1 : -1);

/** A square within an image. */
interface Window {
  readonly side: number;
  readonly top: number;
  readonly left: number;
}

function windowIn([, , height, width]: Images['shape'], side: number, random: Random): Window {
  return { side, top: random.below(height - side + 1), left: random.below(width - side + 1) };
}

/** The side of a square that covers a part of the image, `least` or more where the image is that large. */
function sideOf([, , height, width]: Images['shape'], covered: number, least: number): number {
  const side = Math.max(least, Math.round(Math.sqrt(covered * height * width)));
  return Math.min(side, height, width);
}

/** How often a square is drawn again that would change nothing: asking about it would waste a query. */
const redraws = 10;

/** L-infinity: every pixel is at the edge of its bounds, and all of a square's go to one side. */
const linf: Moves = {
  begin(origin, threat, random) {
    const [, channels, height, width] = origin.shape;
    const data = new Float32Array(origin.data.length);
    for (let channel = 0; channel < channels; channel++) {
      for (let column = 0; column < width; column++) {
        const far = signOf(random) * Math.fround(threat.eps);
        for (let row = 0; row < height; row++) {
          const at = (channel * height + row) * width + column;
          data[at] = origin.data[at]! + far;
        }
      }
    }
    return balls.linf.project({ data, shape: origin.shape }, origin, threat.eps, threat.range);
  },
  change(best, origin, { eps, range }, covered, random, into) {
    const [, channels, height, width] = best.shape;
    const reach = Math.fround(eps);
    const [low, high] = range ? range.map(Math.fround) : [-Infinity, Infinity];
    into.set(best.data);
    for (let tries = 0, changed = false; tries <= redraws && !changed; tries++) {
      const { side, top, left } = windowIn(best.shape, sideOf(best.shape, covered, 1), random);
      for (let channel = 0; channel < channels; channel++) {
        const up = signOf(random) === 1;
        for (let row = top; row < top + side; row++) {
          const from = (channel * height + row) * width + left;
          for (let at = from; at < from + side; at++) {
            const x = origin.data[at]!;
            const edge = Math.fround(up ? Math.min(x + reach, high!) : Math.max(x - reach, low!));
            changed ||= edge !== into[at];
            into[at] = edge;
          }
        }
      }
    }
  },
};

/** L2: the change is all spent, and a square takes what another one has. */
const l2: Moves = {
  begin(origin, threat, random) {
    const [, channels, height, width] = origin.shape;
    const change = new Float64Array(origin.data.length);
    const side = Math.max(1, Math.floor(Math.min(height, width) / 5));
    const peak = peaksOf(side, random);
    for (let top = 0; top + side <= height; top += side) {
      for (let left = 0; left + side <= width; left += side) {
        for (let channel = 0; channel < channels; channel++) {
          const sign = signOf(random);
          eachOf({ side, top, left }, channel, origin.shape, (at, i) => (change[at] = sign * peak[i]!));
        }
      }
    }
    return atFullLength(origin, change, threat);
  },
  change(best, origin, threat, covered, random, into) {
    const [, channels] = best.shape;
    const change = new Float64Array(best.data.length);
    for (let at = 0; at < change.length; at++) change[at] = best.data[at]! - origin.data[at]!;
    const side = sideOf(best.shape, covered, 3);
    const [taking, giving] = [windowIn(best.shape, side, random), windowIn(best.shape, side, random)];
    const left = Math.max(threat.eps ** 2 - squaresOf(change), 0) / channels;
    const peak = peaksOf(side, random);
    for (let channel = 0; channel < channels; channel++) {
      const sign = signOf(random);
      // the squares of what the taking window holds, and of what both hold, each pixel once
      let own = 0;
      eachOf(taking, channel, best.shape, (at) => (own += change[at]! ** 2));
      const parts: number[] = [];
      eachOf(taking, channel, best.shape, (at, i) => {
        parts.push(sign * peak[i]! + (own > 0 ? change[at]! / Math.sqrt(own) : 0));
        change[at] = 0;
      });
      let held = own;
      eachOf(giving, channel, best.shape, (at) => {
        held += change[at]! ** 2;
        change[at] = 0;
      });
      const length = Math.sqrt(squaresOf(parts));
      const scale = length > 0 ? Math.sqrt(left + held) / length : 0;
      eachOf(taking, channel, best.shape, (at, i) => (change[at] = scale * parts[i]!));
    }
    into.set(atFullLength(origin, change, threat).data);
  },
};

/** The moves in each norm. */
export const moves: { readonly [N in Norm]: Moves } = { linf, l2 };

/** The places in the image of one channel's pixels in a square, row by row. */
function eachOf(
  { side, top, left }: Window,
  channel: number,
  [, , height, width]: Images['shape'],
  visit: (at: number, i: number) => void,
): void {
  for (let row = 0; row < side; row++) {
    const from = (channel * height + top + row) * width + left;
    for (let column = 0; column < side; column++) visit(from + column, row * side + column);
  }
}

/** The sum of squares. */
function squaresOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += values[at]! * values[at]!;
  return sum;
}

/** The original with a change of length eps, in the ball and the range. */
function atFullLength(origin: Images, change: Float64Array, { eps, range }: ThreatModel): Images {
  const length = Math.sqrt(squaresOf(change));
  const scale = length > 0 ? eps / length : 0;
  const data = new Float32Array(change.length);
  for (let at = 0; at < data.length; at++) data[at] = origin.data[at]! + scale * change[at]!;
  return balls.l2.project({ data, shape: origin.shape }, origin, eps, range);
}

/**
 * A change of a square, of length 1: a peak in one half of it and the opposite one in the other half, upright or lying as
 * drawn. Row by row.
 */
function peaksOf(side: number, random: Random): Float64Array {
  const lying = random.below(2) === 1;
  const half = Math.floor(side / 2);
  const square = new Float64Array(side * side);
  for (const [from, rows, sign] of [
    [0, half, 1],
    [half, side - half, -1],
  ] as const) {
    const peak = peakOf(rows, side);
    peak.forEach((value, i) => {
      const [row, column] = [from + Math.floor(i / side), i % side];
      square[lying ? column * side + row : row * side + column] = sign * value;
    });
  }
  const length = Math.sqrt(squaresOf(square));
  return square.map((part) => part / length);
}

/**
 * Rectangles around the middle, each larger by one on every side; the n-th adds 1 / n^2. So a value is a sum over the
 * rectangles from the first that holds its place on.
 */
function peakOf(rows: number, columns: number): Float64Array {
  const [middle, centre] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  const sums = new Float64Array(Math.max(middle, centre) + 2);
  for (let n = sums.length - 2; n >= 0; n--) sums[n] = sums[n + 1]! + 1 / (n + 1) ** 2;
  const peak = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      peak[row * columns + column] = sums[Math.max(Math.abs(row - middle), Math.abs(column - centre))]!;
    }
  }
  return peak;
}
