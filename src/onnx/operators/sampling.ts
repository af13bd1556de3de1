import { ints, type Value } from '../../builder/ir.ts';
import {
  add,
  cast,
  clip,
  equal,
  expand,
  floor,
  gatherElements,
  mul,
  round,
  slice,
  squeeze,
  sub,
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

/** A coordinate in [-1,1] as a place on an axis: the ends are the centres of the outer pixels, or their edges. */
const unnormalised = (x: Value, size: number, alignCorners: boolean): Value =>
  alignCorners ? mul(add(x, 1), (size - 1) / 2) : sub(mul(add(x, 1), size / 2), 0.5);

function neighbours(x: Value, mode: string): readonly Neighbour[] {
  if (mode === 'nearest') return [{ at: round(x), share: null }];
  const below = floor(x);
  const share = sub(x, below);
  return [
    { at: below, share: sub(1, share) },
    { at: add(below, 1), share },
  ];
}

/** x [N,C,H,W] at the places of a grid [N,h,w,2] -> [N,C,h,w], between pixels as their shares say. */
function gridSample({ x, at, int, text }: Foreign): Value {
  const grid = at(1);
  const mode = text('mode', 'linear').replace('bilinear', 'linear');
  const padding = text('padding_mode', 'zeros');
  const isAligned = int('align_corners', 0) === 1;
  if (!['linear', 'nearest'].includes(mode)) throw new Error(`mode ${mode} is not supported`);
  if (!['zeros', 'border'].includes(padding)) throw new Error(`padding_mode ${padding} is not supported`);
  const [channels, height, width] = knownShape('GridSample', { ...x, shape: x.shape.slice(1) }) as [
    number,
    number,
    number,
  ];
  const places = (axis: number, size: number): readonly Neighbour[] => {
    const own = squeeze(slice(grid, [axis], [axis + 1], [3]), [3]);
    const place = unnormalised(own, size, isAligned);
    return neighbours(padding === 'border' ? clip(place, 0, size - 1) : place, mode);
  };
  const flat = reshapeAs(x, [x.shape[0]!, channels, height * width]);
  const [n, ...space] = grid.shape.slice(0, 3);
  const points = sizeOf(space);
  const columns = places(0, width);
  const parts = places(1, height).flatMap((row) =>
    columns.map((column) => {
      const inside = [clip(row.at, 0, height - 1), clip(column.at, 0, width - 1)] as const;
      const index = cast(add(mul(inside[0], width), inside[1]), 'int64');
      const indices = expand(reshapeAs(index, [n!, 1, points]), ints([1, channels, 1]));
      const values = gatherElements(flat, indices, 2);
      const seen = padding === 'zeros' ? [equal(inside[0], row.at), equal(inside[1], column.at)] : [];
      const shares = [row.share, column.share, ...seen.map((s) => cast(s, x.dtype))].filter(
        (s) => s !== null,
      );
      if (shares.length === 0) return values;
      return mul(
        values,
        reshapeAs(
          shares.reduce((a, b) => mul(a, b)),
          [n!, 1, points],
        ),
      );
    }),
  );
  return reshapeAs(
    parts.reduce((a, b) => add(a, b)),
    [n!, channels, ...space],
  );
}

export const sampling: Family = { GridSample: { 16: gridSample } };
