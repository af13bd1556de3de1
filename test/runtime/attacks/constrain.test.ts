import { describe, expect, it } from 'vitest';
import { constrain, distances } from '../../../src/runtime/attacks/constrain.ts';
import { stream } from '../../../src/runtime/random.ts';

const random = stream(1, 'constrain');
const image = Float32Array.from({ length: 784 }, () => random.below(256) / 255);
const perturbation = Float32Array.from({ length: 784 }, () => 0.4 * (random.uniform() - 0.5));

describe('constrain', () => {
  it('adds the perturbation and holds it within eps', () => {
    const one = constrain(Float32Array.of(0.5, 0.5, 0.9), Float32Array.of(0.05, -0.3, 0.3), {
      eps: 0.2,
      clip: false,
      bits: null,
    });
    expect([...one]).toEqual([0.55, 0.3, 1.1].map(Math.fround));
  });

  it('clips to [0, 1] when the threat model says so', () => {
    const clipped = constrain(image, perturbation, { eps: 0.2, clip: true, bits: null });
    expect(Math.min(...clipped)).toBe(0);
    expect(Math.max(...clipped)).toBe(1);
  });

  // 8/255 is a level exactly, 0.1 and 0.16 lie between two, 0.001 is less than half of one
  it.each([0.001, 8 / 255, 0.1, 0.16, 0.3])('rounds to 8 bits and stays within eps %d', (eps) => {
    const attacked = constrain(image, perturbation, { eps, clip: true, bits: 8 });
    for (const pixel of attacked) {
      expect(Math.abs(255 * pixel - Math.round(255 * pixel))).toBeLessThan(1e-4);
      expect(pixel).toBeGreaterThanOrEqual(0);
      expect(pixel).toBeLessThanOrEqual(1);
    }
    expect(distances(image, attacked).linf).toBeLessThanOrEqual(eps + 1e-6);
  });

  it('takes the level nearest to an original that has none within eps', () => {
    const between = Float32Array.of(100.4 / 255);
    const [pixel] = constrain(between, Float32Array.of(0.001), { eps: 0.001, clip: true, bits: 8 });
    expect(pixel).toBe(Math.fround(100 / 255));
  });
});

describe('distances', () => {
  it('gives the largest change and the Euclidean distance', () => {
    const [image, attacked] = [Float32Array.of(0, 0, 1), Float32Array.of(1, 0, 0.25)];
    expect(distances(image, attacked)).toEqual({ linf: 1, l2: 1.25 });
  });
});
