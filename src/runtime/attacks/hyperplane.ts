import type { Norm, ThreatModel } from './threat.ts';

/** Numbers of the values that move, one after another. */
export interface PlaneMemory {
  readonly room: Float64Array;
  readonly speed: Float64Array;
  readonly gain: Float64Array;
  readonly places: Int32Array;
}

/** Memory for {@link ontoPlane} on points of so many values. */
export const planeMemory = (count: number): PlaneMemory => ({
  room: new Float64Array(count),
  speed: new Float64Array(count),
  gain: new Float64Array(count),
  places: new Int32Array(count),
});

/**
 * The smallest change of a point within the range that raises `slope . point` by `rise`, or as far as the range lets it.
 * Smallest in the norm: among changes of a size `s`, the one that gains most moves value i by min(s * speed_i, room_i) in
 * its direction, with the speed 1 in L-infinity and |slope_i| in L2. So one number is looked for:
 *
 *     sum |slope_i| min(s * speed_i, room_i) = |rise|
 *
 * The left side is concave and made of straight pieces, so Newton's method climbs to the root and is there after a few
 * rounds, without sorting.
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
  const [low, high] = range ?? [-Infinity, Infinity];
  const count = point.length;
  const { room, speed, gain } = memory;
  const places = memory.places;
  let moving = 0;
  for (let i = 0; i < count; i++) {
    const w = slope[i]!;
    const steep = Math.abs(w);
    if (!(steep > 0 && steep < Infinity)) continue;
    room[moving] = w > 0 === rise > 0 ? high - point[i]! : point[i]! - low;
    speed[moving] = norm === 'linf' ? 1 : steep;
    gain[moving] = steep;
    places[moving++] = i;
  }
  let size = 0;
  for (;;) {
    let rest = Math.abs(rise);
    let pace = 0;
    for (let i = 0; i < moving; i++) {
      if (size * speed[i]! >= room[i]!) rest -= gain[i]! * room[i]!;
      else pace += gain[i]! * speed[i]!;
    }
    const next = pace > 0 ? rest / pace : Infinity;
    if (!(next > size)) break;
    size = next;
    if (pace === 0) break;
  }
  into.fill(0);
  for (let i = 0; i < moving; i++) {
    const way = slope[places[i]!]! > 0 === rise > 0 ? 1 : -1;
    into[places[i]!] = way * Math.min(size * speed[i]!, room[i]!);
  }
  return into;
}
