import type { Norm, ThreatModel } from './threat.ts';

/** How far each value can move, and what it gains for a step of 1. */
export interface PlaneMemory {
  readonly room: Float64Array;
  readonly gain: Float64Array;
}

/** Memory for {@link ontoPlane} on points of so many values. */
export const planeMemory = (count: number): PlaneMemory => ({
  room: new Float64Array(count),
  gain: new Float64Array(count),
});

/**
 * The smallest change of a point within the range that raises `slope . point` by `rise`, or as far as the range lets it.
 * Smallest in the norm: among changes of a size `s`, the one that gains most moves value i by min(s * speed_i, room_i) in
 * its direction, with the speed 1 in L-infinity and |slope_i| in L2. So one number is looked for:
 *
 *     sum |slope_i| min(s * speed_i, room_i) = |rise|
 *
 * The left side is concave and made of straight pieces, so Newton's method climbs to the root and is there after a few
 * rounds, without sorting. Signs and comparisons are numbers that the sums are multiplied by: as branches, which no
 * processor foresees, they would cost three times as much.
 *
 * @param slope values that are not numbers count as 0.
 * @param memory to work in, and `into` for the result, where they are to be used again and again.
 * @returns the change of each value.
 */
export function ontoPlane(
  point: Float32Array,
  slope: Float32Array,
  rise: number,
  norm: Norm,
  range: ThreatModel['range'],
  memory: PlaneMemory = planeMemory(point.length),
  into: Float64Array = new Float64Array(point.length),
): Float64Array {
  // finite, because they are multiplied by 0
  const [low, high] = range ?? [-Number.MAX_VALUE, Number.MAX_VALUE];
  const count = point.length;
  const { room, gain } = memory;
  const isLinf = norm === 'linf';
  const way = rise > 0 ? 1 : -1;
  let rest = Math.abs(rise);
  let pace = 0;
  for (let i = 0; i < count; i++) {
    const w = way * slope[i]!;
    const up = Number(w > 0);
    const steep = Math.abs(w);
    const isSteep = steep > 0 && steep < Infinity;
    room[i] = isSteep ? up * (high - point[i]!) + (1 - up) * (point[i]! - low) : 0;
    gain[i] = isSteep ? steep : 0;
    pace += Number(room[i]! > 0) * gain[i]! * (isLinf ? 1 : steep);
  }
  let size = 0;
  while (pace > 0 && rest / pace > size) {
    size = rest / pace;
    rest = Math.abs(rise);
    pace = 0;
    for (let i = 0; i < count; i++) {
      const steep = gain[i]!;
      const speed = isLinf ? 1 : steep;
      const spent = Number(size * speed >= room[i]!) * steep;
      rest -= spent * room[i]!;
      pace += (steep - spent) * speed;
    }
  }
  // where nothing is left that could move, all goes as far as it can
  if (pace === 0) size = beyondAll;
  for (let i = 0; i < count; i++) {
    const side = 2 * Number(way * slope[i]! > 0) - 1;
    const far = size * (isLinf ? 1 : gain[i]!);
    const isWithin = Number(far < room[i]!);
    into[i] = side * (isWithin * far + (1 - isWithin) * room[i]!);
  }
  return into;
}

/** A size that takes every value to its bound, and whose product with any slope is finite. */
const beyondAll = 1e200;
