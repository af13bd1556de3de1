import { describe, expect, it } from 'vitest';
import {
  attackOf,
  balls,
  drawsOf,
  toEnd,
  type Batch,
  type Images,
} from '../../../src/runtime/attacks/index.ts';
import { ontoPlane } from '../../../src/runtime/attacks/hyperplane.ts';
import { stream } from '../../../src/runtime/random.ts';
import { planes } from '../../support/planes.ts';

const norms = ['linf', 'l2'] as const;
const lengthOf = {
  linf: (d: Float64Array) => Math.max(...d.map(Math.abs)),
  l2: (d: Float64Array) => Math.hypot(...d),
};
const size = 40;

describe.each(norms)('the way onto a hyperplane in %s', (norm) => {
  const random = stream(4, 'plane', norm);
  const point = Float32Array.from({ length: size }, random.uniform);
  const slope = Float32Array.from({ length: size }, (_, i) => (i % 7 === 0 ? 0 : random.normal()));
  const gain = (change: ArrayLike<number>): number => slope.reduce((sum, w, i) => sum + w * change[i]!, 0);

  it.each([0.01, -0.5, 4, -6])('raises the value by %d, within the range', (rise) => {
    const change = ontoPlane(point, slope, rise, norm, [0, 1]);
    expect(gain(change)).toBeCloseTo(rise, 9);
    change.forEach((part, i) => {
      expect(point[i]! + part).toBeGreaterThanOrEqual(-1e-12);
      expect(point[i]! + part).toBeLessThanOrEqual(1 + 1e-12);
    });
  });

  it('is the shortest: no other change of its size that the range allows gains more', () => {
    const change = ontoPlane(point, slope, 4, norm, [0, 1]);
    const most = lengthOf[norm](change);
    for (let n = 0; n < 200; n++) {
      const other = change.map((part, i) => {
        const moved = part + 0.2 * (random.uniform() - 0.5);
        return Math.min(Math.max(moved, -point[i]!), 1 - point[i]!);
      });
      const shorter = Math.min(1, most / lengthOf[norm](other));
      expect(gain(other.map((part) => part * shorter))).toBeLessThanOrEqual(4 + 1e-9);
    }
  });

  it('is all the range allows where the plane is out of reach', () => {
    const change = ontoPlane(point, slope, 1000, norm, [0, 1]);
    change.forEach((part, i) => {
      const edge = slope[i]! > 0 ? 1 : slope[i]! < 0 ? 0 : point[i]!;
      expect(point[i]! + part).toBeCloseTo(edge, 12);
    });
  });

  it('has the length that geometry says where there is no range', () => {
    const dual = norm === 'linf' ? slope.reduce((sum, w) => sum + Math.abs(w), 0) : Math.hypot(...slope);
    expect(lengthOf[norm](ontoPlane(point, slope, -3, norm, null))).toBeCloseTo(3 / dual, 9);
  });

  it.each([0, NaN, Infinity])('stands still where the slope is %d', (w) => {
    const change = ontoPlane(point, slope.map(() => w), 1, norm, [0, 1]); // prettier-ignore
    expect([...change].every((part) => part === 0)).toBe(true);
  });
});

describe.each(norms)('FAB on hyperplanes in %s', (norm) => {
  const random = stream(6, 'fab', norm);
  const image = { channels: 2, height: 3, width: 3 };
  const weights = [0, 1, 2].map(() => Array.from({ length: 18 }, random.normal));
  const oracle = planes(image, weights, [10, 0, 0.5]);
  const images: Images = { data: Float32Array.from({ length: 18 }, () => 0.5), shape: [1, 2, 3, 3] };
  const batch: Batch = { images, labels: Int32Array.of(0), places: Int32Array.of(0) };

  /** The distance to the nearest of the two planes: |f| over the dual norm of its slope. */
  async function smallest(): Promise<number> {
    const { data } = await oracle.logits(images);
    return Math.min(
      ...[1, 2].map((other) => {
        const slope = weights[other]!.map((w, i) => w - weights[0]![i]!);
        const dual = norm === 'linf' ? slope.reduce((sum, w) => sum + Math.abs(w), 0) : Math.hypot(...slope);
        return (data[0]! - data[other]!) / dual;
      }),
    );
  }

  it.each([
    [1.001, true],
    [0.999, false],
  ])('within %d of the smallest change: %s', async (part, reached) => {
    const eps = part * (await smallest());
    const threat = { norm, eps, range: null, goal: 'untargeted' } as const;
    const settings = { steps: 30, targets: 9, restarts: 1 };
    const found = await toEnd(attackOf('fab').run(oracle, batch, threat, settings, drawsOf(1, 'fab')));
    const { data } = await oracle.logits(found);
    expect(Math.max(data[1]!, data[2]!) > data[0]!).toBe(reached);
    expect(balls[norm].distance(found, images)[0]).toBeGreaterThan(0.99 * eps);
  });
});
