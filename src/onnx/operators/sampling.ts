import { constant, ints, tensorOf, type Value } from '../../builder/ir.ts';
import {
  abs,
  add,
  cast,
  clip,
  div,
  equal,
  expand,
  floor,
  gatherElements,
  matmul,
  mul,
  round,
  slice,
  squeeze,
  sub,
  transpose,
} from '../../builder/ops.ts';
import { knownShape } from '../../builder/fold-constants.ts';
import { sizeOf } from '../../builder/shape.ts';
import type { Family, Foreign } from '../foreign.ts';
import { reshapeAs } from './movement.ts';

/** A neighbour along one axis: where it is, and its share. */
interface Neighbour {
  readonly at: Value;
  readonly share: Value | null;
}

/** Where a neighbour is within an axis, or within the image counted in order, and what its share is a product of. */
interface Place {
  readonly inside: Value;
  readonly shares: readonly Value[];
}

/** A coordinate in [-1,1] as a place on an axis: the ends are the centres of the outer pixels, or their edges. */
const unnormalised = (x: Value, size: number, alignCorners: boolean): Value =>
  alignCorners ? mul(add(x, 1), (size - 1) / 2) : sub(mul(add(x, 1), size / 2), 0.5);

/** The element that a padding has at a place outside an axis of `size`. */
const paddings: Readonly<Record<string, (at: Value, size: number, alignCorners: boolean) => Value>> = {
  zeros: (at, size) => clip(at, 0, size - 1), // whose share is 0
  border: (at, size) => clip(at, 0, size - 1),
  // back and forth between the ends: low + span - |(at - low) mod 2 span - span|
  reflection: (at, size, alignCorners) => {
    const [low, span] = alignCorners ? [0, size - 1] : [-0.5, size];
    if (span === 0) return mul(at, 0);
    const far = sub(at, low);
    const rest = sub(far, mul(floor(div(far, 2 * span)), 2 * span));
    return clip(sub(low + span, abs(sub(rest, span))), 0, size - 1);
  },
};

/** The cubic kernel's a. */
const sharpness = -0.75;

/** The shares of four elements in a row, `t` from the second towards the third (Keys 1981). */
function cubicShares(t: Value): readonly Value[] {
  const a = sharpness;
  // ((a + 2) d - (a + 3)) d^2 + 1 up to a distance d of 1
  const near = (d: Value): Value => add(mul(mul(sub(mul(d, a + 2), a + 3), d), d), 1);
  // ((d - 5) d + 8) d - 4, times a, up to 2
  const far = (d: Value): Value => mul(sub(mul(add(mul(sub(d, 5), d), 8), d), 4), a);
  return [far(add(t, 1)), near(t), near(sub(1, t)), far(sub(2, t))];
}

const neighbours: Readonly<Record<string, (x: Value) => readonly Neighbour[]>> = {
  nearest: (x) => [{ at: round(x), share: null }],
  linear: (x) => {
    const below = floor(x);
    const share = sub(x, below);
    return [
      { at: below, share: sub(1, share) },
      { at: add(below, 1), share },
    ];
  },
  cubic: (x) => {
    const below = floor(x);
    return cubicShares(sub(x, below)).map((share, i) => ({ at: add(below, i - 1), share }));
  },
};

/** x [N,C,H,W] at the places of a grid [N,h,w,2] -> [N,C,h,w], between pixels as their shares say; volumes alike. */
function gridSample({ x, at, int, text }: Foreign): Value {
  const grid = at(1);
  // before opset 20 with `bi` before it
  const mode = text('mode', 'linear').replace(/^bi/, '');
  const padding = text('padding_mode', 'zeros');
  const isAligned = int('align_corners', 0) === 1;
  const [near, pad] = [neighbours[mode], paddings[padding]];
  if (!near) throw new Error(`mode ${mode} is not supported`);
  if (!pad) throw new Error(`padding_mode ${padding} is not supported`);
  const [channels, ...sizes] = knownShape('GridSample', { ...x, shape: x.shape.slice(1) }) as [
    number,
    ...number[],
  ];
  const last = sizes.length + 1;
  // a grid names the last axis first
  const places = sizes.map((size, i) => {
    const axis = sizes.length - 1 - i;
    const place = squeeze(slice(grid, [axis], [axis + 1], [last]), [last]);
    return near(unnormalised(place, size, isAligned)).map(({ at: own, share }): Place => {
      const inside = pad(own, size, isAligned);
      const seen = padding === 'zeros' ? cast(equal(inside, own), x.dtype) : null;
      return { inside, shares: [share, seen].filter((s) => s !== null) };
    });
  });
  const corners = places.reduce((so, own, i) =>
    so.flatMap((a) =>
      own.map((b) => ({
        inside: add(mul(a.inside, sizes[i]!), b.inside),
        shares: [...a.shares, ...b.shares],
      })),
    ),
  );
  const flat = reshapeAs(x, [x.shape[0]!, channels, sizes.reduce((a, b) => a * b, 1)]);
  const [n, ...space] = grid.shape.slice(0, last);
  const points = sizeOf(space);
  const parts = corners.map(({ inside, shares }) => {
    const index = cast(inside, 'int64');
    const indices = expand(reshapeAs(index, [n!, 1, points]), ints([1, channels, 1]));
    const values = gatherElements(flat, indices, 2);
    if (shares.length === 0) return values;
    return mul(
      values,
      reshapeAs(
        shares.reduce((a, b) => mul(a, b)),
        [n!, 1, points],
      ),
    );
  });
  return reshapeAs(
    parts.reduce((a, b) => add(a, b)),
    [n!, channels, ...space],
  );
}

/** Maps [N,2,3] (or [N,3,4]) of the places of an image of `size` [N,C,H,W], in [-1,1], to other places: a grid [N,H,W,2]. */
function affineGrid({ x, dims, int }: Foreign): Value {
  const space = dims(1).slice(2).map(Number);
  const isAligned = int('align_corners', 0) === 1;
  const place = (i: number, size: number): number =>
    isAligned ? (size === 1 ? 0 : (2 * i) / (size - 1) - 1) : (2 * i + 1) / size - 1;
  const count = space.reduce((a, b) => a * b, 1);
  // the last axis first, and a 1 for the shift
  const rows = Array.from({ length: count }, (_, point) => {
    let rest = point;
    const places = space.toReversed().map((size) => {
      const at = place(rest % size, size);
      rest = Math.floor(rest / size);
      return at;
    });
    return [...places, 1];
  });
  const base = constant(tensorOf(x.dtype, [count, space.length + 1], rows.flat()));
  return reshapeAs(matmul(base, transpose(x, [0, 2, 1])), [x.shape[0]!, ...space, space.length]);
}

export const sampling: Family = { AffineGrid: { 20: affineGrid }, GridSample: { 16: gridSample } };
