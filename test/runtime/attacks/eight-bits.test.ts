import { describe, expect, it } from 'vitest';
import { balls, to8Bits, type Images } from '../../../src/runtime/attacks/index.ts';
import { constrain } from '../../../src/runtime/attacks/constrain.ts';
import { stream } from '../../../src/runtime/random.ts';

const random = stream(1, 'eight-bits');
const shape = [4, 3, 8, 8] as const;
const images = (next: () => number): Images => ({ data: Float32Array.from({ length: 768 }, next), shape });
const origin = images(() => random.below(256) / 255);
const moved = (by: number): Images => {
  const data = origin.data.map((x) => Math.min(1, Math.max(0, x + by * (2 * random.uniform() - 1))));
  return { data, shape };
};

// 8/255 is a level exactly, 0.1 and 0.16 lie between two, 0.001 is less than half of one
const sizes = { linf: [0.001, 8 / 255, 0.1, 0.16, 0.3], l2: [0.01, 0.03, 0.5, 1.7, 3] };

describe.each(['linf', 'l2'] as const)('8 bits in %s', (norm) => {
  it.each(sizes[norm])('give levels, and stay within eps %d', (eps) => {
    const attacked = balls[norm].project(moved(0.5), origin, eps, [0, 1]);
    const { data } = to8Bits(attacked, origin, { norm, eps });
    for (const pixel of data) expect(pixel).toBe(Math.fround(Math.round(255 * pixel) / 255));
    expect(Math.min(...data)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...data)).toBeLessThanOrEqual(1);
    const far = balls[norm].distance({ data, shape }, origin);
    expect(Math.max(...far)).toBeLessThanOrEqual(eps + 1e-6);
  });

  it('take the nearest level where eps leaves room', () => {
    const attacked = moved(0.2);
    const { data } = to8Bits(attacked, origin, { norm, eps: 100 });
    expect(data).toEqual(attacked.data.map((x) => Math.round(255 * x) / 255));
  });
});

it('a pixel with no level within eps takes the level nearest to the original', () => {
  const between = { data: Float32Array.of(100.4 / 255), shape: [1, 1, 1, 1] as const };
  expect(to8Bits(between, between, { norm: 'linf', eps: 0.001 }).data[0]).toBe(Math.fround(100 / 255));
});

it('are what constrain gives', () => {
  const attacked = moved(0.1);
  const change = attacked.data.map((x, at) => x - origin.data[at]!);
  const before = constrain(origin.data, change, { eps: 0.1, clip: true, bits: 8 });
  expect(to8Bits(attacked, origin, { norm: 'linf', eps: 0.1 }).data).toEqual(before);
});
