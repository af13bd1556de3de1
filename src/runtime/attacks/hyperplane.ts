import type { Norm, ThreatModel } from './threat.ts';

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
 * @returns the change of each value.
 */
export function ontoPlane(
  point: Float32Array,
  slope: Float32Array,
  rise: number,
  norm: Norm,
  range: ThreatModel['range'],
): Float64Array {
  const [low, high] = range ?? [-Infinity, Infinity];
  const count = point.length;
  const room = new Float64Array(count);
  const speed = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const w = slope[i]!;
    if (!(Math.abs(w) > 0 && Number.isFinite(w))) continue;
    room[i] = w > 0 === rise > 0 ? high - point[i]! : point[i]! - low;
    speed[i] = norm === 'linf' ? 1 : Math.abs(w);
  }
  let size = 0;
  for (;;) {
    let rest = Math.abs(rise);
    let pace = 0;
    for (let i = 0; i < count; i++) {
      if (speed[i] === 0) continue;
      const w = Math.abs(slope[i]!);
      if (size * speed[i]! >= room[i]!) rest -= w * room[i]!;
      else pace += w * speed[i]!;
    }
    const next = pace > 0 ? rest / pace : Infinity;
    if (!(next > size)) break;
    size = next;
    if (pace === 0) break;
  }
  const change = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    if (speed[i] === 0) continue;
    const way = slope[i]! > 0 === rise > 0 ? 1 : -1;
    change[i] = way * Math.min(size * speed[i]!, room[i]!);
  }
  return change;
}
